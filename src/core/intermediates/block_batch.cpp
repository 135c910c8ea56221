#include "core/intermediates/block_batch.h"

#include <algorithm>

namespace trails {

BlockBatch::BlockBatch(const RowChoice &choice, std::int64_t columns, std::size_t most_blocks)
    : choice_(choice), columns_(columns) {
  const std::size_t block_bytes =
      static_cast<std::size_t>(kBlockRows * std::max<std::int64_t>(columns, 1)) * sizeof(float);
  most_blocks_ =
      std::clamp<std::size_t>(kMostBytes / block_bytes, 1, std::max<std::size_t>(most_blocks, 1));
}

std::span<const ValueBlock> BlockBatch::Next() {
  const std::size_t count = std::min(choice_.blocks().size() - next_, most_blocks_);
  blocks_.resize(count);
  std::size_t rows = 0;
  for (ValueBlock &block : blocks_) {
    block.index = next_++;
    block.first_row = choice_.first_row(block.index);
    block.rows = choice_.RowsOf(block.index);
    rows += block.rows.size();
  }
  const std::size_t needed = rows * static_cast<std::size_t>(columns_);
  if (needed > capacity_) {
    // Not filled: every value is written before it is looked at.
    values_ = std::make_unique_for_overwrite<float[]>(needed);
    capacity_ = needed;
  }
  float *values = values_.get();
  for (ValueBlock &block : blocks_) {
    block.values = values;
    values += block.rows.size() * static_cast<std::size_t>(columns_);
  }
  return blocks_;
}

}  // namespace trails
