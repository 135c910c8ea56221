#include "core/intermediates/row_choice.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "trails/error.h"

namespace trails {

RowChoice::RowChoice(std::int64_t rows, std::vector<std::int64_t> chosen)
    : rows_(rows), chosen_(std::move(chosen)) {
  std::int64_t before = -1;
  for (const std::int64_t row : chosen_) {
    if (row <= before || row >= rows_) {
      throw Error(ErrorKind::kInternal, "rows must ascend within the intermediate");
    }
    before = row;
    const auto block = static_cast<std::int32_t>(row / kBlockRows);
    if (blocks_.empty() || blocks_.back() != block) blocks_.push_back(block);
  }
  if (is_all()) {
    blocks_.resize(static_cast<std::size_t>(all_blocks()));
    std::iota(blocks_.begin(), blocks_.end(), 0);
  }
}

std::int64_t RowChoice::rows() const noexcept {
  return is_all() ? rows_ : static_cast<std::int64_t>(chosen_.size());
}

std::int32_t RowChoice::all_blocks() const noexcept {
  return static_cast<std::int32_t>((rows_ + kBlockRows - 1) / kBlockRows);
}

std::int64_t RowChoice::block_rows(std::size_t index) const {
  return std::min(kBlockRows, rows_ - first_row(index));
}

std::vector<std::int32_t> RowChoice::RowsOf(std::size_t index) const {
  std::vector<std::int32_t> positions;
  const std::int64_t first = first_row(index);
  if (is_all()) {
    positions.resize(static_cast<std::size_t>(block_rows(index)));
    std::iota(positions.begin(), positions.end(), 0);
    return positions;
  }
  const auto end = std::ranges::lower_bound(chosen_, first + kBlockRows);
  for (auto row = std::ranges::lower_bound(chosen_, first); row != end; ++row) {
    positions.push_back(static_cast<std::int32_t>(*row - first));
  }
  return positions;
}

}  // namespace trails
