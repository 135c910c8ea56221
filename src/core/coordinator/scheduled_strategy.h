// Carries out a schedule (schedule.h) over a field, in a fixed plan or against the clock.
//
// The first round enters the candidates that memory holds all at once, in the proposer's order, and
// passes over the others: so few as fit, but all trained alike. Who a round leaves behind is
// dropped at its end.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// MakeTimedStrategy's for sr and uniform: lengths count mini-batches. Without options.k candidates
// whose epoch would take more than an eighth of the time, all threads counted, stay out while there
// are eight others. Without options.u it keeps a tenth of the time back, for what rounds lose at
// their ends. Threads that find nothing to do in the only round of uniform go on with Reseeding at
// once, those of sr at the schedule's end; without a deadline nobody does.
// Throws Error(kInternal), at the first Next, without a deadline and options.u.
std::unique_ptr<Strategy> MakeTimedSchedule(const SelectionOptions &options, Proposer *proposer);

// The mini-batches of the first round with which the schedule takes `seconds` at most, wall time,
// at least 1: shape's u is ignored, k, eta and cap count. step_seconds, look_seconds: of the
// average candidate on one thread; a look every `look_steps` mini-batches, or eighth of a round.
std::int64_t LongestFirstRound(Refinement kind, ScheduleShape shape, std::int32_t threads,
                               double seconds, double step_seconds, double look_seconds,
                               std::int64_t look_steps);

}  // namespace trails
