// Carries out a schedule (schedule.h) over a field, in a fixed plan or against the clock.
//
// The first round enters the candidates that memory holds all at once, in the proposer's order, and
// passes over the others: so few as fit, but all trained alike. Who a round leaves behind is
// dropped at its end; against the clock the best four (on more threads up to eight) are kept for
// what follows the schedule.
//
// A fixed plan may be too long for its budget, which it does not look at: so the contender of a
// round with the fewest mini-batches is next, between equals the cheapest, and each has its share
// when the clock ends the plan. Of several threads one trains whoever has the longest way to go:
// begun last, it would end alone.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// MakeTimedStrategy's for sr and uniform: lengths count mini-batches. Without options.k candidates
// whose epoch would take more than an eighth of the time, all threads counted, stay out while there
// are eight others. Without options.u it keeps a tenth of the time back, for what rounds lose at
// their ends; a thread that would wait there trains one that the next round of sr has for certain.
// After the schedule its best go on, with new seeds beside them: later_rungs.h. Threads that find
// nothing to do in the only round of uniform train new seeds at once. Without a deadline the
// schedule's end is the end.
// Throws Error(kInternal), at the first Next, without a deadline and options.u.
std::unique_ptr<Strategy> MakeTimedSchedule(const SelectionOptions &options, Proposer *proposer);

// The mini-batches of the first round with which the schedule takes `seconds` at most, wall time,
// at least 1: shape's u is ignored, k, eta and cap count. step_seconds, look_seconds: of the
// average candidate on one thread; a look every `look_steps` mini-batches, or eighth of a round.
std::int64_t LongestFirstRound(Refinement kind, ScheduleShape shape, std::int32_t threads,
                               double seconds, double step_seconds, double look_seconds,
                               std::int64_t look_steps);

}  // namespace trails
