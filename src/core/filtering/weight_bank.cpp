// Draws banks, straight into the order in which the kernels read them.
//
// Each weight is a function of its row and column alone, so that both panels are drawn, not
// transposed.
//
// May touch: src/core/space, src/core/filtering, src/core/random.h, src/kernels.
#include "core/filtering/weight_bank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <numeric>

#include "core/random.h"
#include "kernels/blocked.h"
#include "kernels/simd.h"

namespace trails {
namespace {

constexpr std::size_t kAlignment = 64;  // of kernels/blocked.h
constexpr std::int32_t kBlock = kernels::kBlock;
constexpr std::uint64_t kBankPurpose = 0x62616E6B;  // "bank"

std::int32_t Padded(std::int32_t units) noexcept {
  return (units + kBlock - 1) / kBlock * kBlock;
}

std::vector<std::int32_t> SlotsInOrder(std::int32_t units) {
  std::vector<std::int32_t> slots(static_cast<std::size_t>(units));
  std::iota(slots.begin(), slots.end(), 0);
  return slots;
}

// The stream of a layer's weights (part 0) or biases (part 1).
RandomStream LayerStream(std::uint64_t seed, std::int32_t bank, std::int32_t layer,
                         std::uint64_t part) noexcept {
  RandomStream of_bank =
      RandomStream::ForPurpose(seed, kBankPurpose + static_cast<std::uint64_t>(bank));
  return RandomStream::ForPurpose(of_bank.Next(), static_cast<std::uint64_t>(2 * layer) + part);
}

// The 16 rows of a row block, or the 16 columns of a column block: where the first number of each
// stands in the layer's stream, and 0 instead of 1 for padding.
struct Lanes {
  std::array<std::uint64_t, kBlock> first{};
  std::array<std::int32_t, kBlock> live{};
};

// Draws one block of a panel: lane i of slots[j] is the number lanes.first[i] + j * step of
// `stream`, an odd multiple of 2^-24 and so never zero; padding is left zero.
TRAILS_SIMD void DrawBlock(const RandomStream &stream, const Lanes &lanes, std::uint64_t step,
                           const std::vector<std::int32_t> &slots, float *block) {
  for (std::size_t j = 0; j < slots.size(); ++j) {
    float *const out = block + static_cast<std::ptrdiff_t>(slots[j]) * kBlock;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const std::uint64_t bits = stream.After(lanes.first[i] + j * step).Next() >> 40;
      const std::int32_t odd = 2 * static_cast<std::int32_t>(bits) + 1 - (1 << 24);
      out[i] = static_cast<float>(odd * lanes.live[i]) * 0x1p-24f;
    }
  }
}

// Draws a panel: the weight at across[u], along[v] is the number u * across_step + v * along_step
// of `stream`. Slots of `across` come in blocks of 16 lanes, each padded_along long.
void DrawPanel(const RandomStream &stream, const std::vector<std::int32_t> &across,
               std::uint64_t across_step, const std::vector<std::int32_t> &along,
               std::uint64_t along_step, std::int32_t padded_along, float *panel) {
  for (std::size_t unit = 0; unit < across.size();) {
    const std::int32_t block = across[unit] / kBlock;
    Lanes lanes;
    for (; unit < across.size() && across[unit] / kBlock == block; ++unit) {
      const auto lane = static_cast<std::size_t>(across[unit] % kBlock);
      lanes.first[lane] = unit * across_step;
      lanes.live[lane] = 1;
    }
    DrawBlock(stream, lanes, along_step, along,
              panel + static_cast<std::ptrdiff_t>(block) * padded_along * kBlock);
  }
}

}  // namespace

AlignedFloats::AlignedFloats(std::size_t count)
    : values_(new (std::align_val_t{kAlignment}) float[count]()), size_(count) {}

void AlignedFloats::Free::operator()(float *values) const noexcept {
  ::operator delete[](values, std::align_val_t{kAlignment});
}

double WeightScale(std::int32_t fan_in) noexcept {
  return std::sqrt(6.0 / fan_in);
}

double BiasScale(std::int32_t fan_in) noexcept {
  return 1.0 / std::sqrt(static_cast<double>(fan_in));
}

WeightBank::WeightBank(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                       std::uint64_t seed, std::int32_t bank, bool backward_panels)
    : grid_(space.widths), inputs_(inputs), outputs_(outputs), hidden_layers_(space.max_layers) {
  const std::vector<std::int32_t> input_slots = SlotsInOrder(inputs);
  const std::vector<std::int32_t> output_slots = SlotsInOrder(outputs);
  for (std::int32_t layer = 1; layer <= output_layer(); ++layer) {
    const auto &rows = layer == output_layer() ? output_slots : grid_.slot_of_unit();
    const auto &columns = layer == 1 ? input_slots : grid_.slot_of_unit();
    Layer drawn;
    drawn.rows = layer == output_layer() ? Padded(outputs) : grid_.slots();
    drawn.columns = layer == 1 ? Padded(inputs) : grid_.slots();
    const std::size_t weights =
        static_cast<std::size_t>(drawn.rows) * static_cast<std::size_t>(drawn.columns);
    const RandomStream stream = LayerStream(seed, bank, layer, 0);
    drawn.forward = AlignedFloats(weights);
    DrawPanel(stream, rows, columns.size(), columns, 1, drawn.columns, drawn.forward.data());
    if (backward_panels && layer > 1) {
      drawn.backward = AlignedFloats(weights);
      DrawPanel(stream, columns, 1, rows, columns.size(), drawn.rows, drawn.backward.data());
    }
    // The biases are one block's lanes after another: a panel of a single column.
    drawn.bias = AlignedFloats(static_cast<std::size_t>(drawn.rows));
    DrawPanel(LayerStream(seed, bank, layer, 1), rows, 1, {0}, 1, 1, drawn.bias.data());
    layers_.push_back(std::move(drawn));
  }
}

std::int32_t WeightBank::padded_columns(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer - 1)].columns;
}

std::int32_t WeightBank::padded_rows(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer - 1)].rows;
}

const float *WeightBank::forward_panel(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer - 1)].forward.data();
}

const float *WeightBank::backward_panel(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer - 1)].backward.data();
}

const float *WeightBank::bias(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer - 1)].bias.data();
}

InitialWeights WeightBank::Slice(const HiddenWidths &widths) const {
  InitialWeights slice;
  slice.dims = {inputs_};
  slice.dims.insert(slice.dims.end(), widths.begin(), widths.end());
  slice.dims.push_back(outputs_);
  const auto slot = [this](bool hidden, std::int32_t unit) {
    return hidden ? grid_.slot_of_unit()[static_cast<std::size_t>(unit)] : unit;
  };
  for (std::size_t at = 1; at < slice.dims.size(); ++at) {
    const bool is_output = at + 1 == slice.dims.size();
    const std::int32_t layer = is_output ? output_layer() : static_cast<std::int32_t>(at);
    const std::int32_t fan_in = slice.dims[at - 1];
    const std::ptrdiff_t columns = padded_columns(layer);
    std::vector<double> weight;
    std::vector<double> bias;
    for (std::int32_t unit = 0; unit < slice.dims[at]; ++unit) {
      const std::int32_t row = slot(!is_output, unit);
      bias.push_back(BiasScale(fan_in) * this->bias(layer)[row]);
      const float *const block = forward_panel(layer) + row / kBlock * columns * kBlock;
      for (std::int32_t from = 0; from < fan_in; ++from) {
        const std::ptrdiff_t column = slot(at > 1, from);
        weight.push_back(WeightScale(fan_in) * block[column * kBlock + row % kBlock]);
      }
    }
    slice.weight.push_back(std::move(weight));
    slice.bias.push_back(std::move(bias));
  }
  return slice;
}

std::int64_t WeightBank::Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                               bool backward_panels) noexcept {
  // At most 65,536 slots: in 64 bits nothing overflows.
  const std::int64_t slots = UnitGrid::Slots(space.widths);
  std::int64_t floats = 0;
  for (std::int32_t layer = 1; layer <= space.max_layers + 1; ++layer) {
    const std::int64_t rows = layer > space.max_layers ? Padded(outputs) : slots;
    const std::int64_t columns = layer == 1 ? Padded(inputs) : slots;
    floats += rows * columns * (backward_panels && layer > 1 ? 2 : 1) + rows;
  }
  return floats * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace trails
