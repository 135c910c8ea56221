#include "core/refinement/cost_model.h"

namespace trails {

namespace {
// In multiply-adds, fitted to bench/micro/trainer_bench (batches of 512 and 2,048 rows, AVX-512).
constexpr double kGatherCost = 120;  // of one input: gather and scatter
constexpr double kUnitCost = 130;    // of one hidden unit: batch norm, ReLU, dropout, update
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
