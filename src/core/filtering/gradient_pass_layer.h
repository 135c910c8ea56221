// What the gradient TFMEMs keep of one hidden layer, for all its widths and for one or more
// prefixes before it.
//
// May touch: src/core/filtering, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/unit_grid.h"
#include "core/filtering/weight_bank.h"
#include "core/interrupt.h"
#include "kernels/block_norm.h"

namespace trails {

// What a layer must have, by what is asked for.
struct GradientLayerParts {
  bool grams = false;    // Gram matrices of h, at each width
  bool tangent = false;  // derivatives along W -> (1 + t) W, and the cross Gram of h and dh
};

// One prefix's layer: activations of the widest, Gram matrices at each width.
struct PrefixLayer {
  kernels::BlockNorm norm;
  float *grams;    // h'h, [widths][PairFloats(batch)]; null without grams
  float *crosses;  // the symmetric part of h'dh, likewise; null without tangent
};

class GradientLayer {
 public:
  GradientLayer() = default;
  // Memory, a prefix: 8 * slots * batch bytes, twice that with tangents, and 2.3 KB a width and
  // kind of Gram for 32 samples. Throws std::bad_alloc.
  GradientLayer(const UnitGrid &grid, std::int32_t prefixes, std::int32_t batch,
                GradientLayerParts parts);

  // Bytes of a prefix with all parts.
  static std::int64_t Bytes(std::int64_t widths, std::int64_t slots, std::int32_t batch) noexcept;

  const PrefixLayer &prefix(std::int32_t i) const noexcept {
    return prefixes_[static_cast<std::size_t>(i)];
  }

 private:
  std::vector<PrefixLayer> prefixes_;  // into the arrays below
  AlignedFloats normed_, hidden_, tangent_, pushed_;
  AlignedFloats inv_, level_, tangent_mean_;
  AlignedFloats grams_, crosses_;
};

// The activations that a layer is computed from: a prefix's hidden layer, or the inputs, where
// hidden and pushed are the same because inputs have no derivative.
struct LayerInput {
  const float *hidden;
  const float *pushed;  // null without tangent
};

// Computes layers of one bank.
class LayerForward {
 public:
  LayerForward(const WeightBank &bank, std::int32_t batch, GradientLayerParts parts)
      : bank_(bank), batch_(batch), parts_(parts) {}

  // What a thread needs to run it.
  struct Scratch {
    AlignedFloats product;  // [stops][batch][16]
    AlignedFloats change;   // dh, [slots][batch]
  };
  Scratch NewScratch() const;

  // Computes layer l from the layer before it stopped at each of `stops`, whose fan-ins are
  // fan_in[s], into layers prefix by prefix, Gram matrices included. Throws what interrupt throws.
  void Run(std::int32_t l, const LayerInput &input, kernels::Stops stops,
           const std::int32_t *fan_in, const GradientLayer &layers, Scratch *scratch,
           const Interrupt &interrupt) const;

 private:
  const WeightBank &bank_;
  std::int32_t batch_;
  GradientLayerParts parts_;
};

}  // namespace trails
