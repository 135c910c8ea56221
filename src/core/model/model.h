// A trained model: what is stored, and what predicts.
//
// May touch: src/core/data, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "core/data/target.h"

namespace trails {

// y = W x + b; batch normalisation is folded in.
struct DenseLayer {
  std::int32_t inputs = 0;
  std::int32_t outputs = 0;
  std::vector<float> weight;  // [outputs, inputs], row-major
  std::vector<float> bias;    // [outputs]
};

// One network. x = gathered fields, [fields * embedding_width]; ReLU after every layer but the
// last, whose outputs are the logits.
// Without layers it is the linear model: embedding_width = outputs, and the logits are the sum
// of the field vectors plus `bias`.
struct Network {
  std::string architecture;  // "64-32", or "linear"
  std::int32_t embedding_width = 10;
  std::vector<float> table;  // [Fields::table_rows, embedding_width], knots' rows cumulated
  std::vector<DenseLayer> layers;
  std::vector<float> bias;  // linear model only, [outputs]
};

// The mean of its networks' outputs: of the class probabilities (softmax), or of the number
// mean + scale * logit.
struct Model {
  Fields fields;
  TargetCode target;
  Metric metric = Metric::kAuto;  // what it was chosen by; never kAuto
  std::vector<Network> networks;  // >= 1, the best one first
};

// Says in one sentence what makes `model` unfit to predict, or "" for a sound one. What a sound
// model promises: columns that are all used, ids and NULL ids inside the embedding table and inside
// their field, vocabularies and knots strictly ascending, classes that fit the task (2 .. 1,000 of
// them), layers that chain from fields * embedding_width to the outputs, and finite numbers
// everywhere, so that no prediction is NaN by storage.
// With valid ids a Predictor over a sound model never reads outside its arrays.
// Cost: one look at every number.
std::string FindDefect(const Model &model);

}  // namespace trails
