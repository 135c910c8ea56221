// The target: which task it poses, its classes, its labels.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "trails/columns.h"
#include "trails/options.h"

namespace trails {

// How a target column is read and written. Kept in the artefact.
struct TargetCode {
  Task task = Task::kRegression;  // never kAuto
  InputColumn column;
  std::vector<std::string> classes;      // as text, in the order of the network's outputs
  std::vector<std::int64_t> class_keys;  // the same as integers, for integer columns; else empty
  double mean = 0;                       // regression: the network predicts (y - mean) / scale
  double scale = 1;

  // Outputs of a network: one a class, or 1 for regression.
  std::int32_t outputs() const noexcept {
    return task == Task::kRegression ? 1 : static_cast<std::int32_t>(classes.size());
  }
  // The class index or the number; NaN for NULL and for a class never seen in training.
  double Label(const Column &column, std::int64_t row) const;
};

// Decides the task (kAuto: text and boolean are classes; numbers with two values are classes;
// integers with at most 20 values are classes; else regression) and the classes, in ascending
// order (text by its bytes, integers by value). For binary targets the second class is the
// positive one.
// `train` are the rows that may be looked at for mean and scale; classes come from all rows.
// Throws Error(kBadData): all NULL, constant, one class, NaN or infinite labels asked for as
// numbers; Error(kLimit): more than 1,000 classes; Error(kInvalidArgument): binary asked for with
// other than two values, regression asked for over text.
TargetCode FitTarget(const Column &target, Task task, std::span<const std::int32_t> train);

// The metric to judge by: kAuto becomes auc, accuracy or rmse.
// Throws Error(kInvalidArgument) when the metric does not fit the task (auc needs two classes).
Metric ResolveMetric(Metric metric, Task task);

}  // namespace trails
