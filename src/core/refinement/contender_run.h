// The training side of one contender: what a strategy need not see.
//
// May touch: src/core.
#pragma once

#include <cstdint>
#include <memory>

#include "core/refinement/trainer.h"

namespace trails {

struct ContenderRun {
  TrainerOptions options;
  std::int64_t bytes = 0;            // of its trainer
  std::unique_ptr<Trainer> trainer;  // made when first trained, freed when dropped
  std::int32_t member = -1;          // the same of a cohort; -1: none
  double seconds = 0;                // trained so far
  double look_seconds = 0;           // what its last look at the validation rows took
};

}  // namespace trails
