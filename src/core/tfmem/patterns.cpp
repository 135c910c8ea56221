// nas_wot: how differently the rows of a batch switch the units of a network.
//
// May touch: Torch, src/core/filtering.
#include "core/filtering/trie_pass.h"
#include "core/tfmem/definitions.h"
#include "core/tfmem/integer_determinant.h"

namespace trails {
namespace {

// K [rows, rows]: in how many units two rows agree. Sums of zeros and ones, exact in double.
std::vector<std::int64_t> AgreementKernel(const ForwardPass &pass) {
  at::Tensor kernel;
  for (const at::Tensor &y : pass.pre_activation) {
    const at::Tensor active = y.gt(0).to(at::kDouble);
    const at::Tensor inactive = active.neg().add(1);
    const at::Tensor agreeing = active.mm(active.t()).add(inactive.mm(inactive.t()));
    kernel = kernel.defined() ? kernel.add(agreeing) : agreeing;
  }
  const at::Tensor integers = kernel.to(at::kLong).contiguous();
  const auto *const first = integers.const_data_ptr<std::int64_t>();
  return {first, first + integers.numel()};
}

}  // namespace

double NasWot(const DirectNetwork &network, const DirectBatch &batch) {
  const std::vector<std::int64_t> kernel = AgreementKernel(Forward(network, batch.x));
  return LogDeterminant(kernel, batch.rows()).value_or(kInvalidScore);
}

}  // namespace trails
