#include "core/filtering/weight_norm.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/squared_sums.h"

namespace trails {

namespace {

constexpr std::int32_t kBlock = kernels::kBlock;
constexpr std::int32_t kBlocksPerCheck = 64;

// Norms of the slices of a layer's weights: table[fan-in][width].
using NormTable = std::vector<std::vector<double>>;

// fan_ins and their stops in blocks; row_ends: the row blocks at which widths end.
NormTable SliceNorms(const WeightBank &bank, std::int32_t layer,
                     const std::vector<std::int32_t> &fan_ins, kernels::Stops stops,
                     const std::vector<std::int32_t> &row_ends, const Interrupt &interrupt) {
  NormTable norms(fan_ins.size());
  std::vector<double> squares(fan_ins.size());
  const float *panel = bank.forward_panel(layer);
  std::int32_t block = 0;
  for (const std::int32_t end : row_ends) {
    for (; block < end; ++block) {
      if (block % kBlocksPerCheck == 0) interrupt.Check();
      kernels::AddSquaredSums(panel, stops, squares.data());
      panel += std::ptrdiff_t{bank.padded_columns(layer)} * kBlock;
    }
    for (std::size_t i = 0; i < fan_ins.size(); ++i) {
      norms[i].push_back(WeightScale(fan_ins[i]) * std::sqrt(squares[i]));
    }
  }
  return norms;
}

class Tables {
 public:
  Tables(const WeightBank &bank, const Interrupt &interrupt) {
    const UnitGrid &grid = bank.grid();
    const std::int32_t input_blocks = bank.padded_columns(1) / kBlock;
    const kernels::Stops widths = {.blocks = grid.blocks().data(), .count = grid.count()};
    std::vector<std::int32_t> fan_ins;
    for (std::int32_t i = 0; i < grid.count(); ++i) fan_ins.push_back(grid.width(i));
    layers_.push_back(SliceNorms(bank, 1, {bank.inputs()}, {.blocks = &input_blocks, .count = 1},
                                 grid.blocks(), interrupt));
    for (std::int32_t l = 2; l <= bank.hidden_layers(); ++l) {
      layers_.push_back(SliceNorms(bank, l, fan_ins, widths, grid.blocks(), interrupt));
    }
    const std::int32_t output = bank.output_layer();
    const NormTable outputs =
        SliceNorms(bank, output, fan_ins, widths, {bank.padded_rows(output) / kBlock}, interrupt);
    last_ = layers_;
    for (NormTable &table : last_) {
      for (std::vector<double> &row : table) {
        for (std::size_t width = 0; width < row.size(); ++width) row[width] += outputs[width][0];
      }
    }
  }

  // Writes the candidates of `layers` layers that continue a prefix of l - 1 layers, whose norms
  // are `sum` and whose last width is the fan_in-th; returns where the next one goes.
  double *Write(std::size_t l, std::size_t layers, std::size_t fan_in, double sum,
                double *out) const {
    if (l == layers) {
      for (const double norm : last_[l - 1][fan_in]) *out++ = sum + norm;
      return out;
    }
    const std::vector<double> &row = layers_[l - 1][fan_in];
    for (std::size_t width = 0; width < row.size(); ++width) {
      out = Write(l + 1, layers, width, sum + row[width], out);
    }
    return out;
  }

 private:
  std::vector<NormTable> layers_;  // [l - 1]
  std::vector<NormTable> last_;    // with the output layer's norm
};

}  // namespace

void ScoreWeightNorms(const WeightBank &bank, const SearchSpace &space, const Interrupt &interrupt,
                      std::span<double> scores) {
  const Tables tables(bank, interrupt);
  double *out = scores.data();
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    out = tables.Write(1, static_cast<std::size_t>(layers), 0, 0.0, out);
  }
}

}  // namespace trails
