// Tiles of rows by column blocks of dW, reduced as soon as the batch is summed.
//
// May touch: src/kernels, Google Highway.
#include "kernels/weight_gradient.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/weight_gradient.cpp"
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

// Sums that stay in registers: 24 of 32, 8 of 16; without vectors, what compilers make good code
// of.
constexpr int kColumns = kVectors == 1 ? 3 : 1;
constexpr int kRows = kVectors == 1 ? 8 : kVectors == 2 ? 4 : kVectors == 4 ? 2 : 1;

struct Layer {
  const float *g;
  const float *h;
  std::int64_t batch;
  const float *panel;
  std::int64_t panel_rows;
};

// kRows rows from row `unit` of a block by kC blocks of columns.
template <int kC>
HWY_INLINE void Tile(const Layer &layer, std::int64_t block, std::int64_t unit, std::int64_t column,
                     Vector &squares, Vector &products) {
  const Lane lane;
  Vector sums[kC][kRows][kVectors];
  for (auto &column_sums : sums) {
    for (auto &row_sums : column_sums) {
      for (auto &sum : row_sums) sum = hn::Zero(lane);
    }
  }
  const float *g = layer.g + block * layer.batch * kBlock + unit;
  const float *h = layer.h + column * layer.batch * kBlock;
  for (std::int64_t b = 0; b < layer.batch; ++b, g += kBlock, h += kBlock) {
    Vector hidden[kC][kVectors];
    for (int c = 0; c < kC; ++c) {
      for (int v = 0; v < kVectors; ++v) {
        hidden[c][v] = hn::Load(lane, h + c * layer.batch * kBlock + v * kLanes);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const Vector gradient = hn::Set(lane, g[r]);
      for (int c = 0; c < kC; ++c) {
        for (int v = 0; v < kVectors; ++v) {
          sums[c][r][v] = hn::MulAdd(hidden[c][v], gradient, sums[c][r][v]);
        }
      }
    }
  }
  const float *const weights =
      layer.panel + (column * layer.panel_rows + block * kBlock + unit) * kBlock;
  for (int c = 0; c < kC; ++c) {
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Vector sum = sums[c][r][v];
        const Vector weight =
            hn::Load(lane, weights + (c * layer.panel_rows + r) * kBlock + v * kLanes);
        squares = hn::MulAdd(sum, sum, squares);
        products = hn::Add(products, hn::Abs(hn::Mul(sum, weight)));
      }
    }
  }
}

template <int kC>
HWY_INLINE void AllRows(const Layer &layer, RowBlocks rows, std::int64_t column,
                        WeightGradientSums &total) {
  const Lane lane;
  Vector squares = hn::Zero(lane);
  Vector products = hn::Zero(lane);
  for (std::int32_t block = 0; block < rows.blocks; ++block) {
    // Rows of padding that share a tile with others have g = 0.
    for (std::int32_t unit = 0; unit < rows.units[block]; unit += kRows) {
      Tile<kC>(layer, block, unit, column, squares, products);
    }
  }
  total.squares += hn::GetLane(hn::SumOfLanes(lane, squares));
  total.products += hn::GetLane(hn::SumOfLanes(lane, products));
}

}  // namespace

void WeightGradientTarget(const float *g, RowBlocks rows, const float *h,
                          std::int32_t column_blocks, std::int32_t batch, const float *panel,
                          std::int64_t panel_rows, WeightGradientSums &total) {
  const Layer layer{g, h, batch, panel, panel_rows};
  std::int64_t column = 0;
  for (; column + kColumns <= column_blocks; column += kColumns) {
    AllRows<kColumns>(layer, rows, column, total);
  }
  if constexpr (kColumns == 3) {
    if (column + 2 == column_blocks) {
      AllRows<2>(layer, rows, column, total);
      return;
    }
  }
  for (; column < column_blocks; ++column) AllRows<1>(layer, rows, column, total);
}

}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(WeightGradientTarget);

WeightGradientSums WeightGradient(const float *g, RowBlocks rows, const float *h,
                                  std::int32_t column_blocks, std::int32_t batch,
                                  const float *panel, std::int64_t panel_rows) {
  WeightGradientSums total;
  HWY_DYNAMIC_DISPATCH(WeightGradientTarget)
  (g, rows, h, column_blocks, batch, panel, panel_rows, total);
  return total;
}

}  // namespace trails::kernels
#endif
