// Memory for the values of some blocks of chosen rows: whoever reads or computes them writes them
// where they are looked at.
//
// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/intermediates/row_choice.h"

namespace trails {

// The chosen rows of one block.
struct ValueBlock {
  std::size_t index = 0;           // into RowChoice::blocks()
  std::int64_t first_row = 0;      // position of the block's first row, chosen or not
  std::vector<std::int32_t> rows;  // chosen ones, positions within the block
  float *values = nullptr;         // [columns, rows], column by column

  std::span<float> column(std::int64_t i) const {
    return {values + i * static_cast<std::int64_t>(rows.size()), rows.size()};
  }
};

// Goes through the blocks of a choice, a batch at a time, in memory that is used again.
class BlockBatch {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;  // of values, but for one block

  // Batches of at most `most_blocks`, fewer where the columns are too many for that memory.
  // `choice` must outlive it.
  BlockBatch(const RowChoice &choice, std::int64_t columns, std::size_t most_blocks);

  std::size_t most_blocks() const noexcept { return most_blocks_; }

  // The next blocks, ascending; none at the end. What their values are nobody knows until they are
  // written. Valid until the next call. Throws std::bad_alloc.
  std::span<const ValueBlock> Next();

 private:
  const RowChoice &choice_;
  std::int64_t columns_;
  std::size_t most_blocks_;
  std::size_t next_ = 0;  // into choice_.blocks()
  std::vector<ValueBlock> blocks_;
  std::unique_ptr<float[]> values_;  // [capacity_], of all blocks
  std::size_t capacity_ = 0;
};

}  // namespace trails
