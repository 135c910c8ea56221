#include "core/refinement/ensemble.h"

#include <algorithm>

namespace trails {

std::int64_t NetworkBytes(const Network &network) {
  std::size_t floats = network.table.size() + network.bias.size();
  for (const DenseLayer &layer : network.layers) {
    floats += layer.weight.size() + layer.bias.size();
  }
  return static_cast<std::int64_t>(floats * sizeof(float));
}

void AddPredictions(std::span<const float> predictions, std::vector<float> *sum) {
  if (sum->empty()) {
    sum->assign(predictions.begin(), predictions.end());
    return;
  }
  for (std::size_t i = 0; i < sum->size(); ++i) (*sum)[i] += predictions[i];
}

std::vector<float> Scaled(const std::vector<float> &sum, float factor) {
  std::vector<float> scaled(sum);
  for (float &value : scaled) value *= factor;
  return scaled;
}

MeanChoice ChooseMembers(std::span<const Finalist> finalists, Metric metric, std::int32_t outputs,
                         std::span<const double> labels) {
  MeanChoice best;
  std::vector<float> sum;
  for (std::size_t k = 1; k <= std::min(finalists.size(), kMostMembers); ++k) {
    AddPredictions(finalists[k - 1].predictions, &sum);
    if (k != 1 && k != 3 && k != 5 && k != 8 && k != kMostMembers) continue;
    const double valid = Judge(metric, Scaled(sum, 1.0f / static_cast<float>(k)), outputs, labels);
    if (best.members == 0 || IsBetter(metric, valid, best.valid)) best = {k, valid};
  }
  return best;
}

}  // namespace trails
