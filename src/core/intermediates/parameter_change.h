// How far the parameters of a layer moved from one model to another of the same architecture: from
// epoch to epoch.
//
// May touch: src/core/model, src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/model/model.h"

namespace trails {

// Of the parameters that make the layer of that name from the one before it: the embedding table;
// weights and biases of a hidden layer, which stand at its values before activation ('hidden1' has
// none of its own); those of the logits. NaN where there are none.
struct ParameterChange {
  std::int64_t parameters = 0;
  double l2 = 0;           // length of the difference
  double relative_l2 = 0;  // over the length of the first model's; NaN where that is 0
  double cosine = 0;       // of the two; NaN where either is 0
};

// Throws Error(kInvalidArgument) for models whose layers differ; what FindLayer throws.
// Cost: one look at the parameters.
ParameterChange ChangeOf(const Model &a, const Model &b, std::string_view layer);

}  // namespace trails
