// What the columns of a model's layer are called.
//
// A column of the embedding is named after its feature and its place in that feature's vector, from
// 1: 'age[3]'; where a feature has two fields, those of its categorical twin 'age (category)[3]'.
// Those of logits and prediction are named after their class, or after the target that is a number.
// Hidden units have no names, nor has the loss.
//
// May touch: src/core/model, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/model/model.h"

namespace trails {

struct ColumnName {
  std::optional<std::string> name;
  std::optional<std::string> feature;  // of the embedding
  std::int32_t dimension = 0;          // of that feature's vector, from 1; 0: none
};

// [layer.columns], in their order. `layer`: one of LayersOf(model).
std::vector<ColumnName> ColumnNamesOf(const Model &model, const Layer &layer);

}  // namespace trails
