// The values of a pipeline's stage: read from the store, or by running queries again from a
// stage before it (stage_plan.h chooses).
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "pg/pipeline_catalog.h"
#include "pg/row_groups.h"
#include "pg/value_source.h"

namespace trails::pg {

// All rows of a stage as they are, read or run again, whichever is expected to take less time.
// Counts, and keeps, as ReadIntermediate does. Throws Error(kUndefinedObject) for a number that
// there is not; Error(kBadData) where running gives other rows or columns than were logged; what
// RunStages throws.
StageRows ReadStage(const LoggedRow &logged, std::int32_t stage);

enum class Keeping : std::uint8_t {
  kStored,  // they are there, now or already
  kNoRoom,  // see MakeRoom
  kNotNow,  // not MayKeep, garbage is collected, or another transaction is storing them
};

// Stores the stage's rows in the cache, and their statistics, where there is room at that gamma.
Keeping KeepStage(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage,
                  const StageRows &rows, double gamma);

// Columns of a stage that are numbers, from 0.
std::vector<std::int32_t> NumberColumns(const IntermediateQuery &query);

// Groups of the query's stage's rows by a column's values as text. Where the stage is stored, the
// column alone is read.
RowGroups GroupStageRows(const IntermediateQuery &query, std::string_view by);

}  // namespace trails::pg
