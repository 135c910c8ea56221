// Some columns of some rows of an intermediate, as the diagnostic queries see them.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>
#include <span>

namespace trails {

// Rows ascend from block to block and within one.
struct ColumnBlock {
  std::int64_t rows = 0;
  const std::int64_t *row_ids = nullptr;  // [rows]
  const float *values = nullptr;          // [columns, rows], column by column
  std::int64_t columns = 0;

  std::span<const float> column(std::int64_t i) const {
    return {values + i * rows, static_cast<std::size_t>(rows)};
  }
};

}  // namespace trails
