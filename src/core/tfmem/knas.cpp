// knas: how much the gradients of early and late mini-batches agree.
//
// May touch: Torch, src/core/filtering.
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include "core/filtering/trie_pass.h"
#include "core/tfmem/definitions.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kMiniBatches = 50;
constexpr std::int64_t kMiniBatchRows = 4;
constexpr std::int64_t kEntries = 50;  // looked at of each tensor
constexpr std::size_t kTensors = 11;   // looked at

std::vector<at::Tensor> TensorsLookedAt(const DirectNetwork &network) {
  std::vector<at::Tensor> tensors;
  for (const at::Tensor &parameter : network.Parameters()) {
    if (parameter.numel() >= kEntries && tensors.size() < kTensors) tensors.push_back(parameter);
  }
  return tensors;
}

// The first entries of the loss's gradient in each of `tensors`, one after the other.
at::Tensor FirstEntries(const DirectNetwork &network, const std::vector<at::Tensor> &tensors,
                        const DirectBatch &mini_batch) {
  const ForwardPass pass = Forward(network, mini_batch.x);
  std::vector<at::Tensor> entries;
  for (const at::Tensor &g : Gradients(Loss(pass.outputs(), mini_batch), tensors)) {
    entries.push_back(g.flatten().narrow(0, 0, kEntries));
  }
  return at::cat(entries);
}

}  // namespace

double Knas(const DirectNetwork &network, const DirectBatch &batch, const std::stop_token &stop) {
  const std::vector<at::Tensor> tensors = TensorsLookedAt(network);
  if (tensors.empty() || batch.rows() < kMiniBatches * kMiniBatchRows) return kInvalidScore;
  std::vector<at::Tensor> snapshots;
  for (std::int64_t k = 0; k < kMiniBatches; ++k) {
    if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "scoring was cancelled");
    const DirectBatch mini_batch = batch.Slice(k * kMiniBatchRows, kMiniBatchRows);
    if (network.batch_norm() && !mini_batch.RowsDiffer()) return kInvalidScore;
    const at::Tensor entries = FirstEntries(network, tensors, mini_batch);
    snapshots.push_back(snapshots.empty() ? entries : snapshots.back().add(entries));
  }
  const at::Tensor all = at::stack(snapshots);
  const at::Tensor early = all.narrow(0, 0, kMiniBatches / 2);
  const at::Tensor late = all.narrow(0, kMiniBatches / 2, kMiniBatches / 2);
  const at::Tensor products = early.sub(early.mean(0)).mul(late.sub(late.mean(0)));
  return products.sum().item<double>() / static_cast<double>(kMiniBatches * kEntries);
}

}  // namespace trails
