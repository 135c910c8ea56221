// One candidate on its way through the rungs.
//
// May touch: src/core.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "core/refinement/trainer.h"

namespace trails {

struct CandidateRun {
  std::int32_t candidate = 0;  // index into SelectionResult::candidates
  TrainerOptions options;
  double row_cost = 0;               // RowCost of its widths
  std::unique_ptr<Trainer> trainer;  // made when first trained, freed when dropped

  double best = std::numeric_limits<double>::quiet_NaN();  // best validation metric
  std::int64_t best_steps = 0;                             // mini-batches when it was reached
  std::int64_t rung_start = 0;  // mini-batches at the start of the present rung
  std::int64_t rung_end = 0;    // and at its end
  double seconds = 0;           // trained so far
  double look_seconds = 0;      // what its last look at the validation rows took
  bool busy = false;            // a thread is training it
  bool diverged = false;

  std::int64_t steps() const noexcept { return trainer ? trainer->steps() : 0; }
  bool rung_is_done() const noexcept { return diverged || steps() >= rung_end; }
};

}  // namespace trails
