// Asynchronous successive halving: a free thread promotes whoever is among the best one in eta of a
// rung and was not promoted yet, the highest rung first, and else starts a new candidate. No thread
// waits for a rung's end.
//
// Source: Li et al. 2020, "A system for massively parallel hyperparameter tuning", algorithm 2.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <memory>

#include "core/coordinator/strategy.h"

namespace trails {

// The first rung is options.u epochs (else a 60th of the time left, all threads counted, at most
// four epochs), rung r eta^r times as long, at most max_epochs. options.k bounds the candidates
// that enter. Without promotion everyone trains for the first rung only (options.u epochs, else
// four): regularised evolution.
//
// In a timed plan a contender without a new best for a third of its life stops. When nobody may
// enter or be promoted any more, the best four (on more threads up to eight) are promoted all the
// same, whoever of them has trained least first. Threads that this leaves free go on with
// Reseeding.
//
// One in eta of those that have ended a rung, rounded down, those that diverged among them. A new
// candidate stays out when the time left is too short for its first rung. Where memory holds no
// more, the worst that waits in the lowest rung is dropped for it. With several threads it depends
// on who ends first who is promoted: only one thread gives the same answer each time.
std::unique_ptr<Strategy> MakeAsynchronousHalving(const SelectionOptions &options,
                                                  Proposer *proposer, bool promotes);

}  // namespace trails
