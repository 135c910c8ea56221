#include "core/refinement/floor.h"

#include <algorithm>
#include <utility>

#include "core/data/metrics.h"
#include "core/refinement/forward.h"
#include "core/refinement/linear_trainer.h"

namespace trails {

namespace {
constexpr int kPatience = 3;
constexpr std::int64_t kChunk = 200;  // mini-batches between two looks
constexpr std::int64_t kFewestChunkSteps = 50;
constexpr int kChunks = 60;
}  // namespace

Finalist TrainFloor(const Dataset &data, const kernels::FieldPlan &plan,
                    std::span<const double> valid_labels, std::uint64_t seed,
                    Clock::time_point until, const RunControl &control) {
  LinearTrainer trainer(data, plan, seed);
  const Interrupt interrupt(control, until);
  const Interrupt only_cancel(control);
  Finalist best;
  const auto judge = [&] {
    Finalist now{.candidate = -1, .valid = 0, .network = trainer.Fold(), .predictions = {}};
    now.predictions = PredictRows(data, plan, now.network, data.split.valid, only_cancel);
    now.valid = Judge(data.metric, now.predictions, data.target.outputs(), valid_labels);
    const bool better = best.predictions.empty() || IsBetter(data.metric, now.valid, best.valid);
    if (better) best = std::move(now);
    return better;
  };
  try {
    const std::int64_t chunk = std::clamp(trainer.steps_per_epoch(), kFewestChunkSteps, kChunk);
    int without_gain = 0;
    for (int c = 0; c < kChunks && without_gain < kPatience; ++c) {
      trainer.Train(chunk, interrupt);
      without_gain = judge() ? 0 : without_gain + 1;
    }
  } catch (const TimeUp &) {
    judge();
  }
  return best;
}

}  // namespace trails
