// Exclusive or with the rotated pattern, and a population count.
//
// May touch: src/kernels, Google Highway.
#include "kernels/disagreements.h"

#include <array>
#include <utility>

// Compiled once for each target: the file includes itself.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/disagreements.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<std::uint16_t, 32>;
using Vector = hn::Vec<Tag>;
constexpr std::ptrdiff_t kLanes = hn::MaxLanes(Tag());

// Rows of a tile: their counts stay in registers.
constexpr std::size_t kTile = kLanes == 32 ? 16 : 8;

// kRows rows from the one of rotation `first` on; patterns, before and after point to the first of
// the columns.
template <std::size_t kRows>
void Tile(const std::uint16_t *HWY_RESTRICT patterns, Stops stops, std::int32_t batch,
          std::ptrdiff_t first, const std::uint16_t *HWY_RESTRICT before,
          std::uint16_t *HWY_RESTRICT after) {
  const Tag d;
  const std::ptrdiff_t columns = DisagreementColumns(batch);
  const std::ptrdiff_t counts = DisagreementCounts(batch);
  const std::ptrdiff_t words = PatternWords(batch);
  Vector sums[kRows];
  for (std::size_t row = 0; row < kRows; ++row) {
    const std::ptrdiff_t at = (first - 1 + static_cast<std::ptrdiff_t>(row)) * columns;
    sums[row] = before != nullptr ? hn::Load(d, before + at) : hn::Zero(d);
  }
  std::int32_t block = 0;
  for (std::int32_t stop = 0; stop < stops.count; ++stop, after += counts) {
    for (; block < stops.blocks[stop]; ++block, patterns += words) {
      const Vector pattern = hn::Load(d, patterns);
      for (std::size_t row = 0; row < kRows; ++row) {
        const Vector rotated = hn::LoadU(d, patterns + first + static_cast<std::ptrdiff_t>(row));
        sums[row] = hn::Add(sums[row], hn::PopulationCount(hn::Xor(pattern, rotated)));
      }
    }
    for (std::size_t row = 0; row < kRows; ++row) {
      hn::Store(sums[row], d, after + (first - 1 + static_cast<std::ptrdiff_t>(row)) * columns);
    }
  }
}

using TileFunction = void (*)(const std::uint16_t *, Stops, std::int32_t, std::ptrdiff_t,
                              const std::uint16_t *, std::uint16_t *);

template <std::size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> TilesOf(std::index_sequence<kIndex...>) {
  return {&Tile<kIndex + 1>...};
}
constexpr auto kTiles = TilesOf(std::make_index_sequence<kTile>());  // [rows - 1]

void Count(const std::uint16_t *patterns, Stops stops, std::int32_t batch,
           const std::uint16_t *before, std::uint16_t *after) {
  const auto rows = static_cast<std::size_t>(DisagreementRows(batch));
  const std::size_t tiles = (rows + kTile - 1) / kTile;
  for (std::ptrdiff_t column = 0; column < batch; column += kLanes) {
    for (std::size_t tile = 0, row = 0; tile < tiles; ++tile) {
      const std::size_t next = rows * (tile + 1) / tiles;
      kTiles[next - row - 1](patterns + column, stops, batch, static_cast<std::ptrdiff_t>(row) + 1,
                             before != nullptr ? before + column : nullptr, after + column);
      row = next;
    }
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(Count);

void Disagreements(const std::uint16_t *patterns, Stops stops, std::int32_t batch,
                   const std::uint16_t *before, std::uint16_t *after) {
  HWY_DYNAMIC_DISPATCH(Count)(patterns, stops, batch, before, after);
}

}  // namespace trails::kernels
#endif
