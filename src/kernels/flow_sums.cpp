#include "kernels/flow_sums.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/flow_sums.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Four columns of 16 rows: adds to the 8 parts of `flow` and the 8 of `squares` after them.
void AddPerturbed(const double *HWY_RESTRICT y, const double *HWY_RESTRICT outflow,
                  double *HWY_RESTRICT flow) {
  constexpr hn::CappedTag<double, kSumParts> kDouble;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(kDouble));
  for (int part = 0; part < kSumParts; part += kLanes) {
    auto flow_sum = hn::Load(kDouble, flow + part);
    auto square_sum = hn::Load(kDouble, flow + kSumParts + part);
    for (int row = part; row < kBlock; row += kSumParts) {
      const auto a = hn::Load(kDouble, y + row);
      const auto b = hn::Load(kDouble, y + kBlock + row);
      const auto c = hn::Load(kDouble, y + 2 * kBlock + row);
      const auto d = hn::Load(kDouble, y + 3 * kBlock + row);
      const auto together = hn::Add(hn::Add(a, b), hn::Add(c, d));
      flow_sum = hn::MulAdd(together, hn::Load(kDouble, outflow + row), flow_sum);
      square_sum = hn::MulAdd(a, a, square_sum);
      square_sum = hn::MulAdd(b, b, square_sum);
      square_sum = hn::MulAdd(c, c, square_sum);
      square_sum = hn::MulAdd(d, d, square_sum);
    }
    hn::Store(flow_sum, kDouble, flow + part);
    hn::Store(square_sum, kDouble, flow + kSumParts + part);
  }
}

void Add(const double *HWY_RESTRICT y, std::int32_t stops, std::int32_t columns, bool perturbed,
         const double *HWY_RESTRICT outflow, double *HWY_RESTRICT sums) {
  constexpr hn::CappedTag<double, kSumParts> kDouble;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(kDouble));
  const std::int32_t plain = perturbed ? columns - kPerturbedColumns : columns;
  for (std::int32_t s = 0; s < stops; ++s) {
    for (std::int32_t c = 0; c < plain; ++c, y += kBlock, sums += kSumParts) {
      for (int part = 0; part < kSumParts; part += kLanes) {
        auto sum = hn::Load(kDouble, sums + part);
        for (int row = part; row < kBlock; row += kSumParts) {
          sum = hn::MulAdd(hn::Load(kDouble, y + row), hn::Load(kDouble, outflow + row), sum);
        }
        hn::Store(sum, kDouble, sums + part);
      }
    }
    if (perturbed) {
      AddPerturbed(y, outflow, sums);
      y += kPerturbedColumns * kBlock;
      sums += 2 * kSumParts;
    }
  }
}

void Read(const double *HWY_RESTRICT sums, std::int64_t count, double *HWY_RESTRICT out) {
  constexpr hn::CappedTag<double, kSumParts> kDouble;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(kDouble));
  for (std::int64_t n = 0; n < count; ++n, sums += kSumParts) {
    auto sum = hn::Load(kDouble, sums);
    for (int part = kLanes; part < kSumParts; part += kLanes) {
      sum = hn::Add(sum, hn::Load(kDouble, sums + part));
    }
    out[n] = hn::GetLane(hn::SumOfLanes(kDouble, sum));
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(Add);
HWY_EXPORT(Read);

void AddFlowSums(const double *y, std::int32_t stops, std::int32_t columns, bool perturbed,
                 const double *outflow, double *sums) {
  HWY_DYNAMIC_DISPATCH(Add)(y, stops, columns, perturbed, outflow, sums);
}

void ReadFlowSums(const double *sums, std::int64_t count, double *out) {
  HWY_DYNAMIC_DISPATCH(Read)(sums, count, out);
}

}  // namespace trails::kernels
#endif  // HWY_ONCE
