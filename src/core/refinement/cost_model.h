// How long training takes, before and while it is measured.
//
// May touch: src/core.
#pragma once

#include <cstdint>

#include "core/space/candidate.h"

namespace trails {

// Work of one mini-batch row of a network, in multiply-adds: the matrix products forward and
// backward, plus what gathering fields and normalising units costs in the same unit (measured by
// bench/micro/trainer_bench, to within a factor of two over the built-in spaces).
double RowCost(const HiddenWidths &widths, std::int32_t inputs, std::int32_t outputs) noexcept;

// Seconds a unit of cost, learnt from what was trained; older measurements fade.
class UnitCost {
 public:
  void Learn(double cost, double seconds) noexcept {
    if (cost <= 0 || seconds <= 0) return;
    const double measured = seconds / cost;
    seconds_ = seconds_ == 0 ? measured : 0.7 * seconds_ + 0.3 * measured;
  }
  bool known() const noexcept { return seconds_ > 0; }
  double seconds() const noexcept { return seconds_; }

 private:
  double seconds_ = 0;
};

}  // namespace trails
