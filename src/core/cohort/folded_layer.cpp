#include "core/cohort/folded_layer.h"

#include <cmath>
#include <cstddef>

#include "kernels/batch_norm.h"

namespace trails {

DenseLayer FoldLayer(const AveragedLayer &layer) {
  DenseLayer dense;
  dense.inputs = static_cast<std::int32_t>(layer.inputs);
  dense.outputs = static_cast<std::int32_t>(layer.outputs);
  dense.weight.assign(layer.weight, layer.weight + layer.inputs * layer.outputs);
  dense.bias.assign(layer.beta, layer.beta + layer.outputs);
  if (layer.gamma == nullptr) return dense;
  for (std::size_t j = 0; j < dense.bias.size(); ++j) {
    const float scale = layer.gamma[j] / std::sqrt(layer.var[j] + kernels::kBatchNormEps);
    dense.bias[j] -= layer.mean[j] * scale;
    float *const row = dense.weight.data() + j * static_cast<std::size_t>(layer.inputs);
    for (std::int64_t i = 0; i < layer.inputs; ++i) row[i] *= scale;
  }
  return dense;
}

}  // namespace trails
