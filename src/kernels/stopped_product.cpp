// Tiles of one row block and as many samples as the registers hold the sums of.
//
// May touch: src/kernels, Google Highway.
#include "kernels/stopped_product.h"

#include <array>
#include <cstddef>
#include <utility>

// Compiled once for each target: the file includes itself.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stopped_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kBlock>;
using Vector = hn::Vec<Tag>;
constexpr std::size_t kLanes = hn::MaxLanes(Tag());
constexpr std::size_t kParts = kBlock / kLanes;  // vectors of a row block

// Samples of a tile: 16 sums of AVX-512's 32 registers, 12 of AVX2's 16; two multiply-adds a cycle
// of 4 cycles each need 8. Without vectors a single sample's sums are what compilers make good
// code of.
constexpr std::size_t kTile = kParts == 1 ? 16 : kParts == 2 ? 6 : kParts == 4 ? 2 : 1;

// kSamples of the samples, the first of which x and z point to.
template <std::size_t kSamples>
void Tile(const float *HWY_RESTRICT panel, const float *HWY_RESTRICT x, Stops stops,
          std::ptrdiff_t batch, float *HWY_RESTRICT z) {
  const Tag d;
  Vector sums[kSamples][kParts];
  for (auto &sample : sums) {
    for (Vector &sum : sample) sum = hn::Zero(d);
  }
  std::int32_t block = 0;
  for (std::int32_t stop = 0; stop < stops.count; ++stop) {
    for (; block < stops.blocks[stop]; ++block) {
      for (std::size_t k = 0; k < kBlock; ++k) {
        Vector weights[kParts];
        for (std::size_t part = 0; part < kParts; ++part) {
          weights[part] = hn::Load(d, panel + k * kBlock + part * kLanes);
        }
        for (std::size_t sample = 0; sample < kSamples; ++sample) {
          const Vector input = hn::Set(d, x[sample * kBlock + k]);
          for (std::size_t part = 0; part < kParts; ++part) {
            sums[sample][part] = hn::MulAdd(weights[part], input, sums[sample][part]);
          }
        }
      }
      panel += kBlock * kBlock;
      x += batch * kBlock;
    }
    for (std::size_t sample = 0; sample < kSamples; ++sample) {
      for (std::size_t part = 0; part < kParts; ++part) {
        hn::Store(sums[sample][part], d, z + sample * kBlock + part * kLanes);
      }
    }
    z += batch * kBlock;
  }
}

using TileFunction = void (*)(const float *, const float *, Stops, std::ptrdiff_t, float *);

template <std::size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> TilesOf(std::index_sequence<kIndex...>) {
  return {&Tile<kIndex + 1>...};
}
constexpr auto kTiles = TilesOf(std::make_index_sequence<kTile>());  // [samples - 1]

void Product(const float *panel, const float *x, Stops stops, std::int32_t batch, float *z) {
  // Tiles of nearly equal size: a tile of one or two samples would wait for its own sums.
  const auto samples = static_cast<std::size_t>(batch);
  const std::size_t tiles = (samples + kTile - 1) / kTile;
  for (std::size_t tile = 0, sample = 0; tile < tiles; ++tile) {
    const std::size_t next = samples * (tile + 1) / tiles;
    kTiles[next - sample - 1](panel, x + sample * kBlock, stops, batch, z + sample * kBlock);
    sample = next;
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(Product);

void StoppedProduct(const float *panel, const float *x, Stops stops, std::int32_t batch, float *z) {
  HWY_DYNAMIC_DISPATCH(Product)(panel, x, stops, batch, z);
}

}  // namespace trails::kernels
#endif
