// What a mini-batch costs on this machine and table, and what a plan makes of it.
//
// May touch: Torch, src/core.
#pragma once

#include <vector>

#include "core/coordinator/cost_model.h"
#include "core/coordinator/forecast.h"
#include "core/data/dataset.h"
#include "core/filtering/shortlist.h"
#include "core/interrupt.h"
#include "trails/options.h"

namespace trails {

// Mini-batches of one pass over the training rows, the rest that fills none left out; >= 1.
std::int64_t StepsOfAPass(const Dataset &data) noexcept;

// Mini-batches that a plan counts as one epoch: a pass, but 50 at least (a tiny table's pass is too
// short a unit) and 200 at most (as in the papers, so that a plan for a large table is none of
// days).
std::int64_t EpochSteps(const Dataset &data) noexcept;

TableShape ShapeOf(const Dataset &data, const kernels::FieldPlan &plan) noexcept;

// Trains a small, a middling and a large candidate of `list` (not empty) for a few mini-batches
// each, on the calling thread, until `until`: one mini-batch of the middling one at least, for
// without it nothing can be planned. The networks are thrown away. Candidates that memory does not
// hold are left out. Throws Error(kCancelled).
CostModel Calibrate(const Dataset &data, const kernels::FieldPlan &plan,
                    const std::vector<ScoredCandidate> &list, const SelectionOptions &options,
                    Clock::time_point until, const RunControl &control);

// Foretells what `rehearsal`, over the candidates of `list`, does with `seconds` left; no one else
// may use it afterwards. threads: those of the field, on which contenders train side by side. Gives
// up after a hundredth of the budget, at most 0.1 s: then the forecast
// has no steps. Throws Error(kCancelled).
Forecast Foretell(const Dataset &data, const std::vector<ScoredCandidate> &list,
                  Strategy *rehearsal, const SelectionOptions &options, std::int32_t threads,
                  const CostModel &cost, double seconds, const RunControl &control);

// Wall time of predicting the test rows with as many networks as may be kept.
double JudgingSeconds(const Dataset &data, const std::vector<ScoredCandidate> &list,
                      const SelectionOptions &options, const CostModel &cost);

}  // namespace trails
