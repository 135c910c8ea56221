// A RunControl and what it points to, for tests.
//
// May touch: include/trails.
#pragma once

#include <atomic>
#include <chrono>
#include <stop_token>

#include "trails/progress.h"

namespace trails::test {

inline Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A run that starts now and whose deadline is `budget_seconds` away.
struct ControlledRun {
  explicit ControlledRun(double budget_seconds = 3'600) {
    control.start = Clock::now();
    control.deadline = control.start + Seconds(budget_seconds);
    control.stop = stop.get_token();
    control.finish = &finish;
    control.progress = &progress;
  }
  ControlledRun(const ControlledRun &) = delete;
  ControlledRun &operator=(const ControlledRun &) = delete;

  Progress progress;
  std::atomic<bool> finish{false};
  std::stop_source stop;
  RunControl control;
};

}  // namespace trails::test
