#include "core/cohort/initial_weights.h"

#include <algorithm>
#include <cmath>

#include "core/data/embedding.h"
#include "core/random.h"

namespace trails {

namespace {
enum Purpose : std::uint64_t { kWeightsPurpose = 1, kOrderPurpose };
}  // namespace

void DrawInitialWeights(const kernels::FieldPlan &plan, const TrainerOptions &options, float *table,
                        std::span<const InitialLayer> layers) {
  const InitialEmbedding embedding(plan, options.encoding,
                                   RandomStream::ForPurpose(options.seed, kWeightsPurpose));
  embedding.DrawTable(table);
  RandomStream random = embedding.rest();
  for (const InitialLayer &layer : layers) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(layer.inputs));  // torch.nn.Linear
    for (std::int64_t i = 0; i < layer.inputs * layer.outputs; ++i) {
      layer.weight[i] = random.Symmetric(bound);
    }
    const bool hidden = layer.gamma != nullptr;
    for (std::int64_t i = 0; i < layer.outputs; ++i) {
      layer.beta[i] = hidden ? 0.0f : random.Symmetric(bound);
    }
    if (hidden) std::fill_n(layer.gamma, layer.outputs, 1.0f);
  }
}

std::uint64_t OrderSeed(std::uint64_t seed) noexcept {
  return RandomStream::ForPurpose(seed, kOrderPurpose).Next();
}

}  // namespace trails
