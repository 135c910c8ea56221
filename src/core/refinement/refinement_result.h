// What the refinement phase found.
//
// May touch: src/core.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/refinement/ensemble.h"
#include "core/refinement/snapshots.h"
#include "trails/result.h"

namespace trails {

struct RefinementResult {
  // One a contender, in the order in which they entered; rank and score are the caller's to fill.
  std::vector<CandidateResult> candidates;
  std::vector<EpochResult> epochs;
  SnapshotList snapshots;           // empty unless SelectionOptions::snapshot_every asks for them
  std::vector<Finalist> finalists;  // best first, at most kMostMembers
  Finalist floor;                   // the linear model; no predictions where none was asked for
  std::int64_t trained = 0;         // contenders that were trained at all
  std::int64_t first_rung = 0;      // K: candidates of the first rung
  double first_epochs = 0;          // U: epochs of the first rung, as a plan counts them
  std::int64_t diverged = 0;
  bool stopped_early = false;  // stop_at was reached, or the caller asked to finish
  bool cut_short = false;      // the time ended it, not the strategy
  std::vector<PlanStep> steps;
  double planned_judging = 0;  // seconds
  std::string calibration;     // one line for people
};

}  // namespace trails
