// Runs finished networks over rows of the data set, to judge them.
//
// May touch: Torch, src/core, src/kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/data/dataset.h"
#include "core/interrupt.h"
#include "core/model/model.h"

namespace trails {

// Predictions of `network` for data's rows, [rows.size(), outputs], as Predictor::Predict gives
// them: class probabilities, or numbers in the target's unit.
// Throws what Interrupt::Check throws, between blocks of 1,024 rows.
std::vector<float> PredictRows(const Dataset &data, const kernels::FieldPlan &plan,
                               const Network &network, std::span<const std::int32_t> rows,
                               const Interrupt &interrupt);

// Labels of the rows, [rows.size()].
std::vector<double> LabelsOf(const Dataset &data, std::span<const std::int32_t> rows);

}  // namespace trails
