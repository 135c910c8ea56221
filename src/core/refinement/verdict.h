// The choice among the finalists and the floor, and its judgement on the test rows.
//
// May touch: Torch, src/core.
#pragma once

#include <cstdint>
#include <vector>

#include "core/data/dataset.h"
#include "core/refinement/ensemble.h"
#include "core/refinement/successive_halving.h"
#include "trails/result.h"

namespace trails {

struct Verdict {
  std::vector<const Finalist *> members;  // best first
  double valid = kNoMetric;
  double test = kNoMetric;
  double floor_test = kNoMetric;
  bool floor_won = false;
};

// Chooses by the validation rows, and looks at the test rows once, with the members and the floor,
// on `threads` threads. The members point into `refined`. Throws Error(kCancelled).
Verdict JudgeFinalists(const Dataset &data, const kernels::FieldPlan &plan,
                       const RefinementResult &refined, std::int32_t threads,
                       const RunControl &control);

// Appends what the user should know about how it went.
void AddVerdictNotices(const RefinementResult &refined, const Verdict &verdict, const Dataset &data,
                       std::vector<Notice> *notices);

}  // namespace trails
