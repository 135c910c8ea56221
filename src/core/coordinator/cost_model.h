// How long a mini-batch of a network takes on this machine: a linear model of the work in it, with
// constants measured once and refreshed by what each run sees.
//
// May touch: src/core/space, Eigen. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/space/candidate.h"

namespace trails {

// The work in one mini-batch of training, or of prediction.
struct StepWork {
  double batches = 1;        // calls, allocations, the loop itself
  double slots = 0;          // embedding rows gathered, and their gradients scattered; and inputs,
                             // each as three tenths of a row
  double units = 0;          // outputs of hidden layers: batch norm, ReLU, dropout
  double multiply_adds = 0;  // of the matrix products, forward and backward, no side below 32
  double parameters = 0;     // that the optimiser and the average pass over, embedding included
};

// What is the same for all candidates of a table.
struct TableShape {
  std::int64_t batch = 0;
  std::int64_t slots_per_row = 0;
  std::int32_t inputs = 0;  // fields times the embedding width
  std::int32_t outputs = 0;
  std::int64_t embedding_numbers = 0;  // of the embedding table
};

StepWork TrainingWork(const TableShape &shape, const HiddenWidths &widths) noexcept;
// Of predicting as many rows as a mini-batch has.
StepWork PredictionWork(const TableShape &shape, const HiddenWidths &widths) noexcept;

// How many times faster a mini-batch is when so many threads share it, for plans: each further one
// gives seven tenths of a thread.
double SpeedOfThreads(std::int32_t threads) noexcept;

// Seconds of a unit of each kind of work, on one thread.
//
// Starts from the constants of one machine (bench/micro/trainer_bench; docs/benchmarks.md has the
// fit). Learn scales all of them to this machine first, then bends the single ones, by ridge
// regression of the relative errors towards the scaled constants; old measurements fade.
class CostModel {
 public:
  explicit CostModel(const TableShape &shape) noexcept;

  // What `steps` mini-batches of such a network took on one thread. Ignores nonsense (<= 0).
  void Learn(const HiddenWidths &widths, std::int64_t steps, double seconds) noexcept;
  bool measured() const noexcept { return measurements_ > 0; }

  // Before the first measurement: by the built-in constants.
  double TrainingStepSeconds(const HiddenWidths &widths) const noexcept;
  // Of predicting `rows` rows.
  double PredictionSeconds(const HiddenWidths &widths, std::int64_t rows) const noexcept;

  // One line for people: "0.021 ms a mini-batch, 3.1 ns a slot, ...".
  std::string Describe() const;

 private:
  static constexpr std::size_t kKinds = 5;
  using Numbers = std::array<double, kKinds>;
  static Numbers Of(const StepWork &work) noexcept;
  void Solve() noexcept;

  TableShape shape_;
  Numbers seconds_;                        // of a unit of each kind
  std::array<Numbers, kKinds> squares_{};  // of the measurements, relative
  Numbers products_{};
  double scale_sum_ = 0, scale_weight_ = 0;  // log of measured over built-in
  std::int64_t measurements_ = 0;
};

}  // namespace trails
