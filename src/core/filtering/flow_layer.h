// One hidden layer of the flows: takes the flows of all widths of the layer before through |U|.
//
// May touch: src/core/filtering, src/kernels, Boost's aligned allocator.
#pragma once

#include <cstdint>
#include <vector>
#include <boost/align/aligned_allocator.hpp>

#include "core/filtering/weight_bank.h"
#include "core/interrupt.h"
#include "kernels/blocked.h"

namespace trails {

using AlignedDoubles = std::vector<double, boost::alignment::aligned_allocator<double, 64>>;

// Which TFMEMs the flows are for.
struct FlowsAsked {
  bool synflow = false;
  bool express_flow = false;
};

// The flows that enter layer l and come out of its product, in this order; flow_pass.h has their
// meaning. Sums over rows come in the same order, with two numbers for the perturbed four: their
// flow and their squares.
struct FlowColumns {
  FlowColumns(std::int32_t layer, FlowsAsked asked) noexcept;

  std::int32_t count;      // columns of the product; A is the first
  std::int32_t missed;     // M, where it is not zero: synflow, from layer 2; else -1
  std::int32_t flows;      // F_1 .. F_{l-2} begin here; express_flow
  std::int32_t perturbed;  // D, and the first of its sums, express_flow; else -1
  std::int32_t sums;       // numbers a sum over rows has
};

class FlowLayer {
 public:
  // What a product of the layer leaves behind, kept from one to the next.
  struct Outcome {
    std::int32_t stops = 0;
    std::int32_t numbers = 0;  // FlowColumns::sums
    AlignedDoubles product;    // of 16 rows, [stops][columns][16]
    AlignedDoubles running;    // [stops][sums][8]
    std::vector<double> sums;  // [widths][stops][sums]
    AlignedDoubles next;       // the columns of the next layer, [stops][columns][slots]; or empty

    // Sums over the rows of the first `width` widths, for one stop.
    const double *At(std::int32_t width, std::int32_t stop) const noexcept {
      return sums.data() + (std::ptrdiff_t{width} * stops + stop) * numbers;
    }
  };

  // outflow: what a unit of each slot sends to all outputs, [slots]; it and the bank outlive this.
  FlowLayer(const WeightBank &bank, std::int32_t layer, FlowsAsked asked,
            const AlignedDoubles &outflow);

  const FlowColumns &columns() const noexcept { return columns_; }
  // What the biases of the first `width` widths send to all outputs, unscaled.
  double bias_outflow(std::int32_t width) const noexcept {
    return bias_outflow_[static_cast<std::size_t>(width)];
  }
  // For products of that many stops, with room for the next layer's columns when asked for.
  Outcome NewOutcome(std::int32_t stops, bool next) const;
  // The flows of `stop` as the next layer takes them.
  const double *Next(const Outcome &outcome, std::int32_t stop) const noexcept {
    return outcome.next.data() + std::ptrdiff_t{stop} * next_columns_.count * bank_.grid().slots();
  }

  // Takes x [columns][padded_columns of the layer] through |U|, without scaling by the fan-in. Its
  // sums leave the biases out; what it hands to the next layer has them, times bias_scale.
  // outcome is for stops.count stops. Throws what interrupt throws, looked at every 16 row blocks.
  // Cost: a kernels::FlowProduct for each row block, a tenth more for the sums.
  void Propagate(const double *x, kernels::Stops stops, double bias_scale,
                 const Interrupt &interrupt, Outcome *outcome) const;

 private:
  // Hands 16 rows of the product to the next layer.
  void StoreNext(std::int32_t row_block, double bias_scale, Outcome *outcome) const noexcept;

  const WeightBank &bank_;
  std::int32_t layer_;
  FlowColumns columns_;
  FlowColumns next_columns_;
  const AlignedDoubles &outflow_;
  std::vector<double> bias_;          // |c| / sqrt(6), [slots]: to be scaled like the weights
  std::vector<double> bias_outflow_;  // [widths]
};

}  // namespace trails
