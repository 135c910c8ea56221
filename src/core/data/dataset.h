// A table ready for training: encoded rows, labels, splits. Read-only once built, so that
// every engine thread may share it.
//
// May touch: src/core/data, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "core/data/split.h"
#include "core/data/target.h"
#include "trails/result.h"

namespace trails {

struct Dataset {
  Fields fields;
  TargetCode target;
  Metric metric = Metric::kAuto;  // never kAuto once built
  EncodedRows rows;
  std::vector<double> labels;  // [rows] class index or number; NaN where the target is NULL
  Split split;
  std::string data_hash;
};

// Splits, fits the encoders and encodes; consumes the features of `table`. `notices` receives
// what the user must know: NULL targets, rows of other split words, constant columns, no test rows.
// Throws what FitTarget, SplitRows, FitFields and ResolveMetric throw; Error(kLimit) for more than
// INT32_MAX rows or when the data would need more than options.memory_limit_bytes (the message
// has the number), before anything is encoded; Error(kCancelled) on stop.
Dataset BuildDataset(Table &&table, const SelectionOptions &options, std::vector<Notice> *notices,
                     const std::stop_token &stop = {});

}  // namespace trails
