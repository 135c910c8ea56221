// The choice among the finalists and the floor, and its judgement on the test rows.
//
// May touch: Torch, src/core.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/data/dataset.h"
#include "core/refinement/ensemble.h"
#include "core/refinement/refinement_result.h"
#include "trails/result.h"

namespace trails {

struct RunControl;

struct Verdict {
  std::vector<const Finalist *> members;  // best first
  double valid = kNoMetric;
  double test = kNoMetric;
  double floor_test = kNoMetric;
  bool floor_won = false;
};

struct JudgeOptions {
  std::int32_t threads = 1;
  std::optional<double> stop_at;  // a validation metric that is good enough
  bool floor_may_win = true;      // the linear model is kept where it is better
};

// Chooses by the validation rows, and looks at the test rows once, with the members and the floor.
// Where a finalist reaches stop_at, the one of them with the fewest parameters is chosen, alone:
// the cheapest model that is good enough. Else the mean of ChooseMembers. The members point into
// `refined`, which has a finalist or a floor. Throws Error(kCancelled).
Verdict JudgeFinalists(const Dataset &data, const kernels::FieldPlan &plan,
                       const RefinementResult &refined, const JudgeOptions &options,
                       const RunControl &control);

// Appends what the user should know about how it went.
void AddVerdictNotices(const RefinementResult &refined, const Verdict &verdict, const Dataset &data,
                       std::vector<Notice> *notices);

}  // namespace trails
