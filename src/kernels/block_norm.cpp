// Batch normalisation with units as lanes: every sum over the batch is an addition of vectors.
//
// May touch: src/kernels, Google Highway.
#include "kernels/block_norm.h"

#include "kernels/batch_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/block_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Lane = hn::CappedTag<float, kBlock>;
using Vector = hn::Vec<Lane>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Lane()));

// The sum over samples of term(sample): four chains of additions, which do not wait for each other.
template <typename Term>
HWY_INLINE Vector SumOver(std::int32_t batch, const Term &term) {
  const Lane lane;
  Vector sums[4] = {hn::Zero(lane), hn::Zero(lane), hn::Zero(lane), hn::Zero(lane)};
  std::int32_t b = 0;
  for (; b + 4 <= batch; b += 4) {
    for (int chain = 0; chain < 4; ++chain) sums[chain] = hn::Add(sums[chain], term(b + chain));
  }
  for (; b < batch; ++b) sums[0] = hn::Add(sums[0], term(b));
  return hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
}

HWY_INLINE Vector Share(std::int32_t batch) {
  return hn::Set(Lane(), 1.0f / static_cast<float>(batch));
}

HWY_INLINE Vector WhereActive(Vector normed, Vector value) {
  return hn::IfThenElseZero(hn::Gt(normed, hn::Zero(Lane())), value);
}

// kLanes units of a block, all samples; the pointers begin at those units. Samples are seen from
// the first: of a unit that is the same for all, nothing is left that rounding could make active.
HWY_INLINE void Forward(const float *product, float scale, const float *bias, float bias_scale,
                        std::int32_t batch, const BlockNorm &norm) {
  const Lane lane;
  const Vector share = Share(batch);
  const Vector first = hn::Load(lane, product);
  const auto shifted = [&](int b) HWY_ATTR {
    return hn::Sub(hn::Load(lane, product + b * kBlock), first);
  };
  const Vector mean = hn::Mul(share, SumOver(batch, shifted));
  const Vector squares = SumOver(batch, [&](int b) HWY_ATTR {
    const Vector centred = hn::Sub(shifted(b), mean);
    return hn::Mul(centred, centred);
  });
  const Vector times = hn::Set(lane, scale);
  const Vector variance = hn::Mul(hn::Mul(squares, share), hn::Mul(times, times));
  const Vector inv =
      hn::Div(hn::Set(lane, 1.0f), hn::Sqrt(hn::Add(variance, hn::Set(lane, kBatchNormEps))));
  hn::Store(inv, lane, norm.inv);
  hn::Store(hn::MulAdd(hn::Add(first, mean), times,
                       hn::Mul(hn::Load(lane, bias), hn::Set(lane, bias_scale))),
            lane, norm.level);
  const Vector factor = hn::Mul(times, inv);
  for (std::int32_t b = 0; b < batch; ++b) {
    const Vector normed = hn::Mul(hn::Sub(shifted(b), mean), factor);
    hn::Store(normed, lane, norm.normed + b * kBlock);
    hn::Store(hn::Max(normed, hn::Zero(lane)), lane, norm.hidden + b * kBlock);
  }
}

HWY_INLINE void Tangent(const float *product, float scale, std::int32_t batch,
                        const BlockNorm &norm) {
  const Lane lane;
  const Vector share = Share(batch);
  const Vector times = hn::Set(lane, scale);
  const Vector mean = hn::Mul(
      share, SumOver(batch, [&](int b) HWY_ATTR { return hn::Load(lane, product + b * kBlock); }));
  // mean(dz zhat); zhat has mean zero, and so dz may be centred first.
  const Vector q = hn::Mul(hn::Mul(share, times), SumOver(batch, [&](int b) HWY_ATTR {
                             const Vector centred =
                                 hn::Sub(hn::Load(lane, product + b * kBlock), mean);
                             return hn::Mul(centred, hn::Load(lane, norm.normed + b * kBlock));
                           }));
  hn::Store(q, lane, norm.tangent_mean);
  const Vector inv = hn::Load(lane, norm.inv);
  for (std::int32_t b = 0; b < batch * kBlock; b += kBlock) {
    const Vector normed = hn::Load(lane, norm.normed + b);
    const Vector centred = hn::Mul(hn::Sub(hn::Load(lane, product + b), mean), times);
    const Vector tangent = hn::Mul(hn::NegMulAdd(normed, q, centred), inv);
    hn::Store(tangent, lane, norm.tangent + b);
    hn::Store(WhereActive(normed, hn::Add(normed, tangent)), lane, norm.pushed + b);
  }
}

struct LaneSums {
  Vector gain, gammas, betas, fisher;
};

template <bool kFisher, bool kTangent>
HWY_INLINE void Backward(const BlockNorm &norm, float scale, std::int32_t batch,
                         const NormBackwardMeans &means, float *g, LaneSums &sums) {
  const Lane lane;
  const Vector share = hn::Mul(Share(batch), hn::Set(lane, scale));
  const auto active = [&](int b) HWY_ATTR {
    return WhereActive(hn::Load(lane, norm.normed + b * kBlock), hn::Load(lane, g + b * kBlock));
  };
  Vector beta[2] = {hn::Zero(lane), hn::Zero(lane)};
  Vector gamma[2] = {hn::Zero(lane), hn::Zero(lane)};
  Vector tangent = hn::Zero(lane);
  const auto add = [&](int b, int chain) HWY_ATTR {
    const Vector gy = active(b);
    beta[chain] = hn::Add(beta[chain], gy);
    gamma[chain] = hn::MulAdd(gy, hn::Load(lane, norm.normed + b * kBlock), gamma[chain]);
    if constexpr (kTangent) {
      tangent = hn::MulAdd(gy, hn::Load(lane, norm.tangent + b * kBlock), tangent);
    }
  };
  std::int32_t b = 0;
  for (; b + 2 <= batch; b += 2) {
    add(b, 0);
    add(b + 1, 1);
  }
  if (b < batch) add(b, 0);
  const Vector mean = hn::Mul(hn::Add(beta[0], beta[1]), share);
  const Vector slope = hn::Mul(hn::Add(gamma[0], gamma[1]), share);
  if constexpr (kTangent) {
    hn::Store(slope, lane, means.normed);
    hn::Store(hn::Mul(tangent, share), lane, means.tangent);
  }
  const Vector inv = hn::Load(lane, norm.inv);
  sums.gain = hn::MulAdd(slope, hn::Mul(inv, inv), sums.gain);
  sums.gammas = hn::MulAdd(slope, slope, sums.gammas);
  sums.betas = hn::MulAdd(mean, mean, sums.betas);

  const Vector factor = hn::Mul(inv, hn::Set(lane, scale));
  const Vector inv_mean = hn::Mul(inv, mean);
  const Vector inv_slope = hn::Mul(inv, slope);
  const Vector deviation = hn::Div(hn::Set(lane, 1.0f), inv);
  const Vector level = hn::Load(lane, norm.level);
  Vector fisher = hn::Zero(lane);
  for (b = 0; b < batch; ++b) {
    const Vector normed = hn::Load(lane, norm.normed + b * kBlock);
    const Vector dz = hn::NegMulAdd(normed, inv_slope, hn::MulSub(active(b), factor, inv_mean));
    hn::Store(dz, lane, g + b * kBlock);
    if constexpr (kFisher) {
      const Vector product = hn::Mul(dz, hn::MulAdd(normed, deviation, level));
      fisher = hn::MulAdd(product, product, fisher);
    }
  }
  sums.fisher = hn::Add(sums.fisher, fisher);
}

// norm and means as seen from one lane group of one block.
HWY_INLINE BlockNorm AtUnit(BlockNorm norm, int unit) {
  norm.normed += unit;
  norm.hidden += unit;
  norm.inv += unit;
  norm.level += unit;
  if (norm.tangent != nullptr) {
    norm.tangent += unit;
    norm.pushed += unit;
    norm.tangent_mean += unit;
  }
  return norm;
}

HWY_INLINE NormBackwardMeans AtUnit(NormBackwardMeans means, int unit) {
  if (means.normed == nullptr) return means;
  return {means.normed + unit, means.tangent + unit};
}

template <bool kFisher, bool kTangent>
NormSums AllBlocks(const BlockNorm &norm, float scale, std::int32_t blocks, std::int32_t batch,
                   const NormBackwardMeans &means, float *g) {
  const Lane lane;
  LaneSums sums{hn::Zero(lane), hn::Zero(lane), hn::Zero(lane), hn::Zero(lane)};
  for (std::int32_t block = 0; block < blocks; ++block) {
    const BlockNorm at = AtBlock(norm, block, batch);
    for (int unit = 0; unit < kBlock; unit += kLanes) {
      Backward<kFisher, kTangent>(AtUnit(at, unit), scale, batch,
                                  AtUnit(means, block * kBlock + unit),
                                  g + std::int64_t{block} * batch * kBlock + unit, sums);
    }
  }
  const auto total = [&](Vector v) HWY_ATTR {
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(lane, v)));
  };
  return {total(sums.gain), total(sums.gammas), total(sums.betas), total(sums.fisher)};
}

HWY_INLINE void BackwardTangent(const BlockNorm &norm, float scale, std::int32_t batch,
                                const NormBackwardMeans &means, const float *g, float *product,
                                float *dg) {
  const Lane lane;
  const Vector share = hn::Mul(Share(batch), hn::Set(lane, scale));
  const auto active = [&](int b) HWY_ATTR {
    return WhereActive(hn::Load(lane, norm.normed + b * kBlock),
                       hn::Load(lane, product + b * kBlock));
  };
  Vector beta[2] = {hn::Zero(lane), hn::Zero(lane)};
  Vector gamma[2] = {hn::Zero(lane), hn::Zero(lane)};
  const auto add = [&](int b, int chain) HWY_ATTR {
    const Vector gy = active(b);
    beta[chain] = hn::Add(beta[chain], gy);
    gamma[chain] = hn::MulAdd(gy, hn::Load(lane, norm.normed + b * kBlock), gamma[chain]);
  };
  std::int32_t b = 0;
  for (; b + 2 <= batch; b += 2) {
    add(b, 0);
    add(b + 1, 1);
  }
  if (b < batch) add(b, 0);
  const Vector mean = hn::Mul(hn::Add(beta[0], beta[1]), share);
  const Vector slope =
      hn::MulAdd(hn::Add(gamma[0], gamma[1]), share, hn::Load(lane, means.tangent));
  const Vector inv = hn::Load(lane, norm.inv);
  const Vector factor = hn::Mul(inv, hn::Set(lane, scale));
  const Vector inv_mean = hn::Mul(inv, mean);
  const Vector inv_slope = hn::Mul(inv, slope);
  const Vector tangent_slope = hn::Mul(inv, hn::Load(lane, means.normed));
  const Vector inv_q = hn::Mul(inv, hn::Load(lane, norm.tangent_mean));
  for (b = 0; b < batch; ++b) {
    const Vector gradient = hn::Load(lane, g + b * kBlock);
    Vector d = hn::MulSub(active(b), factor, inv_mean);
    d = hn::NegMulAdd(hn::Load(lane, norm.tangent + b * kBlock), tangent_slope, d);
    d = hn::NegMulAdd(hn::Load(lane, norm.normed + b * kBlock), inv_slope, d);
    d = hn::NegMulAdd(gradient, inv_q, d);
    hn::Store(d, lane, dg + b * kBlock);
    hn::Store(hn::Add(gradient, d), lane, product + b * kBlock);
  }
}

}  // namespace

void NormForwardTarget(const float *product, float scale, const float *bias, float bias_scale,
                       std::int32_t batch, const BlockNorm &norm) {
  for (int unit = 0; unit < kBlock; unit += kLanes) {
    Forward(product + unit, scale, bias + unit, bias_scale, batch, AtUnit(norm, unit));
  }
}

void NormTangentTarget(const float *product, float scale, std::int32_t batch,
                       const BlockNorm &norm) {
  for (int unit = 0; unit < kBlock; unit += kLanes) {
    Tangent(product + unit, scale, batch, AtUnit(norm, unit));
  }
}

NormSums NormBackwardTarget(const BlockNorm &norm, float scale, std::int32_t blocks,
                            std::int32_t batch, bool fisher, NormBackwardMeans means, float *g) {
  if (means.normed != nullptr) {
    return fisher ? AllBlocks<true, true>(norm, scale, blocks, batch, means, g)
                  : AllBlocks<false, true>(norm, scale, blocks, batch, means, g);
  }
  return fisher ? AllBlocks<true, false>(norm, scale, blocks, batch, means, g)
                : AllBlocks<false, false>(norm, scale, blocks, batch, means, g);
}

void NormBackwardTangentTarget(const BlockNorm &norm, float scale, std::int32_t blocks,
                               std::int32_t batch, NormBackwardMeans means, const float *g,
                               float *product, float *dg) {
  for (std::int32_t block = 0; block < blocks; ++block) {
    const BlockNorm at = AtBlock(norm, block, batch);
    const std::int64_t first = std::int64_t{block} * batch * kBlock;
    for (int unit = 0; unit < kBlock; unit += kLanes) {
      BackwardTangent(AtUnit(at, unit), scale, batch, AtUnit(means, block * kBlock + unit),
                      g + first + unit, product + first + unit, dg + first + unit);
    }
  }
}

}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

BlockNorm AtBlock(const BlockNorm &norm, std::int32_t block, std::int32_t batch) noexcept {
  const std::int64_t units = std::int64_t{block} * kBlock;
  const std::int64_t values = units * batch;
  BlockNorm at{norm.normed + values,
               norm.hidden + values,
               norm.inv + units,
               norm.level + units,
               nullptr,
               nullptr,
               nullptr};
  if (norm.tangent != nullptr) {
    at.tangent = norm.tangent + values;
    at.pushed = norm.pushed + values;
    at.tangent_mean = norm.tangent_mean + units;
  }
  return at;
}

HWY_EXPORT(NormForwardTarget);
HWY_EXPORT(NormTangentTarget);
HWY_EXPORT(NormBackwardTarget);
HWY_EXPORT(NormBackwardTangentTarget);

void NormForward(const float *product, float scale, const float *bias, float bias_scale,
                 std::int32_t batch, const BlockNorm &norm) {
  HWY_DYNAMIC_DISPATCH(NormForwardTarget)(product, scale, bias, bias_scale, batch, norm);
}

void NormTangent(const float *product, float scale, std::int32_t batch, const BlockNorm &norm) {
  HWY_DYNAMIC_DISPATCH(NormTangentTarget)(product, scale, batch, norm);
}

NormSums NormBackward(const BlockNorm &norm, float scale, std::int32_t blocks, std::int32_t batch,
                      bool fisher, NormBackwardMeans means, float *g) {
  return HWY_DYNAMIC_DISPATCH(NormBackwardTarget)(norm, scale, blocks, batch, fisher, means, g);
}

void NormBackwardTangent(const BlockNorm &norm, float scale, std::int32_t blocks,
                         std::int32_t batch, NormBackwardMeans means, const float *g,
                         float *product, float *dg) {
  HWY_DYNAMIC_DISPATCH(NormBackwardTangentTarget)
  (norm, scale, blocks, batch, means, g, product, dg);
}

}  // namespace trails::kernels
#endif
