// The numbers that a model's features have in the logged rows.
//
// May touch: src/core/data, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/data/fields.h"
#include "pg/intermediate_catalog.h"

namespace trails::pg {

// The names of the features that FeatureValues knows, and of those that have categories, in the
// order of the fields. A feature with a categorical twin is among both.
std::vector<std::string> FeaturesWithValues(const Fields &fields);
std::vector<std::string> FeaturesWithCategories(const Fields &fields);

// The feature's value in each row, less its center and divided by its scale, which changes no
// correlation; of integers that are categories to the model the number itself. NaN for NULL, and
// for a category that training saw too rarely, of which the number was not kept. [rows]
// Throws Error(kInvalidArgument) for a feature that is no number, with a HINT to name a class, and
// for a column that is no feature, with a HINT that lists those that serve.
std::vector<float> FeatureValues(const LoggedRow &logged, const Fields &fields,
                                 std::string_view name);

}  // namespace trails::pg
