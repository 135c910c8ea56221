// Which rows of an intermediate a query asks for, block by block.
//
// May touch: src/core/intermediates, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

#include "core/intermediates/partition.h"

namespace trails {

// Blocks are of kBlockRows rows, the last one shorter.
class RowChoice {
 public:
  // chosen: positions from 0, ascending, each once; all rows where empty.
  // Throws Error(kInternal) for another order or a position outside [0, rows).
  RowChoice(std::int64_t rows, std::vector<std::int64_t> chosen);

  bool is_all() const noexcept { return chosen_.empty(); }
  std::int64_t all_rows() const noexcept { return rows_; }
  std::int64_t rows() const noexcept;  // chosen
  std::int32_t all_blocks() const noexcept;

  // The blocks that have a chosen row, ascending.
  const std::vector<std::int32_t> &blocks() const noexcept { return blocks_; }

  // Of blocks()[index]: the position of the block's first row, the rows that it has, and the chosen
  // ones as positions within it, ascending.
  std::int64_t first_row(std::size_t index) const { return blocks_.at(index) * kBlockRows; }
  std::int64_t block_rows(std::size_t index) const;
  std::vector<std::int32_t> RowsOf(std::size_t index) const;

 private:
  std::int64_t rows_;
  std::vector<std::int64_t> chosen_;
  std::vector<std::int32_t> blocks_;
};

}  // namespace trails
