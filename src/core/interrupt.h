// When a piece of engine work must end.
//
// May touch: include/trails.
#pragma once

#include "trails/error.h"
#include "trails/progress.h"

namespace trails {

// Thrown inside a phase when the time is up or the caller wants the best so far. Not
// an error: whoever started the work catches it and goes on with what there is.
struct TimeUp {};

// Looked at between any two matrix products, hence every few milliseconds.
class Interrupt {
 public:
  // Ends the work at `until`, or when the caller asks to finish with the best so far.
  Interrupt(const RunControl &control, Clock::time_point until) noexcept
      : control_(control), until_(until), timed_(true) {}
  // Ends it on cancel only: for what must be done whatever the time.
  explicit Interrupt(const RunControl &control) noexcept
      : control_(control), until_(Clock::time_point::max()), timed_(false) {}

  // Throws Error(kCancelled) on stop, TimeUp when `until` has passed or finish was asked for.
  void Check() const {
    if (control_.stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "model selection was cancelled");
    }
    if (TimeIsUp()) throw TimeUp();
  }
  bool TimeIsUp() const noexcept {
    if (!timed_) return false;
    return (control_.finish != nullptr && control_.finish->load(std::memory_order_relaxed)) ||
           Clock::now() >= until_;
  }

 private:
  const RunControl &control_;
  Clock::time_point until_;
  bool timed_;
};

}  // namespace trails
