// The layout of units in blocks of 16.
//
// May touch: src/core/filtering, src/kernels/blocked.h.
#include "core/filtering/unit_grid.h"

#include "kernels/blocked.h"

namespace trails {

UnitGrid::UnitGrid(const std::vector<std::int32_t> &widths) : widths_(widths) {
  constexpr std::int32_t kBlock = kernels::kBlock;
  std::int32_t blocks = 0;
  std::int32_t units = 0;
  for (const std::int32_t width : widths_) {
    for (std::int32_t slot = blocks * kBlock; units < width; ++units, ++slot) {
      slot_of_unit_.push_back(slot);
    }
    blocks = slot_of_unit_.back() / kBlock + 1;
    blocks_.push_back(blocks);
  }
}

std::int32_t UnitGrid::Slots(const std::vector<std::int32_t> &widths) noexcept {
  std::int32_t slots = 0;
  std::int32_t narrower = 0;
  for (const std::int32_t width : widths) {
    slots += (width - narrower + kernels::kBlock - 1) / kernels::kBlock * kernels::kBlock;
    narrower = width;
  }
  return slots;
}

}  // namespace trails
