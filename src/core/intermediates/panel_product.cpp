#include "core/intermediates/panel_product.h"

#include "kernels/simd.h"

namespace trails {

namespace {

constexpr std::int64_t kTile = 8;  // columns of a tile: 8 x 16 sums are 16 registers of AVX-512

// From here to pop_options products are fused into sums where the CPU can, which doubles their
// rate. Their last bits then depend on the CPU, which nothing that is made of them minds.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

// products [kTile, kPanelColumns] += a' b over `rows` rows, of kTile columns by a panel. Inlined,
// so that it is compiled for the CPU of its caller. one: 1, which the compiler must not know: it
// would load kTile neighbours of a at once and spread them with shuffles, which take turns with the
// products.
inline __attribute__((always_inline)) void AddTile(const double *__restrict a,
                                                   const double *__restrict b, std::int64_t rows,
                                                   std::int64_t one, std::int64_t stride,
                                                   double *__restrict products) {
  double sums[kTile][kPanelColumns] = {};
  for (std::int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < kTile; ++i) {
      const double ai = a[row * kPanelColumns + i * one];
      for (std::int64_t j = 0; j < kPanelColumns; ++j) {
        sums[i][j] += ai * b[row * kPanelColumns + j];
      }
    }
  }
  for (std::int64_t i = 0; i < kTile; ++i) {
    for (std::int64_t j = 0; j < kPanelColumns; ++j) products[i * stride + j] += sums[i][j];
  }
}

TRAILS_SIMD void AddTiles(const double *left, std::int64_t left_panels, const double *right,
                          std::int64_t rows, std::int64_t one, std::int64_t stride,
                          double *products) {
  for (std::int64_t panel = 0; panel < left_panels; ++panel) {
    const double *const a = left + panel * kPanelRows * kPanelColumns;
    for (std::int64_t i = 0; i < kPanelColumns; i += kTile) {
      AddTile(a + i, right, rows, one, stride, products + (panel * kPanelColumns + i) * stride);
    }
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace

void AddPanelProduct(const double *left, std::int64_t left_panels, const double *right,
                     std::int64_t rows, std::int64_t stride, double *products) {
  AddTiles(left, left_panels, right, rows, 1, stride, products);
}

}  // namespace trails
