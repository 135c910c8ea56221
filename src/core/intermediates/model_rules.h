// Rules that tell a sick network from a sound one, from statistics alone.
//
// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/intermediates/column_statistics.h"
#include "core/intermediates/layers.h"

namespace trails {

// What one rule found. Nothing is found in a sound network.
struct Finding {
  std::string rule;          // not finite, dead units, nearly dead units, saturated units, repeated
                             // units, constant prediction, class never predicted, loss not falling
  std::string layer;         // empty for the model
  std::int64_t columns = 0;  // that it holds for; 0 for the model
  std::string detail;        // a sentence with the numbers, columns counted from 1
};

// A point of a learning curve.
struct CurvePoint {
  double epoch = 0;
  double train_loss = 0;
};

// Rules over one layer, statistics [layer.columns]:
//
//   not finite           a column has NaN or infinity; kLoss: infinity, as NaN tells a row without
//                        a label
//   dead units           kHidden: zero in every row
//   nearly dead units    kHidden: not zero in some rows, but in less than 1 % of them
//   saturated units      kHidden: above zero in every row, so that ReLU never acts
//   repeated units       kHidden: columns, not dead, whose sums, squares, least and largest values
//                        are those of another one
//   constant prediction  kPrediction: every column has one value
//
// All but the first need 2 rows. Throws Error(kInternal) for another number of statistics.
std::vector<Finding> CheckLayer(const Layer &layer,
                                const std::vector<ColumnStatistics> &statistics);

// Whether some class may be predicted of no row, statistics [classes] being those of kPrediction:
// false where each class's probability is above 1/2 in some row.
bool MayMissClass(const std::vector<ColumnStatistics> &statistics);

// 'class never predicted': classes that are the prediction of no row. predicted [classes.size()]:
// rows by the class predicted; as many rows as classes at least, else nothing is found.
// Throws Error(kInternal) for another number of classes.
std::vector<Finding> CheckClasses(const Layer &prediction, const std::vector<std::string> &classes,
                                  const std::vector<std::int64_t> &predicted);

// 'loss not falling': the least loss of the second half of the curve is not below that of the first
// (4 points at least; the middle one of an odd number is of the second), or a loss is not finite.
// `curve` ascends by epoch.
std::vector<Finding> CheckCurve(const std::vector<CurvePoint> &curve);

}  // namespace trails
