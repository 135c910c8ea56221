// Which flows go through a layer side by side.
//
// May touch: src/kernels.
#pragma once

#include <cstdint>

#include "kernels/flow_sums.h"

namespace trails::kernels {

// Which TFMEMs the flows are for.
struct FlowsAsked {
  bool synflow = false;
  bool express_flow = false;
};

// The flows that enter layer l and come out of its product, in this order;
// core/filtering/flow_pass.h has their meaning. Sums over rows come in the same order, with two
// numbers for the perturbed four: their flow and their squares.
struct FlowColumns {
  FlowColumns(std::int32_t layer, FlowsAsked asked) noexcept
      : count(1), missed(-1), flows(1), perturbed(-1), sums(1) {
    if (asked.synflow && layer >= 2) missed = count++;
    flows = count;
    if (asked.express_flow) {
      perturbed = flows + (layer > 2 ? layer - 2 : 0);
      count = perturbed + kPerturbedColumns;
    }
    sums = FlowSumCount(count, asked.express_flow);
  }

  std::int32_t count;      // columns of the product; A is the first
  std::int32_t missed;     // M, where it is not zero: synflow, from layer 2; else -1
  std::int32_t flows;      // F_1 .. F_{l-2} begin here; express_flow
  std::int32_t perturbed;  // D, and the first of its sums, express_flow; else -1
  std::int32_t sums;       // numbers a sum over rows has
};

}  // namespace trails::kernels
