// The epoch's data order of all members of a cohort: exactly BatchOrder's (core/refinement).
//
// An order is a bijection of 0 .. 2^bits - 1 walked from 0 on, of which the values below the number
// of rows count. Each tile of places is counted by one block; then each block adds up the counts
// before its own and writes its values where they belong, so no order is ever sorted.
//
// May touch: the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <bit>
#include <cstdint>

struct CUstream_st;

namespace trails::kernels {

inline constexpr std::int32_t kOrderTile = 4096;  // places that one block walks

struct CohortOrderShape {
  std::int32_t members = 0;
  std::int32_t rows = 0;   // to train on, > 0
  std::int32_t batch = 0;  // 1 .. rows

  std::int64_t steps_per_epoch() const noexcept { return rows / batch; }
  // Rows of an epoch; the rest does not fill a mini-batch.
  std::int64_t epoch_rows() const noexcept { return steps_per_epoch() * batch; }
  // Of the bijection that is walked, as BatchOrder's.
  int bits() const noexcept {
    constexpr int kFewestBits = 7;
    const int needed = std::bit_width(static_cast<std::uint32_t>(rows - 1));
    return needed < kFewestBits ? kFewestBits : needed;
  }
  std::int64_t tiles() const noexcept {
    return ((std::int64_t{1} << bits()) + kOrderTile - 1) / kOrderTile;
  }
  // Numbers (int32) of scratch that CohortOrderCuda needs.
  std::int64_t scratch() const noexcept { return members * tiles(); }
};

// order [members, epoch_rows] = the rows of epoch `epoch` (from 0), mini-batch by mini-batch,
// exactly those of BatchOrder::Next, which is the specification. rows [shape.rows]: numbers of the
// training rows. seeds [members]: what BatchOrder is given, RandomStream::ForPurpose(seed of the
// member, order's purpose).Next(). tile_counts [scratch()] is overwritten. All in device memory,
// queued on `stream`. Throws Error(kDevice) when a launch is refused. Cost: two kernels; some 100
// operations on integers and 12 bytes a row and member.
void CohortOrderCuda(const CohortOrderShape &shape, const std::int32_t *rows,
                     const std::uint64_t *seeds, std::int64_t epoch, std::int32_t *tile_counts,
                     std::int32_t *order, CUstream_st *stream);

}  // namespace trails::kernels
