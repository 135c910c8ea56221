#include "core/model/dense.h"

#include <limits>

#include "core/data/parallel_for.h"
#include "kernels/simd.h"

namespace trails {

namespace {

constexpr std::int32_t kTileRows = 8;  // 8 x 32 sums: 16 registers of AVX-512

inline __attribute__((always_inline)) float Clipped(float value, float lowest) {
  return value < lowest ? lowest : value;
}

// kRows rows by one panel. Inlined, so that it is compiled for the CPU of its caller.
template <std::int32_t kRows>
inline __attribute__((always_inline)) void RunTile(const float *__restrict x, std::int64_t x_stride,
                                                   std::int64_t inputs,
                                                   const float *__restrict weight,
                                                   const float *__restrict bias, float lowest,
                                                   float *__restrict y, std::int64_t y_stride) {
  float sums[kRows][kPanelOutputs];
  for (std::int32_t r = 0; r < kRows; ++r) {
    for (std::int32_t o = 0; o < kPanelOutputs; ++o) sums[r][o] = bias[o];
  }
  for (std::int64_t i = 0; i < inputs; ++i) {
    const float *const row = weight + i * kPanelOutputs;
#pragma GCC unroll 8
    for (std::int32_t r = 0; r < kRows; ++r) {
      const float xi = x[r * x_stride + i];
      for (std::int32_t o = 0; o < kPanelOutputs; ++o) sums[r][o] += xi * row[o];
    }
  }
  for (std::int32_t r = 0; r < kRows; ++r) {
    for (std::int32_t o = 0; o < kPanelOutputs; ++o) {
      y[r * y_stride + o] = Clipped(sums[r][o], lowest);
    }
  }
}

TRAILS_SIMD void RunPanels(const float *x, std::int64_t rows, std::int64_t x_stride,
                           std::int64_t inputs, const float *weight, const float *bias,
                           std::int64_t y_stride, float lowest, float *y) {
  for (std::int64_t panel = 0; panel < y_stride; panel += kPanelOutputs) {
    const float *const panel_weight = weight + panel * inputs;
    std::int64_t r = 0;
    for (; r + kTileRows <= rows; r += kTileRows) {
      RunTile<kTileRows>(x + r * x_stride, x_stride, inputs, panel_weight, bias + panel, lowest,
                         y + r * y_stride + panel, y_stride);
    }
    for (; r < rows; ++r) {
      RunTile<1>(x + r * x_stride, x_stride, inputs, panel_weight, bias + panel, lowest,
                 y + r * y_stride + panel, y_stride);
    }
  }
}

}  // namespace

PackedLayer PackLayer(const DenseLayer &layer, const std::stop_token &stop) {
  const std::int64_t inputs = layer.inputs;
  const std::int64_t panels = (layer.outputs + kPanelOutputs - 1) / kPanelOutputs;
  PackedLayer packed;
  packed.inputs = layer.inputs;
  packed.padded_outputs = static_cast<std::int32_t>(panels * kPanelOutputs);
  packed.weight.reserve(static_cast<std::size_t>(panels * inputs * kPanelOutputs));
  packed.bias.resize(static_cast<std::size_t>(panels * kPanelOutputs));
  for (std::int64_t o = 0; o < layer.outputs; ++o) {
    if (o % kPanelOutputs == 0) {
      ThrowIfStopped(stop);
      // Panel by panel: zeroing all at once would take long, and be out of the cache when filled.
      packed.weight.resize(packed.weight.size() + static_cast<std::size_t>(inputs * kPanelOutputs));
    }
    const float *const from = layer.weight.data() + o * inputs;
    float *const to =
        packed.weight.data() + (o / kPanelOutputs) * inputs * kPanelOutputs + o % kPanelOutputs;
    for (std::int64_t i = 0; i < inputs; ++i) to[i * kPanelOutputs] = from[i];
    packed.bias[o] = layer.bias[o];
  }
  return packed;
}

void RunLayer(const PackedLayer &layer, const float *x, std::int64_t rows, std::int64_t x_stride,
              bool relu, float *y) {
  const float lowest = relu ? 0.0f : -std::numeric_limits<float>::infinity();
  RunPanels(x, rows, x_stride, layer.inputs, layer.weight.data(), layer.bias.data(),
            layer.padded_outputs, lowest, y);
}

TRAILS_SIMD void ApplyRelu(float *y, std::int64_t count) noexcept {
  for (std::int64_t i = 0; i < count; ++i) y[i] = Clipped(y[i], 0.0f);
}

}  // namespace trails
