// Gram matrices of the samples of a mini-batch: inner products over the units of a layer.
//
// A symmetric [batch, batch] matrix is kept as its lower triangle in tiles of 4 x 4 samples, tile
// (i / 4, j / 4) at (i / 4) * (i / 4 + 1) / 2 + j / 4, row-major within. Tiles on the diagonal are
// whole; entries of samples that are not there are zero.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include <cstddef>

#include "kernels/blocked.h"

namespace trails::kernels {

inline constexpr std::int32_t kPairTile = 4;

// Floats that such a matrix takes; a multiple of 16.
constexpr std::size_t PairFloats(std::int32_t batch) noexcept {
  const auto tiles = static_cast<std::size_t>((batch + kPairTile - 1) / kPairTile);
  return tiles * (tiles + 1) / 2 * kPairTile * kPairTile;
}
// Where the entry of samples i and j <= i stands.
constexpr std::size_t PairIndex(std::int32_t i, std::int32_t j) noexcept {
  const auto row = static_cast<std::size_t>(i / kPairTile);
  const auto tile = row * (row + 1) / 2 + static_cast<std::size_t>(j / kPairTile);
  return (tile * kPairTile + static_cast<std::size_t>(i % kPairTile)) * kPairTile +
         static_cast<std::size_t>(j % kPairTile);
}

// pairs[s] (i, j) = sum over the units of the first stops.blocks[s] blocks of x[.][i] * x[.][j].
// x: [last stop][batch][16]. pairs: [stops][PairFloats(batch)]. Cost: 16 * last stop * batch^2
// flops and 45 instructions a tile and stop. Dispatched at run time.
void Gram(const float *x, Stops stops, std::int32_t batch, float *pairs);

// The symmetric part of the inner products of two: (x[.][i] * y[.][j] + x[.][j] * y[.][i]) / 2.
// Cost: twice that of Gram.
void CrossGram(const float *x, const float *y, Stops stops, std::int32_t batch, float *pairs);

// The sum over all samples i and j (not the lower triangle alone) of a(i, j) * b(i, j), in double.
double PairDot(const float *a, const float *b, std::int32_t batch) noexcept;

}  // namespace trails::kernels
