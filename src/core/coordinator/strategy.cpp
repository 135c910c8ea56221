#include "core/coordinator/strategy.h"

#include "core/coordinator/asynchronous_halving.h"
#include "core/coordinator/scheduled_strategy.h"
#include "core/coordinator/timed_halving.h"

namespace trails {

std::unique_ptr<Strategy> MakeTimedStrategy(const SelectionOptions &options, Proposer *proposer) {
  switch (options.refinement) {
    case Refinement::kReject:
    case Refinement::kUniform: return MakeTimedSchedule(options, proposer);
    case Refinement::kAsynchronousHalving: return MakeAsynchronousHalving(options, proposer, true);
    case Refinement::kEvolution: return MakeAsynchronousHalving(options, proposer, false);
    case Refinement::kHalving: break;
  }
  return MakeTimedHalving(options, proposer);
}

std::unique_ptr<Strategy> MakeStrategy(const SelectionOptions &options, Proposer *proposer) {
  const bool has_schedule = options.refinement != Refinement::kAsynchronousHalving &&
                            options.refinement != Refinement::kEvolution;
  return options.plan_is_fixed() && has_schedule ? MakeScheduledStrategy(options, proposer)
                                                 : MakeTimedStrategy(options, proposer);
}

}  // namespace trails
