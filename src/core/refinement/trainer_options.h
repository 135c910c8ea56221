// How one network is trained: what a trainer, a cohort and a strategy agree on.
//
// May touch: src/core/space, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <limits>

#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// How fast a network learns and how fast it forgets. A class is learnt in a few epochs and then
// overfitted; a number is learnt over dozens of them, and a decay of 1 keeps it from being exact
// (docs/architecture.md, "Training recipe").
struct Pace {
  float learning_rate;
  float weight_decay;
};
constexpr Pace PaceOf(Task task) noexcept {
  return task == Task::kRegression ? Pace{1e-3f, 0.5f} : Pace{2e-3f, 1.0f};
}

struct TrainerOptions {
  HiddenWidths widths;
  Encoding encoding = Encoding::kPiecewiseLinear;  // decides how the embedding starts
  float dropout = 0;
  float learning_rate = 2e-3f;
  float weight_decay = 1.0f;
  // Of a regression's loss: errors beyond it, in deviations of the target, count linearly.
  float bend = std::numeric_limits<float>::infinity();
  std::uint64_t seed = 0;  // of the weights, the data order and the dropout
};

}  // namespace trails
