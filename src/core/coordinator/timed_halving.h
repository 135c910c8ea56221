// Successive halving against the clock, the default of the refinement phase.
//
// First rung: a third of the time for some 24 candidates, at most four epochs each (first_rung.h).
// Candidates enter one by one as threads get free, so that a proposer that learns has seen the
// results of those before. Then the best third (at least four; as many as there are threads, up to
// eight) train twice as long, from where they are, then the best half of these, as long as they get
// better, and as long as doubling their training buys the mean of them more than doubling their
// number would; a contender without a new best for a third of its life stops. What was proposed
// beside a rung and is as good as its best joins the next one. What would not end in time is cut
// for all alike, so that the members of the final mean are trained equally long. A thread that
// finds nothing to do in the rung, and all of them once nobody gets better, go on with Reseeding;
// only when that has no use for them, threads share mini-batches. Source: docs/architecture.md,
// "Refinement phase".
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// k fixes the number of candidates of the first rung, u its epochs, eta the share kept after the
// first rung; max_epochs caps every contender.
std::unique_ptr<Strategy> MakeTimedHalving(const SelectionOptions &options, Proposer *proposer);

}  // namespace trails
