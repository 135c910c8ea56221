// The strategy that trains one candidate to the end, all threads on each mini-batch.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// `steps` mini-batches, >= 1, a look after each epoch or eighth of the way.
std::unique_ptr<Strategy> MakeSingleTraining(Proposal proposal, std::int64_t steps);

}  // namespace trails
