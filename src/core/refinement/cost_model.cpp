#include "core/refinement/cost_model.h"

namespace trails {

namespace {
constexpr double kGatherCost = 30;  // of one input, forward and backward, in multiply-adds
constexpr double kUnitCost = 60;    // of one hidden unit: batch norm, ReLU, dropout, both ways
}  // namespace

double RowCost(const HiddenWidths &widths, std::int32_t inputs, std::int32_t outputs) noexcept {
  double cost = kGatherCost * inputs;
  double before = inputs;
  for (const std::int32_t width : widths) {
    cost += 3.0 * before * width + kUnitCost * width;
    before = width;
  }
  return cost + 3.0 * before * outputs;
}

}  // namespace trails
