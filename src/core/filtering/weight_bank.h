// One draw of maximal weights for a whole search space: every candidate's weights are its top left
// slice, scaled by its own fan-in.
//
//   W_l = sqrt(6 / w_{l-1}) U_l[:w_l, :w_{l-1}],   b_l = c_l[:w_l] / sqrt(w_{l-1})
//
// with entries of U and c uniform in (-1, 1): exactly the initial weights of each candidate, but
// candidates share draws. The output layer's bank is shared by all depths. Why and what it costs
// in correlation: ranks of two banks agree at least as well as those of two independent draws, but
// a bank can be bad for every candidate of one width; so ranks are averaged over banks.
//
// May touch: src/core/space, src/core/filtering, src/core/random.h, src/kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/filtering/tfmem.h"
#include "core/filtering/unit_grid.h"
#include "core/space/candidate.h"

namespace trails {

// Floats at an address that is a multiple of 64, zeroed.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t count);
  float *data() noexcept { return values_.get(); }
  const float *data() const noexcept { return values_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(float *values) const noexcept;
  };
  std::unique_ptr<float[], Free> values_;
  std::size_t size_ = 0;
};

class WeightBank {
 public:
  // Draws the bank number `bank` of a seed, for max_layers hidden layers of the space's widths.
  // Backward panels, of the layers from 2 on, are only laid out when asked for. Cost: some 1 ns a
  // weight.
  // Throws std::bad_alloc.
  WeightBank(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
             std::uint64_t seed, std::int32_t bank, bool backward_panels);

  const UnitGrid &grid() const noexcept { return grid_; }
  std::int32_t inputs() const noexcept { return inputs_; }
  std::int32_t outputs() const noexcept { return outputs_; }
  std::int32_t hidden_layers() const noexcept { return hidden_layers_; }

  // Layers are 1 .. hidden_layers(); layer hidden_layers() + 1 is the output layer.
  std::int32_t output_layer() const noexcept { return hidden_layers_ + 1; }
  // Padded sizes, multiples of 16: the inputs, the grid's slots, the outputs.
  std::int32_t padded_columns(std::int32_t layer) const noexcept;
  std::int32_t padded_rows(std::int32_t layer) const noexcept;
  // U_l as the kernels want it (kernels/blocked.h), unscaled; padding is zero.
  const float *forward_panel(std::int32_t layer) const noexcept;
  const float *backward_panel(std::int32_t layer) const noexcept;  // null when not laid out
  const float *bias(std::int32_t layer) const noexcept;            // c_l, [padded_rows], unscaled

  // The candidate's own weights, scaled: what the direct computation takes.
  InitialWeights Slice(const HiddenWidths &widths) const;

  // Bytes that a bank of this space takes; the whole-space scorer refuses above a bound.
  static std::int64_t Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                            bool backward_panels) noexcept;

 private:
  struct Layer {
    std::int32_t rows, columns;  // padded
    AlignedFloats forward, backward, bias;
  };

  UnitGrid grid_;
  std::int32_t inputs_;
  std::int32_t outputs_;
  std::int32_t hidden_layers_;
  std::vector<Layer> layers_;
};

// Bounds of a scaled slice: of W_l and of b_l, by the fan-in.
double WeightScale(std::int32_t fan_in) noexcept;  // sqrt(6 / fan_in)
double BiasScale(std::int32_t fan_in) noexcept;    // 1 / sqrt(fan_in)

}  // namespace trails
