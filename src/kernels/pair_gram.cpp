// Tiles of 4 x 4 samples: vectors hold units, so that a tile's sums are added across lanes at each
// stop, sixteen at a time.
//
// May touch: src/kernels, Google Highway.
#include "kernels/pair_gram.h"

#include <algorithm>

#include "kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pair_gram.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Lane = hn::CappedTag<float, kBlock>;
using Vector = hn::Vec<Lane>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Lane()));
// Columns of a tile whose sums fit the registers at once.
constexpr int kColumns = kLanes == kBlock ? 4 : 2;
constexpr int kSums = kPairTile * kColumns;

// The sum of the lanes of each of kLanes vectors, in order.
HWY_INLINE Vector SumEach(Vector *vectors) {
#if HWY_TARGET != HWY_SCALAR
  const Lane lane;
  for (int count = kLanes; count > 1; count /= 2) {
    for (int i = 0; i < count / 2; ++i) {
      const Vector low = vectors[2 * i];
      const Vector high = vectors[2 * i + 1];
      vectors[i] = hn::Add(hn::ConcatEven(lane, high, low), hn::ConcatOdd(lane, high, low));
    }
  }
#endif
  return vectors[0];
}

struct Pairs {
  const float *x;
  const float *y;  // x itself but for a cross Gram
  Stops stops;
  std::int32_t batch;
  float *pairs;
};

// Sums so far of samples row..row+3 by column..column+kColumns-1 into a tile's columns.
HWY_INLINE void StoreSums(const Vector *running, float factor, float *tile_column) {
  const Lane lane;
  HWY_ALIGN float sums[kSums];
  for (int first = 0; first < kSums; first += kLanes) {
    Vector vectors[kLanes];
    for (int i = 0; i < kLanes; ++i) vectors[i] = running[first + i];
    hn::Store(hn::Mul(SumEach(vectors), hn::Set(lane, factor)), lane, sums + first);
  }
  for (int i = 0; i < kPairTile; ++i) {
    for (int j = 0; j < kColumns; ++j) tile_column[i * kPairTile + j] = sums[i * kColumns + j];
  }
}

template <bool kCross>
HWY_INLINE void TileColumns(const Pairs &p, std::int32_t row, std::int32_t column, float *tile) {
  const Lane lane;
  // Samples beyond the batch repeat its last; their sums are wiped afterwards.
  std::int64_t rows[kPairTile];
  std::int64_t columns[kColumns];
  for (int i = 0; i < kPairTile; ++i) rows[i] = std::min(row + i, p.batch - 1) * kBlock;
  for (int j = 0; j < kColumns; ++j) columns[j] = std::min(column + j, p.batch - 1) * kBlock;
  Vector sums[kSums];
  for (auto &sum : sums) sum = hn::Zero(lane);

  const std::int64_t stride = std::int64_t{p.batch} * kBlock;
  const auto tile_stride = static_cast<std::int64_t>(PairFloats(p.batch));
  std::int64_t block = 0;
  for (std::int32_t stop = 0; stop < p.stops.count; ++stop) {
    for (; block < p.stops.blocks[stop]; ++block) {
      for (int unit = 0; unit < kBlock; unit += kLanes) {
        const float *const x = p.x + block * stride + unit;
        const float *const y = p.y + block * stride + unit;
        Vector x_column[kColumns], y_column[kColumns];
        for (int j = 0; j < kColumns; ++j) {
          y_column[j] = hn::Load(lane, y + columns[j]);
          if constexpr (kCross) x_column[j] = hn::Load(lane, x + columns[j]);
        }
        for (int i = 0; i < kPairTile; ++i) {
          const Vector x_row = hn::Load(lane, x + rows[i]);
          for (int j = 0; j < kColumns; ++j) {
            Vector &sum = sums[i * kColumns + j];
            sum = hn::MulAdd(x_row, y_column[j], sum);
          }
          if constexpr (kCross) {
            const Vector y_row = hn::Load(lane, y + rows[i]);
            for (int j = 0; j < kColumns; ++j) {
              Vector &sum = sums[i * kColumns + j];
              sum = hn::MulAdd(y_row, x_column[j], sum);
            }
          }
        }
      }
    }
    StoreSums(sums, kCross ? 0.5f : 1.0f, tile + stop * tile_stride + column % kPairTile);
  }
}

template <bool kCross>
HWY_INLINE void AllTiles(const Pairs &p) {
  float *tile = p.pairs;
  for (std::int32_t row = 0; row < p.batch; row += kPairTile) {
    for (std::int32_t tile_column = 0; tile_column <= row; tile_column += kPairTile) {
      for (std::int32_t column = 0; column < kPairTile; column += kColumns) {
        TileColumns<kCross>(p, row, tile_column + column, tile);
      }
      tile += kPairTile * kPairTile;
    }
  }
}

}  // namespace

void GramTarget(const float *x, Stops stops, std::int32_t batch, float *pairs) {
  AllTiles<false>({x, x, stops, batch, pairs});
}

void CrossGramTarget(const float *x, const float *y, Stops stops, std::int32_t batch,
                     float *pairs) {
  AllTiles<true>({x, y, stops, batch, pairs});
}

}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(GramTarget);
HWY_EXPORT(CrossGramTarget);

namespace {

constexpr std::int32_t kTileFloats = kPairTile * kPairTile;

void WipeMissingSamples(Stops stops, std::int32_t batch, float *pairs) {
  const std::int32_t there = batch % kPairTile;
  if (there == 0) return;
  for (std::int32_t stop = 0; stop < stops.count; ++stop, pairs += PairFloats(batch)) {
    // The last row of tiles, and within its last tile also columns.
    const std::int32_t last = batch / kPairTile * kPairTile;
    float *tile = pairs + PairIndex(last, 0);
    for (std::int32_t column = 0; column <= last; column += kPairTile, tile += kTileFloats) {
      for (std::int32_t i = 0; i < kPairTile; ++i) {
        for (std::int32_t j = 0; j < kPairTile; ++j) {
          if (i >= there || column + j >= batch) tile[i * kPairTile + j] = 0;
        }
      }
    }
  }
}

}  // namespace

void Gram(const float *x, Stops stops, std::int32_t batch, float *pairs) {
  HWY_DYNAMIC_DISPATCH(GramTarget)(x, stops, batch, pairs);
  WipeMissingSamples(stops, batch, pairs);
}

void CrossGram(const float *x, const float *y, Stops stops, std::int32_t batch, float *pairs) {
  HWY_DYNAMIC_DISPATCH(CrossGramTarget)(x, y, stops, batch, pairs);
  WipeMissingSamples(stops, batch, pairs);
}

TRAILS_SIMD double PairDot(const float *a, const float *b, std::int32_t batch) noexcept {
  // Sixteen sums side by side, so that the compiler keeps them in vectors.
  double sums[kTileFloats] = {};
  for (std::int32_t row = 0; row < batch; row += kPairTile) {
    for (std::int32_t column = 0; column <= row; column += kPairTile) {
      const double times = column < row ? 2.0 : 1.0;
      for (std::int32_t i = 0; i < kTileFloats; ++i) {
        sums[i] += times * (static_cast<double>(a[i]) * static_cast<double>(b[i]));
      }
      a += kTileFloats;
      b += kTileFloats;
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace trails::kernels
#endif
