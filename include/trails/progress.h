// What a running selection tells the outside, and what the outside tells it.
//
// May touch: the C++ standard library only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stop_token>

namespace trails {

using Clock = std::chrono::steady_clock;

enum class Phase : std::int32_t {
  kReading = 1,
  kEncoding,
  kFiltering,
  kRefinement,
  kFinal,
  kStoring
};

// Written by engine threads, read by the backend's thread at any time. Every member is
// meaningful alone; together they may be a moment apart.
struct Progress {
  std::atomic<std::int32_t> phase{static_cast<std::int32_t>(Phase::kReading)};
  std::atomic<std::int64_t> rows_read{0};
  std::atomic<std::int64_t> candidates_scored{0};
  std::atomic<std::int64_t> candidates_trained{0};
  std::atomic<std::int64_t> rung{0};
  std::atomic<std::int64_t> epochs{0};                                 // of all candidates together
  std::atomic<double> best{std::numeric_limits<double>::quiet_NaN()};  // validation metric

  void Enter(Phase next) noexcept {
    phase.store(static_cast<std::int32_t>(next), std::memory_order_relaxed);
  }
};

// How a run is told to end.
struct RunControl {
  Clock::time_point start;     // when the statement began
  Clock::time_point deadline;  // start + budget; the result must be stored by then
  std::stop_token stop;        // cancel: throw Error(kCancelled) within one mini-batch
  const std::atomic<bool> *finish = nullptr;  // true: end in good order with the best so far
  Progress *progress = nullptr;               // never null during a run

  double elapsed_seconds() const {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  double budget_seconds() const { return std::chrono::duration<double>(deadline - start).count(); }
};

}  // namespace trails
