// The layout that the kernels of the full-space scorer share.
//
// Units of a layer come in blocks of 16, samples of the mini-batch one after the other within a
// block: a vector holds 16 units (or 8, or 4) of one sample, so that sums over the batch are plain
// additions of vectors, and any batch size does.
//
//   activations     [blocks][batch][16]     unit u of sample b: ((u / 16) * batch + b) * 16 + u %
//   16 forward panel   [row blocks][k][16]     weight (r, k): ((r / 16) * columns + k) * 16 + r %
//   16 backward panel  [k blocks][rows][16]    weight (r, k): ((k / 16) * rows + r) * 16 + k % 16
//
// A width that is no multiple of 16 is padded with units whose weights and biases are zero: see
// core/filtering/unit_grid.h. All arrays begin at a multiple of 64 bytes.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>

namespace trails::kernels {

inline constexpr std::int32_t kBlock = 16;
inline constexpr std::int32_t kMaxBatch = 64;

// Where a product over the units of the layer before stops: stops[s] blocks of it, ascending.
struct Stops {
  const std::int32_t *blocks;  // [count]
  std::int32_t count;
};

}  // namespace trails::kernels
