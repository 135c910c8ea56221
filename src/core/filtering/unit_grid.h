// How the widths of a search space lie in the padded layers of the full-space scorer.
//
// Every interval between two widths is padded to whole blocks of 16 units, so that each width ends
// with a block. mlp20's 512 units take 544 slots.
//
// May touch: include/trails, src/kernels/blocked.h.
#pragma once

#include <cstdint>
#include <vector>

namespace trails {

class UnitGrid {
 public:
  // widths: ascending, distinct, not empty.
  explicit UnitGrid(const std::vector<std::int32_t> &widths);

  std::int32_t count() const noexcept { return static_cast<std::int32_t>(widths_.size()); }
  std::int32_t width(std::int32_t i) const noexcept { return widths_[static_cast<std::size_t>(i)]; }
  std::int32_t widest() const noexcept { return widths_.back(); }
  // Blocks that hold the first width(i) units, [count()]; ascending.
  const std::vector<std::int32_t> &blocks() const noexcept { return blocks_; }
  std::int32_t slots() const noexcept { return blocks_.back() * 16; }           // of the widest
  static std::int32_t Slots(const std::vector<std::int32_t> &widths) noexcept;  // without a grid
  // The slot of each unit, [widest()]; ascending. All other slots are padding.
  const std::vector<std::int32_t> &slot_of_unit() const noexcept { return slot_of_unit_; }

 private:
  std::vector<std::int32_t> widths_;
  std::vector<std::int32_t> blocks_;
  std::vector<std::int32_t> slot_of_unit_;
};

}  // namespace trails
