#include "kernels/squared_sums.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/squared_sums.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

void AddSquares(const float *HWY_RESTRICT panel, Stops stops, double *HWY_RESTRICT sums) {
  constexpr hn::CappedTag<double, 8> kDouble;
  constexpr hn::Rebind<float, decltype(kDouble)> kFloat;
  using Vector = hn::Vec<decltype(kDouble)>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(kDouble));
  constexpr int kVectors = kBlock / kLanes;
  // As many sums as a row block has vectors, so that additions do not wait for one another.
  Vector parts[kVectors];
  for (int v = 0; v < kVectors; ++v) parts[v] = hn::Zero(kDouble);
  std::int64_t k = 0;
  for (std::int32_t s = 0; s < stops.count; ++s) {
    for (const std::int64_t end = std::int64_t{kBlock} * stops.blocks[s]; k < end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const Vector weight =
            hn::PromoteTo(kDouble, hn::Load(kFloat, panel + k * kBlock + v * kLanes));
        parts[v] = hn::MulAdd(weight, weight, parts[v]);
      }
    }
    Vector sum = parts[0];
    for (int v = 1; v < kVectors; ++v) sum = hn::Add(sum, parts[v]);
    sums[s] += hn::GetLane(hn::SumOfLanes(kDouble, sum));
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(AddSquares);

void AddSquaredSums(const float *panel, Stops stops, double *sums) {
  HWY_DYNAMIC_DISPATCH(AddSquares)(panel, stops, sums);
}

}  // namespace trails::kernels
#endif  // HWY_ONCE
