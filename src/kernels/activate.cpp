// Units are lanes: the statistics of batch normalisation are sums of vectors.
//
// May touch: src/kernels, Google Highway.
#include "kernels/activate.h"

#include "kernels/batch_norm.h"

// Compiled once for each target: the file includes itself.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activate.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kBlock>;
using Vector = hn::Vec<Tag>;
constexpr std::ptrdiff_t kLanes = hn::MaxLanes(Tag());
constexpr std::ptrdiff_t kParts = kBlock / kLanes;  // vectors of a row block

// Sets the bits of the units from `part` on in one sample's word, and in its copy.
HWY_INLINE void StoreBits(Vector y, std::ptrdiff_t part, std::uint16_t *word, std::uint16_t *copy) {
  const auto active = hn::Gt(y, hn::Zero(Tag()));
  if constexpr (kLanes >= 8) {
    hn::StoreMaskBits(Tag(), active, reinterpret_cast<std::uint8_t *>(word) + part * kLanes / 8);
    hn::StoreMaskBits(Tag(), active, reinterpret_cast<std::uint8_t *>(copy) + part * kLanes / 8);
  } else {
    std::uint8_t bits[8];  // as many as StoreMaskBits may write
    hn::StoreMaskBits(Tag(), active, bits);
    const int before = part == 0 ? 0 : *word;
    *word = static_cast<std::uint16_t>(before | bits[0] << (part * kLanes));
    *copy = *word;
  }
}

// The lanes of one stop from `part` on.
template <bool kStored>
void PlainPart(const float *z, const float *bias, std::int32_t stop, std::ptrdiff_t part,
               std::ptrdiff_t batch, const Activations &to) {
  const Tag d;
  const Vector scale = hn::Set(d, to.weight_scale[stop]);
  const Vector shift = hn::Mul(hn::Load(d, bias + part * kLanes), hn::Set(d, to.bias_scale[stop]));
  float *const h = kStored ? to.h + stop * to.h_stride + part * kLanes : nullptr;
  std::uint16_t *const words = to.pattern + stop * to.pattern_stride;
  for (std::ptrdiff_t b = 0; b < batch; ++b) {
    const Vector y = hn::MulAdd(hn::Load(d, z + b * kBlock + part * kLanes), scale, shift);
    if constexpr (kStored) hn::Store(hn::Max(y, hn::Zero(d)), d, h + b * kBlock);
    StoreBits(y, part, words + b, words + batch + b);
  }
}

// term(z) summed over the batch, in two sums that need not wait for each other.
template <typename Term>
HWY_INLINE Vector SumOverBatch(const float *z, std::ptrdiff_t batch, const Term &term) {
  const Tag d;
  Vector even = hn::Zero(d);
  Vector odd = hn::Zero(d);
  std::ptrdiff_t b = 0;
  for (; b + 2 <= batch; b += 2) {
    even = term(hn::Load(d, z + b * kBlock), even);
    odd = term(hn::Load(d, z + (b + 1) * kBlock), odd);
  }
  if (b < batch) even = term(hn::Load(d, z + b * kBlock), even);
  return hn::Add(even, odd);
}

template <bool kStored>
void NormalisedPart(const float *z, std::int32_t stop, std::ptrdiff_t part, std::ptrdiff_t batch,
                    const Activations &to) {
  const Tag d;
  z += part * kLanes;
  const Vector share = hn::Set(d, 1.0f / static_cast<float>(batch));
  const Vector mean = hn::Mul(
      SumOverBatch(z, batch, [](Vector v, Vector sum) HWY_ATTR { return hn::Add(v, sum); }), share);
  std::uint16_t *const words = to.pattern + stop * to.pattern_stride;
  if constexpr (!kStored) {
    for (std::ptrdiff_t b = 0; b < batch; ++b) {
      StoreBits(hn::Sub(hn::Load(d, z + b * kBlock), mean), part, words + b, words + batch + b);
    }
  } else {
    const Vector var = hn::Mul(SumOverBatch(z, batch,
                                            [mean](Vector v, Vector sum) HWY_ATTR {
                                              const Vector centred = hn::Sub(v, mean);
                                              return hn::MulAdd(centred, centred, sum);
                                            }),
                               share);
    const float scale = to.weight_scale[stop];
    const Vector inv =
        hn::Div(hn::Set(d, 1), hn::Sqrt(hn::Add(var, hn::Set(d, kBatchNormEps / (scale * scale)))));
    float *const h = to.h + stop * to.h_stride + part * kLanes;
    for (std::ptrdiff_t b = 0; b < batch; ++b) {
      const Vector y = hn::Mul(hn::Sub(hn::Load(d, z + b * kBlock), mean), inv);
      hn::Store(hn::Max(y, hn::Zero(d)), d, h + b * kBlock);
      StoreBits(y, part, words + b, words + batch + b);
    }
  }
}

void Plain(const float *z, const float *bias, std::int32_t stops, std::int32_t batch,
           const Activations &to) {
  for (std::int32_t stop = 0; stop < stops; ++stop, z += batch * kBlock) {
    for (std::ptrdiff_t part = 0; part < kParts; ++part) {
      if (to.h != nullptr) {
        PlainPart<true>(z, bias, stop, part, batch, to);
      } else {
        PlainPart<false>(z, bias, stop, part, batch, to);
      }
    }
  }
}

void Normalised(const float *z, std::int32_t stops, std::int32_t batch, const Activations &to) {
  for (std::int32_t stop = 0; stop < stops; ++stop, z += batch * kBlock) {
    for (std::ptrdiff_t part = 0; part < kParts; ++part) {
      if (to.h != nullptr) {
        NormalisedPart<true>(z, stop, part, batch, to);
      } else {
        NormalisedPart<false>(z, stop, part, batch, to);
      }
    }
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {

HWY_EXPORT(Plain);
HWY_EXPORT(Normalised);

void ActivatePlain(const float *z, const float *bias, std::int32_t stops, std::int32_t batch,
                   const Activations &to) {
  HWY_DYNAMIC_DISPATCH(Plain)(z, bias, stops, batch, to);
}

void ActivateNormalised(const float *z, std::int32_t stops, std::int32_t batch,
                        const Activations &to) {
  HWY_DYNAMIC_DISPATCH(Normalised)(z, stops, batch, to);
}

}  // namespace trails::kernels
#endif
