// What a thread of the gradient pass writes. Only for gradient_pass*.cpp.
//
// May touch: src/core/filtering, src/kernels.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/filtering/gradient_pass.h"
#include "core/filtering/gradient_pass_loss.h"

namespace trails {

struct GradientPass::Work final : TriePass::Scratch {
  // The candidate being scored, and the prefix that is being walked.
  std::int32_t layers = 0;                                 // hidden ones
  std::array<std::int32_t, kMaxHiddenLayers> path{};       // positions of the widths
  std::array<PrefixLayer, kMaxHiddenLayers + 1> prefix{};  // by layer, from 1

  std::vector<GradientLayer> levels;  // of layers 3 and up
  LayerForward::Scratch forward;
  AlignedFloats products, tangents;  // of the output layer, [blocks][stops][rows][16]
  OutputGradient output;
  std::vector<AlignedFloats> g;                          // by layer, from 1
  std::vector<AlignedFloats> normed_mean, tangent_mean;  // by layer; of NormBackwardMeans
  std::array<AlignedFloats, 2> pushed;                   // g + dg of two layers in turn
  AlignedFloats dg;
  AlignedFloats pairs;   // a Gram matrix of gradients
  AlignedFloats kernel;  // Theta, as pairs

  // Position of layer l's width, and its layer.
  std::int32_t position(std::int32_t l) const noexcept {
    return path[static_cast<std::size_t>(l - 1)];
  }
  const PrefixLayer &layer(std::int32_t l) const noexcept {
    return prefix[static_cast<std::size_t>(l)];
  }
  kernels::NormBackwardMeans means(std::int32_t l) noexcept {
    const auto at = static_cast<std::size_t>(l);
    return {normed_mean[at].data(), tangent_mean[at].data()};
  }
};

// Of one candidate, over its layers.
struct GradientPass::Sums {
  double norms = 0;      // |dW_l|_F
  double squares = 0;    // |dL/dtensor|^2 of all W, b, gamma and beta
  double plain = 0;      // <W_l, dW_l>
  double snip = 0;       // |W_l dW_l|
  double fisher = 0;     // in_l / 2 * mean over the batch of (a g)^2
  double curvature = 0;  // <W_l, (Hg)_l>
  double trace = 0;      // of the kernel
  double condition = 0;
};

// What a layer's weights are applied to.
struct GradientPass::Input {
  const float *hidden;
  const float *gram;   // null where nobody asks
  const float *cross;  // null for the inputs, too, which have no derivative
  std::int32_t blocks;
};

}  // namespace trails
