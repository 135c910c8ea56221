// Hidden layers of prefixes, forward.
//
// May touch: src/core/filtering, src/kernels.
#include "core/filtering/gradient_pass_layer.h"

#include <algorithm>
#include <functional>

#include "kernels/pair_gram.h"
#include "kernels/stopped_product.h"

namespace trails {

using kernels::kBlock;

GradientLayer::GradientLayer(const UnitGrid &grid, std::int32_t prefixes, std::int32_t batch,
                             GradientLayerParts parts) {
  const auto count = static_cast<std::size_t>(prefixes);
  const auto units = static_cast<std::size_t>(grid.slots());
  const auto values = units * static_cast<std::size_t>(batch);
  const auto pairs = static_cast<std::size_t>(grid.count()) * kernels::PairFloats(batch);
  const auto allocate = [count](AlignedFloats &floats, std::size_t size) {
    floats = AlignedFloats(count * size);
  };
  allocate(normed_, values);
  allocate(hidden_, values);
  allocate(inv_, units);
  allocate(level_, units);
  if (parts.grams) allocate(grams_, pairs);
  if (parts.tangent) {
    allocate(tangent_, values);
    allocate(pushed_, values);
    allocate(tangent_mean_, units);
    allocate(crosses_, pairs);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = [i](AlignedFloats &floats, std::size_t size) {
      return floats.data() == nullptr ? nullptr : floats.data() + i * size;
    };
    prefixes_.push_back(
        {{at(normed_, values), at(hidden_, values), at(inv_, units), at(level_, units),
          at(tangent_, values), at(pushed_, values), at(tangent_mean_, units)},
         at(grams_, pairs),
         at(crosses_, pairs)});
  }
}

std::int64_t GradientLayer::Bytes(std::int64_t widths, std::int64_t slots,
                                  std::int32_t batch) noexcept {
  const auto pairs = static_cast<std::int64_t>(kernels::PairFloats(batch));
  const std::int64_t floats = 4 * slots * batch + 3 * slots + 2 * widths * pairs;
  return floats * std::int64_t{sizeof(float)} + std::int64_t{sizeof(PrefixLayer)};
}

LayerForward::Scratch LayerForward::NewScratch() const {
  const UnitGrid &grid = bank_.grid();
  const auto batch = static_cast<std::size_t>(batch_);
  Scratch scratch;
  scratch.product = AlignedFloats(static_cast<std::size_t>(grid.count()) * batch * kBlock);
  if (parts_.tangent)
    scratch.change = AlignedFloats(static_cast<std::size_t>(grid.slots()) * batch);
  return scratch;
}

void LayerForward::Run(std::int32_t l, const LayerInput &input, kernels::Stops stops,
                       const std::int32_t *fan_in, const GradientLayer &layers, Scratch *scratch,
                       const Interrupt &interrupt) const {
  const UnitGrid &grid = bank_.grid();
  const std::int64_t panel_block = std::int64_t{bank_.padded_columns(l)} * kBlock;
  const std::int32_t stop_values = batch_ * kBlock;
  float *const product = scratch->product.data();
  const auto scale = [&](std::int32_t s) { return static_cast<float>(WeightScale(fan_in[s])); };
  for (std::int32_t block = 0; block < grid.blocks().back(); ++block) {
    interrupt.Check();
    const float *const panel = bank_.forward_panel(l) + block * panel_block;
    const float *const bias = bank_.bias(l) + block * kBlock;
    kernels::StoppedProduct(panel, input.hidden, stops, batch_, product);
    for (std::int32_t s = 0; s < stops.count; ++s) {
      kernels::NormForward(product + s * stop_values, scale(s), bias,
                           static_cast<float>(BiasScale(fan_in[s])), batch_,
                           kernels::AtBlock(layers.prefix(s).norm, block, batch_));
    }
    if (!parts_.tangent) continue;
    kernels::StoppedProduct(panel, input.pushed, stops, batch_, product);
    for (std::int32_t s = 0; s < stops.count; ++s) {
      kernels::NormTangent(product + s * stop_values, scale(s), batch_,
                           kernels::AtBlock(layers.prefix(s).norm, block, batch_));
    }
  }

  const kernels::Stops widths{grid.blocks().data(), grid.count()};
  for (std::int32_t s = 0; s < stops.count; ++s) {
    interrupt.Check();
    const PrefixLayer layer = layers.prefix(s);
    if (parts_.grams) kernels::Gram(layer.norm.hidden, widths, batch_, layer.grams);
    if (!parts_.tangent) continue;
    float *const change = scratch->change.data();
    std::transform(layer.norm.pushed, layer.norm.pushed + scratch->change.size(), layer.norm.hidden,
                   change, std::minus<float>());
    kernels::CrossGram(layer.norm.hidden, change, widths, batch_, layer.crosses);
  }
}

}  // namespace trails
