// Foretells a refinement phase: runs its strategy over contenders that take the time of the cost
// model instead of training, and adds up what happens. What trails.plan shows and a run's record
// holds as planned.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "core/coordinator/strategy.h"
#include "trails/result.h"

namespace trails {

// What is assumed of the run to come.
struct ForecastInput {
  double seconds = 0;  // for training, wall time; infinity in a fixed plan
  std::int32_t threads = 1;
  std::int64_t epoch_steps = 0;
  double epochs_of_a_step = 0;  // passes over the training rows that one mini-batch is
  std::function<double(const HiddenWidths &)> step_seconds;  // one mini-batch, one thread
  std::function<double(const HiddenWidths &)> look_seconds;  // one look at the validation rows
  double typical_step_seconds = 0;  // the mean of step_seconds over the candidates
  // Passes over the training rows after which a network gets no better.
  double best_passes = std::numeric_limits<double>::infinity();
  // Called before each chunk; what it throws ends the forecast: a fixed plan may be endless.
  std::function<void()> check = [] {};
};

struct Forecast {
  std::vector<PlanStep> steps;  // "rung 1", "rung 2", ..., "seeds", "final training"
  std::int64_t k = 0;
  double u = 0;  // epochs of the first rung, of epoch_steps mini-batches
};

// Contenders get better with every look until input.best_passes, so that all of them stop alike,
// and the better they are the nearer their costs are to the typical one: who will win is not known,
// what the later rungs cost on average is. Nor is known what the mean of several would be. Memory
// holds all of them. The wall time of a step is the thread time spent in it divided by the threads.
// Once nothing but new seeds is trained for long, the rest of the time is taken to go on like that.
// Cost: some 10 us a chunk of training, a few thousand at most.
Forecast ForecastRefinement(const ForecastInput &input, Strategy *strategy);

}  // namespace trails
