// The names of a layer's columns, and which column a name stands for.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/column_names.h"
#include "pg/intermediate_reader.h"
#include "pg/named_arguments.h"

namespace trails::pg {

// Of all columns of the layer, as they are numbered: of a model's layer as ColumnNamesOf has them,
// of a pipeline's stage its columns', of a foreign layer none. Throws as OpenSnapshot and
// OpenPipeline; Error(kCorruptData) where the layer has other columns than its model. Cost: some
// microseconds, once the model is open.
std::vector<ColumnName> ColumnNamesOf(const LoggedRow &logged, const IntermediateRow &layer);

// The name of the `column`th of the query's columns, from 0. names: of all columns of its layer.
const std::optional<std::string> &NameOf(const std::vector<ColumnName> &names,
                                         const IntermediateQuery &query, std::int64_t column);

// Position of the column of that name. Throws Error(kInvalidArgument) for a name that no column
// has, or that two have, with a HINT of a similar one or of all.
std::int32_t ColumnNamed(const IntermediateQuery &query, std::string_view name);

// Position of the column that the argument stands for: an integer, or a text that is a column's
// name or, where no column is called so, its number. Throws as ColumnNamed;
// Error(kInvalidArgument) for numbers below 1. What is beyond the layer is told by PlanQuery.
std::int32_t ColumnArgument(const NamedArguments &args, const char *name,
                            const IntermediateQuery &query);

}  // namespace trails::pg
