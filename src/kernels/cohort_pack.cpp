#include "kernels/cohort_pack.h"

#include <algorithm>

namespace trails::kernels {

void AppendBlockCopies(const BlockCopy &copy, std::vector<BlockCopy> *copies) {
  const std::int64_t wide = std::min(copy.columns, kMostCopied);
  const std::int64_t high = wide == 0 ? 0 : std::max<std::int64_t>(kMostCopied / wide, 1);
  for (std::int64_t c = 0; c < copy.columns; c += wide) {
    for (std::int64_t r = 0; r < copy.rows; r += high) {
      BlockCopy piece = copy;
      piece.from += r * copy.from_stride + c;
      piece.to += r * copy.to_stride + c;
      piece.rows = std::min(high, copy.rows - r);
      piece.columns = std::min(wide, copy.columns - c);
      copies->push_back(piece);
    }
  }
}

void CohortPackCpu(const BlockCopy *copies, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const BlockCopy &copy = copies[i];
    for (std::int64_t r = 0; r < copy.rows; ++r) {
      std::copy_n(copy.from + r * copy.from_stride, copy.columns, copy.to + r * copy.to_stride);
    }
  }
}

}  // namespace trails::kernels
