// Strategies of the refinement phase: who trains next, and how long. They see the field and the
// time left, never a clock or a network, so that the same code carries out a plan, foretells it
// (forecast.h), and is tested without training.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/coordinator/field.h"
#include "core/coordinator/proposer.h"
#include "core/coordinator/schedule.h"
#include "trails/options.h"

namespace trails {

// Called with the refinement phase's lock held.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // The next piece of work for a thread that is free: a chunk of a contender that is neither busy,
  // diverged nor dropped. Nothing: wait until some other thread's chunk is done, or, when no
  // contender is busy, the strategy has ended.
  virtual std::optional<Assignment> Next(ContenderField *field) = 0;

  // The plan as it was carried out: K and the mini-batches of the first rung (0 before it is
  // known).
  virtual std::int64_t first_candidates() const = 0;
  virtual double first_steps() const = 0;
};

// A fixed schedule: options.k candidates of the proposer (or as many as it has), options.u epochs,
// eta and max_epochs, each round by turns; then the winner trains eta times as long (to the cap,
// all threads on each mini-batch). With a proposer that learns, the first round is trained in two
// halves, the second proposed from the results of the first in the order of their numbers. Looks at
// no time left, hence the same answer each time. refinement: kHalving, kReject or kUniform; k and u
// are set.
std::unique_ptr<Strategy> MakeScheduledStrategy(const SelectionOptions &options,
                                                Proposer *proposer);

// The timed plan. sh: timed_halving.h. sr and uniform: K = options.k or as many candidates as train
// an epoch each in the time (8 .. 24), U = options.u or what the time left allows for the schedule;
// in what is left its best go on: later_rungs.h. asha: asynchronous_halving.h. evolution:
// asynchronous_halving.h without promotion.
std::unique_ptr<Strategy> MakeTimedStrategy(const SelectionOptions &options, Proposer *proposer);

// The one of the two that the options ask for: fixed where n, k and u are given, but for asha and
// evolution, which have no schedule.
std::unique_ptr<Strategy> MakeStrategy(const SelectionOptions &options, Proposer *proposer);

}  // namespace trails
