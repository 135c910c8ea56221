// One hidden layer of the flows: takes the flows of all widths of the layer before through |U|.
//
// May touch: src/core/filtering, src/kernels, Boost's aligned allocator.
#pragma once

#include <cstdint>
#include <span>
#include <vector>
#include <boost/align/aligned_allocator.hpp>

#include "core/filtering/weight_bank.h"
#include "core/interrupt.h"
#include "kernels/blocked.h"
#include "kernels/flow_columns.h"

namespace trails {

using AlignedDoubles = std::vector<double, boost::alignment::aligned_allocator<double, 64>>;

using kernels::FlowColumns;
using kernels::FlowsAsked;

// The columns of layer 1: ones, and with express_flow the perturbation, what DrawPerturbation
// gives, times 1e-5. [columns][padded inputs].
AlignedDoubles FlowInputs(const WeightBank &bank, FlowsAsked asked,
                          std::span<const float> perturbation);
// What a unit of each slot of the last hidden layer sends to all outputs, [slots], unscaled: column
// sums of the output layer's absolute weights.
AlignedDoubles Outflow(const WeightBank &bank);

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

  // outflow: Outflow of the bank; it and the bank outlive this.
  FlowLayer(const WeightBank &bank, std::int32_t layer, FlowsAsked asked,
            const AlignedDoubles &outflow);

  const FlowColumns &columns() const noexcept { return columns_; }
  // |c| / sqrt(6), [slots]: to be scaled like the weights.
  const std::vector<double> &bias() const noexcept { return bias_; }
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
  std::vector<double> bias_;
  std::vector<double> bias_outflow_;  // [widths]
};

}  // namespace trails
