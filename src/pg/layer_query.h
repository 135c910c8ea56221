// The arguments that the functions over intermediates share: which layer of which model at which
// epoch, which columns and rows, how.
//
// Columns and rows count from 1 in SQL and from 0 here.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/intermediate_reader.h"
#include "pg/named_arguments.h"
#include "pg/row_ids.h"

namespace trails::pg {

// NULL gives nothing: the default epoch.
std::optional<std::int32_t> EpochArgument(const NamedArguments &args, const char *name = "epoch");

// What the arguments model and version name; each with `suffix` after it, as in 'model_a'. Throws
// as FindLogged.
LoggedRow LoggedArgument(const NamedArguments &args, const std::string &suffix = {});

// All columns and rows of the layer that the arguments model, version, layer and epoch name, each
// with `suffix` after it, with the call's arguments exact and strategy. Throws as FindLogged and
// FindIntermediate; Error(kInvalidArgument).
IntermediateQuery LayerQuery(const NamedArguments &args, const std::string &suffix = {});

// The same of a layer that the call names by itself.
IntermediateQuery LayerQuery(const NamedArguments &args, const LoggedRow &logged,
                             std::string_view layer, std::optional<std::int32_t> epoch);

// As LayerQuery for a call without the arguments exact and strategy: exact values by the cheaper
// way.
IntermediateQuery ExactQuery(const NamedArguments &args);

// As LayerQuery, of a pipeline's stage the columns that are numbers.
IntermediateQuery NumbersQuery(const NamedArguments &args);

// Makes the query one of exact values, whatever the layer's scheme: where rows are counted by which
// of their values is the largest, those of a coarse scheme would tell others, or none. Throws
// Error(kInvalidArgument) where the strategy is to read and the scheme does not keep them.
void AskExactly(IntermediateQuery *query);

// How many columns the query gives, and the number, from 1, of the one that is `column`th among
// them, from 0.
std::int64_t ColumnsOf(const IntermediateQuery &query);
std::int32_t ColumnNumber(const IntermediateQuery &query, std::int64_t column);

// Another layer of the query's model at its epoch: all columns, the query's rows.
IntermediateQuery OtherLayer(const IntermediateQuery &query, std::string_view layer);

// Positions. Throw Error(kInvalidArgument) for columns below 1, and as RowIds; what is beyond the
// layer is told by PlanQuery.
std::int32_t ColumnPosition(const char *name, std::int32_t number);
// Of the row that has this id.
std::int64_t RowArgument(const NamedArguments &args, const char *name, const RowIds &ids);
// In the order given; nothing for NULL, which stands for all: an empty array is none. Throw
// Error(kLimit) for more than 2^24.
std::optional<std::vector<std::int64_t>> ColumnsArgument(const NamedArguments &args,
                                                         const char *name);
std::optional<std::vector<std::int64_t>> RowsArgument(const NamedArguments &args, const char *name,
                                                      const RowIds &ids);

// The positions below `count`, ascending, each once; and of the others, if there are any, the
// least. Cost: some nanoseconds a position.
std::vector<std::int64_t> EachOnce(const std::vector<std::int64_t> &positions, std::int64_t count);

// A number from 1 to `most`. Throws Error(kInvalidArgument).
std::int32_t CountArgument(const NamedArguments &args, const char *name, std::int32_t most);

// One row of the layer, the query's columns.
std::vector<float> ReadRow(IntermediateQuery query, std::int64_t row);
// One column, all the query's rows.
std::vector<float> ReadColumn(IntermediateQuery query, std::int32_t column);

}  // namespace trails::pg
