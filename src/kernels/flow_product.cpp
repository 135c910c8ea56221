#include "kernels/flow_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/flow_product.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Sums that stay in registers: what is left of 32 with AVX-512, else of 16, beside the weights.
constexpr int Accumulators(int lanes) {
  return lanes == 8 ? 28 : 12;
}

// The largest number of vectors of rows, a power of two, whose sums of all columns stay in
// registers.
constexpr int VectorsAtOnce(int lanes, int columns) {
  int vectors = kBlock / lanes;
  while (vectors > 1 && vectors * columns > Accumulators(lanes)) vectors /= 2;
  return vectors;
}

template <int kColumns>
void ProductOf(const float *HWY_RESTRICT panel, const double *HWY_RESTRICT x, std::int64_t stride,
               Stops stops, double *HWY_RESTRICT y) {
  constexpr hn::CappedTag<double, 8> kDouble;
  constexpr hn::Rebind<float, decltype(kDouble)> kFloat;
  using Vector = hn::Vec<decltype(kDouble)>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(kDouble));
  constexpr int kVectors = VectorsAtOnce(kLanes, kColumns);

  for (int row = 0; row < kBlock; row += kVectors * kLanes) {
    Vector sums[kVectors][kColumns];
    for (int v = 0; v < kVectors; ++v) {
      for (int c = 0; c < kColumns; ++c) sums[v][c] = hn::Zero(kDouble);
    }
    std::int64_t k = 0;
    for (std::int32_t s = 0; s < stops.count; ++s) {
      for (const std::int64_t end = std::int64_t{kBlock} * stops.blocks[s]; k < end; ++k) {
        Vector weights[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          // Promoted from memory, then made positive: one instruction less than the other way.
          weights[v] = hn::Abs(
              hn::PromoteTo(kDouble, hn::Load(kFloat, panel + k * kBlock + row + v * kLanes)));
        }
        for (int c = 0; c < kColumns; ++c) {
          const Vector factor = hn::Set(kDouble, x[c * stride + k]);
          for (int v = 0; v < kVectors; ++v) {
            sums[v][c] = hn::MulAdd(weights[v], factor, sums[v][c]);
          }
        }
      }
      for (int c = 0; c < kColumns; ++c) {
        double *const out = y + (std::int64_t{s} * kColumns + c) * kBlock + row;
        for (int v = 0; v < kVectors; ++v) hn::Store(sums[v][c], kDouble, out + v * kLanes);
      }
    }
  }
}

void Product(const float *panel, const double *x, std::int32_t columns, std::int64_t stride,
             Stops stops, double *y) {
  static_assert(kMaxFlowColumns == 12);
  switch (columns) {
    case 1: return ProductOf<1>(panel, x, stride, stops, y);
    case 2: return ProductOf<2>(panel, x, stride, stops, y);
    case 3: return ProductOf<3>(panel, x, stride, stops, y);
    case 4: return ProductOf<4>(panel, x, stride, stops, y);
    case 5: return ProductOf<5>(panel, x, stride, stops, y);
    case 6: return ProductOf<6>(panel, x, stride, stops, y);
    case 7: return ProductOf<7>(panel, x, stride, stops, y);
    case 8: return ProductOf<8>(panel, x, stride, stops, y);
    case 9: return ProductOf<9>(panel, x, stride, stops, y);
    case 10: return ProductOf<10>(panel, x, stride, stops, y);
    case 11: return ProductOf<11>(panel, x, stride, stops, y);
    default: return ProductOf<12>(panel, x, stride, stops, y);
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(Product);

void FlowProduct(const float *panel, const double *x, std::int32_t columns, std::int64_t stride,
                 Stops stops, double *y) {
  HWY_DYNAMIC_DISPATCH(Product)(panel, x, columns, stride, stops, y);
}

}  // namespace trails::kernels
#endif  // HWY_ONCE
