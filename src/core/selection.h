// A whole selection and its parts: the order of the phases, and what is handed from one to the
// next.
//
// May touch: Torch, src/core.
#pragma once

#include <string>
#include <vector>

#include "trails/columns.h"
#include "trails/result.h"

namespace trails {

struct RunControl;

// Engine::SelectModel: filtering phase, refinement phase, verdict.
SelectionResult Select(Table &&table, const SelectionOptions &options, const RunControl &control);

// Engine::PlanSelection.
PlanResult Plan(Table &&table, const SelectionOptions &options, const RunControl &control);

// Engine::RefineCandidates: the refinement phase alone.
RefineResult Refine(Table &&table, const SelectionOptions &options,
                    const std::vector<std::string> &architectures, const RunControl &control);

// Engine::TrainCandidate: one candidate, then the verdict.
SelectionResult Train(Table &&table, const SelectionOptions &options,
                      const std::string &architecture, double epochs, const RunControl &control);

}  // namespace trails
