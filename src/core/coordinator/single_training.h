// The strategy that trains one candidate to the end, all threads on each mini-batch.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// `steps` mini-batches, >= 1; a look after every look_steps of them, and at the end. With
// look_steps 0 a look after each epoch, or when a quarter more is behind it where that is longer:
// however many are asked for, its best moment is seen, and so is a metric that is good enough.
std::unique_ptr<Strategy> MakeSingleTraining(Proposal proposal, std::int64_t steps,
                                             std::int64_t look_steps = 0);

}  // namespace trails
