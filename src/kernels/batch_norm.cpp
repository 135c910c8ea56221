#include "kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

// A pass goes down some rows of a few units at a time, whose sums and constants stay in registers:
// 4 x 8 units, then 8, then single ones. Eight is a vector of the compiler's own kind.
using Eight [[gnu::vector_size(32)]] = float;
using EightBits [[gnu::vector_size(32)]] = std::uint32_t;
constexpr int kMany = 4;
constexpr std::int64_t kTileNumbers = 4096;

template <typename Lane>
struct Bits;
template <>
struct Bits<Eight> {
  using Type = EightBits;
  static constexpr EightBits kPlaces = {0, 1, 2, 3, 4, 5, 6, 7};
};
template <>
struct Bits<float> {
  using Type = std::uint32_t;
  static constexpr std::uint32_t kPlaces = 0;
};

template <typename Lane>
constexpr std::int64_t kUnits = sizeof(Lane) / sizeof(float);

// A constant of kCount groups of units.
template <typename Lane, int kCount>
struct Group {
  Lane lanes[kCount];

  Group() = default;
  explicit Group(const float *from) {
    for (int c = 0; c < kCount; ++c) {
      std::memcpy(&lanes[c], from + c * kUnits<Lane>, sizeof(Lane));
    }
  }
  void StoreTo(float *to) const {
    for (int c = 0; c < kCount; ++c) {
      std::memcpy(to + c * kUnits<Lane>, &lanes[c], sizeof(Lane));
    }
  }
};

// Rows first .. last - 1 of the units from j on.
struct Tile {
  std::int64_t j, first, last;
};

// pass.Run<Lane, kCount>(tile) for all units and rows. A tile is as high as it can be while its
// rows, all units of them, stay in a core's first cache: columns of more would come from far.
template <typename Pass>
inline __attribute__((always_inline)) void ForTiles(std::int64_t rows, std::int64_t width,
                                                    const Pass &pass) {
  const std::int64_t height = std::max<std::int64_t>(kTileNumbers / width, 8);
  for (std::int64_t first = 0; first < rows; first += height) {
    const std::int64_t last = std::min(first + height, rows);
    std::int64_t j = 0;
    for (; j + kMany * 8 <= width; j += kMany * 8) {
      pass.template Run<Eight, kMany>({j, first, last});
    }
    for (; j + 8 <= width; j += 8) pass.template Run<Eight, 1>({j, first, last});
    for (; j < width; ++j) pass.template Run<float, 1>({j, first, last});
  }
}

// Replaces counters by 32 well-mixed bits (lowbias32 by C. Wellons, public domain constants).
template <typename Counter>
inline __attribute__((always_inline)) void Mix(Counter *x) {
  *x ^= *x >> 16;
  *x *= 0x7feb352dU;
  *x ^= *x >> 15;
  *x *= 0x846ca68bU;
  *x ^= *x >> 16;
}

// sums += the rows.
struct SumRows {
  const float *y;
  std::int64_t stride;
  float *sums;

  template <typename Lane, int kCount>
  inline __attribute__((always_inline)) void Run(const Tile &tile) const {
    Group<Lane, kCount> sum(sums + tile.j);
    for (std::int64_t i = tile.first; i < tile.last; ++i) {
      const Group<Lane, kCount> row(y + i * stride + tile.j);
      for (int c = 0; c < kCount; ++c) sum.lanes[c] += row.lanes[c];
    }
    sum.StoreTo(sums + tile.j);
  }
};

// squares += the squared deviations of the rows from mean.
struct SumSquares {
  const float *z;
  std::int64_t width;
  const float *mean;
  float *squares;

  template <typename Lane, int kCount>
  inline __attribute__((always_inline)) void Run(const Tile &tile) const {
    const Group<Lane, kCount> middle(mean + tile.j);
    Group<Lane, kCount> sum(squares + tile.j);
    for (std::int64_t i = tile.first; i < tile.last; ++i) {
      const Group<Lane, kCount> row(z + i * width + tile.j);
      for (int c = 0; c < kCount; ++c) {
        const Lane centred = row.lanes[c] - middle.lanes[c];
        sum.lanes[c] += centred * centred;
      }
    }
    sum.StoreTo(squares + tile.j);
  }
};

template <bool kDropout>
struct NormaliseRelu {
  float *z, *h;
  std::int64_t first_row, width;
  const BatchNormState &norm;
  float scale;
  std::uint32_t threshold, seed;

  template <typename Lane, int kCount>
  inline __attribute__((always_inline)) void Run(const Tile &tile) const {
    const std::int64_t j = tile.j;
    const Group<Lane, kCount> mean(norm.mean + j), inv(norm.inv + j), gamma(norm.gamma + j),
        beta(norm.beta + j);
    auto place = Bits<Lane>::kPlaces +
                 static_cast<std::uint32_t>((first_row + tile.first) * width + j) + seed;
    for (std::int64_t i = tile.first; i < tile.last;
         ++i, place += static_cast<std::uint32_t>(width)) {
      Group<Lane, kCount> x(z + i * width + j);
      Group<Lane, kCount> out;
      for (int c = 0; c < kCount; ++c) {
        x.lanes[c] = (x.lanes[c] - mean.lanes[c]) * inv.lanes[c];
        const Lane y = gamma.lanes[c] * x.lanes[c] + beta.lanes[c];
        out.lanes[c] = y > 0.0f ? y : Lane{};
        if constexpr (kDropout) {
          auto bits = place + static_cast<std::uint32_t>(c * kUnits<Lane>);
          Mix(&bits);
          out.lanes[c] = bits >= threshold ? out.lanes[c] * scale : Lane{};
        }
      }
      x.StoreTo(z + i * width + j);
      out.StoreTo(h + i * width + j);
    }
  }
};

struct BackwardSums {
  float *dh;
  const float *xhat, *h;
  std::int64_t width;
  float scale;
  float *sums;

  template <typename Lane, int kCount>
  inline __attribute__((always_inline)) void Run(const Tile &tile) const {
    const std::int64_t j = tile.j;
    Group<Lane, kCount> gamma_sum(sums + j), beta_sum(sums + width + j);
    for (std::int64_t i = tile.first; i < tile.last; ++i) {
      const std::int64_t at = i * width + j;
      Group<Lane, kCount> gradient(dh + at);
      const Group<Lane, kCount> x(xhat + at), out(h + at);
      for (int c = 0; c < kCount; ++c) {
        // Dropped units have h = 0.
        gradient.lanes[c] = out.lanes[c] > 0.0f ? gradient.lanes[c] * scale : Lane{};
        gamma_sum.lanes[c] += gradient.lanes[c] * x.lanes[c];
        beta_sum.lanes[c] += gradient.lanes[c];
      }
      gradient.StoreTo(dh + at);
    }
    gamma_sum.StoreTo(sums + j);
    beta_sum.StoreTo(sums + width + j);
  }
};

struct NormBackward {
  float *dy;
  const float *xhat;
  std::int64_t width;
  float share;
  const BatchNormState &norm;
  const float *gamma_gradient, *beta_gradient;

  template <typename Lane, int kCount>
  inline __attribute__((always_inline)) void Run(const Tile &tile) const {
    const std::int64_t j = tile.j;
    const Group<Lane, kCount> gamma_sum(gamma_gradient + j), beta_sum(beta_gradient + j);
    Group<Lane, kCount> factor(norm.gamma + j);
    const Group<Lane, kCount> inv(norm.inv + j);
    for (int c = 0; c < kCount; ++c) factor.lanes[c] *= inv.lanes[c];
    for (std::int64_t i = tile.first; i < tile.last; ++i) {
      const std::int64_t at = i * width + j;
      Group<Lane, kCount> gradient(dy + at);
      const Group<Lane, kCount> x(xhat + at);
      for (int c = 0; c < kCount; ++c) {
        const Lane mean = share * (beta_sum.lanes[c] + x.lanes[c] * gamma_sum.lanes[c]);
        gradient.lanes[c] = factor.lanes[c] * (gradient.lanes[c] - mean);
      }
      gradient.StoreTo(dy + at);
    }
  }
};

}  // namespace

TRAILS_SIMD void BatchNormMomentsCpu(const float *z, std::int64_t rows, std::int64_t width,
                                     float *moments) {
  float *const mean = moments;
  float *const squares = moments + width;
  std::fill_n(moments, 2 * width, 0.0f);
  ForTiles(rows, width, SumRows{z, width, mean});
  // Divided, so that a constant's mean is the constant.
  for (std::int64_t j = 0; j < width; ++j) mean[j] /= static_cast<float>(rows);
  ForTiles(rows, width, SumSquares{z, width, mean, squares});
}

TRAILS_SIMD void BatchNormCombineCpu(const float *moments, const BatchPieces &pieces,
                                     std::int64_t width, const BatchNormState &norm) {
  float *const mean = norm.mean;
  float *const inv = norm.inv;
  for (std::int64_t j = 0; j < width; ++j) mean[j] = inv[j] = 0;
  for (std::int64_t p = 0; p < pieces.count(); ++p) {
    const float *const piece_mean = moments + p * 2 * width;
    const auto rows = static_cast<float>(pieces.rows_of(p));
    for (std::int64_t j = 0; j < width; ++j) mean[j] += rows * piece_mean[j];
  }
  const auto all_rows = static_cast<float>(pieces.rows);
  for (std::int64_t j = 0; j < width; ++j) mean[j] /= all_rows;
  for (std::int64_t p = 0; p < pieces.count(); ++p) {
    const float *const piece_mean = moments + p * 2 * width;
    const float *const squares = piece_mean + width;
    const auto rows = static_cast<float>(pieces.rows_of(p));
    for (std::int64_t j = 0; j < width; ++j) {
      const float apart = piece_mean[j] - mean[j];
      inv[j] += squares[j] + rows * apart * apart;
    }
  }
  for (std::int64_t j = 0; j < width; ++j) {
    inv[j] = 1.0f / std::sqrt(inv[j] / all_rows + kBatchNormEps);
  }
}

TRAILS_SIMD void BatchNormReluForwardCpu(float *z, float *h, std::int64_t first_row,
                                         std::int64_t rows, std::int64_t width,
                                         const BatchNormState &norm, float dropout,
                                         std::uint32_t seed) {
  const float scale = 1.0f / (1.0f - dropout);
  const auto threshold = static_cast<std::uint32_t>(dropout * 4294967296.0);
  if (dropout > 0) {
    ForTiles(rows, width,
             NormaliseRelu<true>{z, h, first_row, width, norm, scale, threshold, seed});
  } else {
    ForTiles(rows, width,
             NormaliseRelu<false>{z, h, first_row, width, norm, scale, threshold, seed});
  }
}

TRAILS_SIMD void BatchNormReluBackwardSumsCpu(float *dh, const float *xhat, const float *h,
                                              std::int64_t rows, std::int64_t width, float dropout,
                                              float *sums) {
  std::fill_n(sums, 2 * width, 0.0f);
  ForTiles(rows, width, BackwardSums{dh, xhat, h, width, 1.0f / (1.0f - dropout), sums});
}

TRAILS_SIMD void BatchNormBackwardCpu(float *dy, const float *xhat, std::int64_t rows,
                                      std::int64_t width, std::int64_t batch_rows,
                                      const BatchNormState &norm, const float *gamma_gradient,
                                      const float *beta_gradient) {
  ForTiles(rows, width,
           NormBackward{dy, xhat, width, 1.0f / static_cast<float>(batch_rows), norm,
                        gamma_gradient, beta_gradient});
}

TRAILS_SIMD void AddPiecesCpu(const float *from, std::int64_t pieces, std::int64_t stride,
                              std::int64_t width, float *to) {
  std::fill_n(to, width, 0.0f);
  ForTiles(pieces, width, SumRows{from, stride, to});
}

void AddRowsCpu(const float *y, std::int64_t rows, std::int64_t width, float *sums) {
  AddPiecesCpu(y, rows, width, width, sums);
}

TRAILS_SIMD void AddBiasCpu(float *y, std::int64_t rows, std::int64_t width, const float *bias,
                            bool relu) {
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = y + i * width;
    if (relu) {
      for (std::int64_t j = 0; j < width; ++j) {
        const float sum = row[j] + bias[j];
        row[j] = sum > 0 ? sum : 0.0f;
      }
    } else {
      for (std::int64_t j = 0; j < width; ++j) row[j] += bias[j];
    }
  }
}

}  // namespace trails::kernels
