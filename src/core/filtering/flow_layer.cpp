#include "core/filtering/flow_layer.h"

#include <algorithm>
#include <cmath>

#include "kernels/flow_product.h"
#include "kernels/flow_sums.h"

namespace trails {

namespace {

constexpr std::int32_t kBlock = kernels::kBlock;
constexpr std::int32_t kBlocksPerCheck = 16;
constexpr float kPerturbation = 1e-5f;

static_assert(kMaxHiddenLayers + 4 <= kernels::kMaxFlowColumns);

}  // namespace

AlignedDoubles FlowInputs(const WeightBank &bank, FlowsAsked asked,
                          std::span<const float> perturbation) {
  const FlowColumns columns(1, asked);
  const auto padded = static_cast<std::size_t>(bank.padded_columns(1));
  const auto inputs = static_cast<std::size_t>(bank.inputs());
  AlignedDoubles x(static_cast<std::size_t>(columns.count) * padded);
  for (std::size_t i = 0; i < inputs; ++i) x[i] = 1.0;
  if (asked.express_flow) {
    double *out = x.data() + static_cast<std::size_t>(columns.perturbed) * padded;
    for (std::size_t row = 0; row * inputs < perturbation.size(); ++row, out += padded) {
      // Rounded to float as in the published code: 1e-8 of the score.
      for (std::size_t i = 0; i < inputs; ++i) {
        out[i] = static_cast<double>(perturbation[row * inputs + i] * kPerturbation);
      }
    }
  }
  return x;
}

AlignedDoubles Outflow(const WeightBank &bank) {
  const std::int32_t layer = bank.output_layer();
  const auto slots = static_cast<std::size_t>(bank.padded_columns(layer));
  AlignedDoubles outflow(slots);
  const float *panel = bank.forward_panel(layer);
  for (std::int32_t block = 0; block < bank.padded_rows(layer) / kBlock; ++block) {
    for (std::size_t k = 0; k < slots; ++k, panel += kBlock) {
      for (std::int32_t i = 0; i < kBlock; ++i) {
        outflow[k] += std::fabs(static_cast<double>(panel[i]));
      }
    }
  }
  return outflow;
}

FlowLayer::FlowLayer(const WeightBank &bank, std::int32_t layer, FlowsAsked asked,
                     const AlignedDoubles &outflow)
    : bank_(bank),
      layer_(layer),
      columns_(layer, asked),
      next_columns_(layer + 1, asked),
      outflow_(outflow) {
  const double to_weights = 1.0 / std::sqrt(6.0);  // BiasScale / WeightScale
  const float *const bias = bank.bias(layer);
  double sum = 0;
  std::size_t slot = 0;
  for (const std::int32_t blocks : bank.grid().blocks()) {
    for (const std::size_t end = static_cast<std::size_t>(blocks) * kBlock; slot < end; ++slot) {
      bias_.push_back(std::fabs(static_cast<double>(bias[slot])) * to_weights);
      sum += bias_.back() * outflow[slot];
    }
    bias_outflow_.push_back(sum);
  }
}

FlowLayer::Outcome FlowLayer::NewOutcome(std::int32_t stops, bool next) const {
  const UnitGrid &grid = bank_.grid();
  const auto each = static_cast<std::size_t>(stops);
  const auto columns = static_cast<std::size_t>(columns_.count);
  const auto sums = static_cast<std::size_t>(columns_.sums);
  Outcome outcome;
  outcome.stops = stops;
  outcome.numbers = columns_.sums;
  outcome.product.resize(each * columns * kBlock);
  outcome.running.resize(each * sums * kernels::kSumParts);
  outcome.sums.resize(static_cast<std::size_t>(grid.count()) * each * sums);
  if (next) {
    outcome.next.resize(each * static_cast<std::size_t>(next_columns_.count) *
                        static_cast<std::size_t>(grid.slots()));
  }
  return outcome;
}

void FlowLayer::Propagate(const double *x, kernels::Stops stops, double bias_scale,
                          const Interrupt &interrupt, Outcome *outcome) const {
  const std::vector<std::int32_t> &width_ends = bank_.grid().blocks();
  const std::int32_t inputs = bank_.padded_columns(layer_);
  const float *panel = bank_.forward_panel(layer_);
  const double *outflow = outflow_.data();
  const std::int64_t sums = std::int64_t{stops.count} * columns_.sums;
  double *width_sums = outcome->sums.data();
  auto width_end = width_ends.begin();
  std::ranges::fill(outcome->running, 0.0);
  for (std::int32_t block = 0; block < width_ends.back(); ++block) {
    if (block % kBlocksPerCheck == 0) interrupt.Check();
    kernels::FlowProduct(panel, x, columns_.count, inputs, stops, outcome->product.data());
    kernels::AddFlowSums(outcome->product.data(), stops.count, columns_.count,
                         columns_.perturbed >= 0, outflow, outcome->running.data());
    if (!outcome->next.empty()) StoreNext(block, bias_scale, outcome);
    if (block + 1 == *width_end) {
      kernels::ReadFlowSums(outcome->running.data(), sums, width_sums);
      width_sums += sums;
      ++width_end;
    }
    panel += std::ptrdiff_t{inputs} * kBlock;
    outflow += kBlock;
  }
}

void FlowLayer::StoreNext(std::int32_t row_block, double bias_scale,
                          Outcome *outcome) const noexcept {
  const std::int32_t slots = bank_.grid().slots();
  const std::ptrdiff_t first = std::ptrdiff_t{row_block} * kBlock;
  const double *y = outcome->product.data();
  double *next = outcome->next.data() + first;
  const auto row = [&y](std::int32_t column) { return y + std::ptrdiff_t{column} * kBlock; };
  const auto put = [&next, slots](std::int32_t column) {
    return next + std::ptrdiff_t{column} * slots;
  };
  double bias[kBlock];
  for (std::int32_t i = 0; i < kBlock; ++i) {
    bias[i] = bias_scale * bias_[static_cast<std::size_t>(first + i)];
  }
  for (std::int32_t stop = 0; stop < outcome->stops; ++stop) {
    for (std::int32_t i = 0; i < kBlock; ++i) put(0)[i] = y[i] + bias[i];
    if (next_columns_.missed >= 0) {
      for (std::int32_t i = 0; i < kBlock; ++i) {
        const double before = columns_.missed >= 0 ? row(columns_.missed)[i] : 0.0;
        put(next_columns_.missed)[i] = before + layer_ * bias[i];
      }
    }
    if (columns_.perturbed >= 0) {
      const std::int32_t old_flows = columns_.perturbed - columns_.flows;
      for (std::int32_t flow = 0; flow < old_flows; ++flow) {
        std::copy_n(row(columns_.flows + flow), kBlock, put(next_columns_.flows + flow));
      }
      // Of the biases, what came out of the product has those of the layers before.
      if (layer_ >= 2) std::copy_n(y, kBlock, put(next_columns_.flows + old_flows));
      for (std::int32_t column = 0; column < kernels::kPerturbedColumns; ++column) {
        std::copy_n(row(columns_.perturbed + column), kBlock,
                    put(next_columns_.perturbed + column));
      }
    }
    y += std::ptrdiff_t{columns_.count} * kBlock;
    next += std::ptrdiff_t{next_columns_.count} * slots;
  }
}

}  // namespace trails
