// Some columns of some rows of an intermediate, as the diagnostic queries see them.
//
// May touch: the C++ standard library only.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace trails {

// A NaN of its own, which no arithmetic makes: where a stage of a pipeline has NULL. It stands for
// no value as NaN does in sums, and can be told from a NaN that was computed or logged.
inline constexpr float kNoValue = std::bit_cast<float>(std::uint32_t{0x7FC5'A11D});

constexpr bool IsNoValue(float value) noexcept {
  return std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(kNoValue);
}

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
