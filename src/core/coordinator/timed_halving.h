// Successive halving against the clock, the default of the refinement phase.
//
// First rung: a third of the time for some 24 candidates, at most four epochs each (first_rung.h).
// Candidates enter one by one as threads get free, so that a proposer that learns has seen the
// results of those before. Then the best third (at least four; as many as there are threads, up to
// eight) go on: later_rungs.h. Source: docs/architecture.md, "Refinement phase".
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
