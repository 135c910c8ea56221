#include "fma_peak.h"

#include <chrono>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fma_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Runs `rounds` rounds of 12 independent multiply-adds: latency 4 times two units a cycle is 8.
// Returns the flops done; `sink` keeps the sums alive.
double MultiplyAdd(std::int64_t rounds, float *sink) {
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, 0.999f);
  const auto y = hn::Set(d, 0.001f);
  // Different starts: equal chains would be merged into one.
  auto a = hn::Set(d, 0.1f), b = hn::Set(d, 0.2f), c = hn::Set(d, 0.3f), e = hn::Set(d, 0.4f);
  auto f = hn::Set(d, 0.5f), g = hn::Set(d, 0.6f), h = hn::Set(d, 0.7f), i = hn::Set(d, 0.8f);
  auto j = hn::Set(d, 0.9f), k = hn::Set(d, 1.1f), l = hn::Set(d, 1.2f), m = hn::Set(d, 1.3f);
  for (std::int64_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, x, y);
    b = hn::MulAdd(b, x, y);
    c = hn::MulAdd(c, x, y);
    e = hn::MulAdd(e, x, y);
    f = hn::MulAdd(f, x, y);
    g = hn::MulAdd(g, x, y);
    h = hn::MulAdd(h, x, y);
    i = hn::MulAdd(i, x, y);
    j = hn::MulAdd(j, x, y);
    k = hn::MulAdd(k, x, y);
    l = hn::MulAdd(l, x, y);
    m = hn::MulAdd(m, x, y);
  }
  a = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)), hn::Add(hn::Add(f, g), hn::Add(h, i)));
  a = hn::Add(a, hn::Add(hn::Add(j, k), hn::Add(l, m)));
  *sink = hn::GetLane(a);
  return 2.0 * 12.0 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

}  // namespace trails::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::bench {

HWY_EXPORT(MultiplyAdd);

double FmaPeak(double seconds) {
  constexpr std::int64_t kRounds = 1'000'000;
  using Clock = std::chrono::steady_clock;
  volatile float kept = 0;
  double best = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    float sink = 0;
    const auto start = Clock::now();
    const double flops = HWY_DYNAMIC_DISPATCH(MultiplyAdd)(kRounds, &sink);
    const double rate = flops / std::chrono::duration<double>(Clock::now() - start).count();
    kept = sink;
    if (rate > best) best = rate;
  }
  static_cast<void>(kept);
  return best * 1e-9;
}

}  // namespace trails::bench
#endif  // HWY_ONCE
