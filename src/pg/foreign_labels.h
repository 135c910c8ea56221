// Labels of a foreign model's rows, by row id: what its rows can be grouped by as 'target'.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg/intermediate_catalog.h"
#include "pg/row_groups.h"

namespace trails::pg {

// Appends labels to what the caller logged under that name, of rows of any of its layers, logged
// already or not. Throws Error(kInvalidArgument) for another number of labels than rows, or a row
// id that comes twice; Error(kDuplicateObject) for a row that has a label already;
// Error(kUndefinedObject) where nothing foreign was logged under the name; PgError.
// Cost: some 6 us a row, measured beside other work.
void LogLabels(std::string_view name, std::span<const std::int64_t> row_ids,
               const std::vector<std::string> &labels);

// The layer's rows by their label: names in the order of their bytes, -1 for rows without one. `by`
// must be 'target'. Throws Error(kInvalidArgument) for another one, and where there are no labels,
// with a HINT; Error(kLimit) for more than 1,000 different labels. Memory, while it reads: some 100
// bytes a labelled row.
RowGroups GroupByLabel(const LoggedRow &logged, const IntermediateRow &layer, std::string_view by);

}  // namespace trails::pg
