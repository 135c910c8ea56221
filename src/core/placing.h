// Between a data set and the placer: what the phases of a call have to do, and where they then run.
//
// May touch: Torch, src/core.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <vector>

#include "core/cohort/cohort.h"
#include "core/data/dataset.h"
#include "core/filtering/shortlist.h"
#include "core/placement/placer.h"
#include "core/refinement/refinement_phase.h"

namespace trails {

// Where a selection's phases run. The candidates that its first rung will have are not known yet:
// options.k or 24 of the space stand for them, for options.u or four epochs.
// Throws as Placer::Place; tells in `notices` what became of device "cuda".
Placement PlaceSelection(const Dataset &data, const kernels::FieldPlan &plan,
                         const SelectionOptions &options, const RunControl &control, Placer *placer,
                         std::vector<Notice> *notices);

// Where the training of `list` runs, each of them for `steps` mini-batches.
Placement PlaceRefinement(const Dataset &data, const kernels::FieldPlan &plan,
                          const std::vector<ScoredCandidate> &list, std::int64_t steps,
                          const SelectionOptions &options, const RunControl &control,
                          Placer *placer);

// Where a filtering phase alone runs. Throws Error(kNotSupported) for device "cuda" and a space
// that is not scored as a whole.
Placement PlaceFiltering(const Dataset &data, const SelectionOptions &options, Placer *placer);

// The cohort of a refinement phase that was placed on the card, and what RefinementPhase has to
// know of it; none for a phase on the threads. Must end before the placer.
struct CardCohort {
  std::unique_ptr<Cohort> cohort;
  CohortPlaces places;
};

// A cohort in the making: the table is packed and copied to the card, some 0.1 s a GB, on a thread
// of its own while the filtering phase runs. All that is given must outlive the object, which waits
// for the thread; it inherits the signal mask: make it on an engine thread.
class CardCohortInTheMaking {
 public:
  CardCohortInTheMaking(const Dataset &data, const kernels::FieldPlan &plan,
                        const SelectionOptions &options, const Placement &placement,
                        const Placer &placer);
  // Waits for it; call it once. Throws Error(kOutOfMemory), Error(kDevice).
  CardCohort Take() { return made_.get(); }

 private:
  std::future<CardCohort> made_;
};

// What a mini-batch takes on the card when all places are taken, by the model of
// src/core/placement/placement.h: a plan does not measure it.
CostModel CardCost(const Dataset &data, const kernels::FieldPlan &plan,
                   const std::vector<ScoredCandidate> &list, const SelectionOptions &options,
                   const Card &card);

// Members that are trained together on a card, at most.
std::int32_t CardPlaces(const SelectionOptions &options) noexcept;

// Mini-batches of a first rung of options.u epochs, else of four.
std::int64_t FirstRungSteps(const Dataset &data, const SelectionOptions &options) noexcept;

}  // namespace trails
