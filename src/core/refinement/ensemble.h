// The answer: the mean of the best few networks, how many being chosen on the validation rows.
//
// May touch: src/core.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/data/metrics.h"
#include "core/model/model.h"

namespace trails {

// A network with what it predicts for the validation rows.
struct Finalist {
  std::int32_t candidate = -1;  // index into SelectionResult::candidates; -1: the linear floor
  double valid = 0;             // its own validation metric
  Network network;
  std::vector<float> predictions;  // [validation rows, outputs]
  double seconds_per_row = 0;      // what predicting took, on one thread
};

// Memory of its numbers, bytes.
std::int64_t NetworkBytes(const Network &network);

inline constexpr std::size_t kMostMembers = 12;

struct MeanChoice {
  std::size_t members = 0;  // the best `members` finalists
  double valid = 0;         // validation metric of their mean
};

// Chooses 1, 3, 5, 8 or 12 of `finalists`, which are sorted best first, by the validation metric of
// the mean of their predictions; on equal metrics the fewest. finalists must not be empty.
// Source: docs/architecture.md, "Training recipe".
MeanChoice ChooseMembers(std::span<const Finalist> finalists, Metric metric, std::int32_t outputs,
                         std::span<const double> labels);

// Adds `predictions` to `sum`, or becomes it when `sum` is empty; Scale divides.
void AddPredictions(std::span<const float> predictions, std::vector<float> *sum);
std::vector<float> Scaled(const std::vector<float> &sum, float factor);

}  // namespace trails
