// Tiles of column blocks by samples whose sums the registers hold, over all rows.
//
// May touch: src/kernels, Google Highway.
#include "kernels/backward_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/backward_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Lane = hn::CappedTag<float, kBlock>;
using Vector = hn::Vec<Lane>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Lane()));
constexpr int kVectors = kBlock / kLanes;

// Sums that stay in registers: 24 of 32, 12 of 16, 8 of 16; without vectors, what compilers make
// good code of.
constexpr int kColumns = kVectors == 1 ? 3 : 1;
constexpr int kSamples = kVectors == 1 ? 8 : kVectors == 2 ? 6 : kVectors == 4 ? 2 : 1;

struct Product {
  const float *panel;
  std::int64_t panel_rows;
  const float *g;
  RowBlocks rows;
  std::int64_t batch;
  float *y;
};

// kC blocks of columns from `column`, kS samples from `sample`.
template <int kC, int kS>
HWY_INLINE void Tile(const Product &p, std::int64_t column, std::int64_t sample) {
  const Lane lane;
  Vector sums[kC][kS][kVectors];
  for (auto &column_sums : sums) {
    for (auto &sample_sums : column_sums) {
      for (auto &sum : sample_sums) sum = hn::Zero(lane);
    }
  }
  const float *weights = p.panel + column * p.panel_rows * kBlock;
  const float *g = p.g + sample * kBlock;
  for (std::int32_t block = 0; block < p.rows.blocks; ++block) {
    for (std::int32_t unit = 0; unit < p.rows.units[block]; ++unit) {
      Vector weight[kC][kVectors];
      for (int c = 0; c < kC; ++c) {
        for (int v = 0; v < kVectors; ++v) {
          weight[c][v] = hn::Load(lane, weights + (c * p.panel_rows + unit) * kBlock + v * kLanes);
        }
      }
      for (int s = 0; s < kS; ++s) {
        const Vector gradient = hn::Set(lane, g[s * kBlock + unit]);
        for (int c = 0; c < kC; ++c) {
          for (int v = 0; v < kVectors; ++v) {
            sums[c][s][v] = hn::MulAdd(weight[c][v], gradient, sums[c][s][v]);
          }
        }
      }
    }
    weights += kBlock * kBlock;
    g += p.batch * kBlock;
  }
  float *const y = p.y + (column * p.batch + sample) * kBlock;
  for (int c = 0; c < kC; ++c) {
    for (int s = 0; s < kS; ++s) {
      for (int v = 0; v < kVectors; ++v) {
        hn::Store(sums[c][s][v], lane, y + (c * p.batch + s) * kBlock + v * kLanes);
      }
    }
  }
}

template <int kC>
HWY_INLINE void AllSamples(const Product &p, std::int64_t column) {
  if (p.batch < kSamples) {
    for (std::int64_t sample = 0; sample < p.batch; ++sample) Tile<kC, 1>(p, column, sample);
    return;
  }
  // The last tile may repeat samples of the one before, to the same values.
  for (std::int64_t sample = 0; sample < p.batch; sample += kSamples) {
    Tile<kC, kSamples>(p, column, std::min(sample, p.batch - kSamples));
  }
}

void Multiply(const Product &p, std::int32_t column_blocks) {
  std::int64_t column = 0;
  for (; column + kColumns <= column_blocks; column += kColumns) AllSamples<kColumns>(p, column);
  if constexpr (kColumns == 3) {
    if (column + 2 == column_blocks) {
      AllSamples<2>(p, column);
      return;
    }
  }
  for (; column < column_blocks; ++column) AllSamples<1>(p, column);
}

}  // namespace

void BackwardProductTarget(const float *panel, std::int64_t panel_rows, const float *g,
                           RowBlocks rows, std::int32_t batch, std::int32_t column_blocks,
                           float *y) {
  Multiply({panel, panel_rows, g, rows, batch, y}, column_blocks);
}

}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(BackwardProductTarget);

void BackwardProduct(const float *panel, std::int64_t panel_rows, const float *g, RowBlocks rows,
                     std::int32_t batch, std::int32_t column_blocks, float *y) {
  HWY_DYNAMIC_DISPATCH(BackwardProductTarget)
  (panel, panel_rows, g, rows, batch, column_blocks, y);
}

}  // namespace trails::kernels
#endif
