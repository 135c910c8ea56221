// The floor: a linear model of the table, judged on the validation rows like any network.
//
// May touch: Torch, src/core.
#pragma once

#include "core/data/dataset.h"
#include "core/interrupt.h"
#include "core/refinement/ensemble.h"
#include "trails/options.h"

namespace trails {

// Trains until the validation rows see no gain three times running, or until `until`, where what
// there is by then is judged: a floor that had too little time is still the honest one for the
// budget. valid_labels: of data.split.valid. On the calling thread. Throws Error(kCancelled).
Finalist TrainFloor(const Dataset &data, const kernels::FieldPlan &plan,
                    std::span<const double> valid_labels, std::uint64_t seed,
                    Clock::time_point until, const RunControl &control);

}  // namespace trails
