// A column's text, widening and memory: what is too long for trails/columns.h.
//
// May touch: include/trails.
#include "trails/columns.h"

namespace trails {

void Column::AppendText(std::string_view value) {
  const auto found = codes_by_text_.find(value);
  if (found != codes_by_text_.end()) {
    AppendCode(found->second);
    return;
  }
  if (dictionary_.size() >= static_cast<std::size_t>(kMaxDistinct)) {
    AppendCode(kOverflowCode);
    return;
  }
  const auto code = static_cast<std::int32_t>(dictionary_.size());
  const auto added = codes_by_text_.emplace(std::string(value), code).first;
  dictionary_.emplace_back(added->first);
  AppendCode(code);
}

std::int64_t Column::bytes() const noexcept {
  // A node: the string, its code, the cached hash and the link; plus a bucket and the view.
  constexpr std::int64_t kEntryBytes = sizeof(std::string) + 40 + sizeof(std::string_view);
  std::int64_t total = codes_.bytes() + integers_.bytes() + floats_.bytes() + doubles_.bytes();
  for (const std::string_view text : dictionary_) {
    total += kEntryBytes + static_cast<std::int64_t>(text.size());
  }
  return total;
}

void Column::Release() noexcept {
  codes_.clear();
  integers_.clear();
  floats_.clear();
  doubles_.clear();
  dictionary_ = {};
  codes_by_text_ = {};
}

void Column::ReleaseBlock(std::int64_t block) noexcept {
  codes_.ReleaseBlock(block);
  integers_.ReleaseBlock(block);
  floats_.ReleaseBlock(block);
  doubles_.ReleaseBlock(block);
}

void Column::Widen() {
  constexpr std::int64_t kBlock = BlockedArray<std::int32_t>::kBlockValues;
  for (std::int64_t row = 0; row < rows_; ++row) {
    if (kind_ == ColumnKind::kInteger) {
      integers_.push_back(codes_[row] == kNullNarrow ? kNullInteger : codes_[row]);
    } else {
      doubles_.push_back(static_cast<double>(floats_[row]));
    }
    if ((row + 1) % kBlock == 0) {
      codes_.ReleaseBlock(row / kBlock);
      floats_.ReleaseBlock(row / kBlock);
    }
  }
  codes_.clear();
  floats_.clear();
  wide_ = true;
}

}  // namespace trails
