// Exact metrics over a whole split.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>

#include "trails/options.h"

namespace trails {

// Judges predictions. outputs = 1: predictions [rows] are numbers in the target's own unit;
// outputs >= 2: [rows, outputs] class probabilities, row-major. labels [rows]: class index or
// number.
//   auc       area under the ROC curve of column 1, ties count one half (Mann-Whitney); NaN when
//             one class is missing
//   logloss   mean of -ln p(label), p clipped to [1e-15, 1]
//   accuracy  share of rows whose largest probability (the first of equals) is the label's
//   rmse, mae, r2   as usual; r2 against the mean of these labels, NaN when they are constant
// Sums are in double. Cost: n log n for auc, n else.
double Judge(Metric metric, std::span<const float> predictions, std::int32_t outputs,
             std::span<const double> labels);

// True when `candidate` is the better value of `metric`; NaN is worse than everything.
bool IsBetter(Metric metric, double candidate, double incumbent) noexcept;

}  // namespace trails
