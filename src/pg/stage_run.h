// Runs stages of a pipeline: their queries as one statement over the rows of a stage before them.
//
// The statement runs read-only, as the pipeline's owner, whose privileges whoever may read it has:
// a reader lends the queries none of its own. Where that is another role than the caller, what
// could outlive the statement is forbidden as in a security-restricted operation.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/stage_columns.h"

namespace trails::pg {

// Settings that queries may depend on, as they were when the pipeline was logged.
struct StageSettings {
  // The caller's own, now. Throws PgError.
  static StageSettings Current();

  std::vector<std::string> values;  // of the names in kStageSettings, in their order
};

// What is run for a stage.
struct StageCall {
  std::string pipeline;  // its name, for messages
  Oid owner = InvalidOid;
  StageSettings settings;
  std::int32_t first = 0;            // stage whose rows are given
  std::vector<std::string> queries;  // of stages first + 1, first + 2, ...
  bool warns = false;                // see WarnOfDependence: where a stage is logged
};

// All rows of the relation, their columns and row_id: that column, whose integers must be unique,
// or the position in the scan where it is empty. Under the caller's rights.
// Throws Error(kUndefinedColumn), Error(kInvalidArgument) for a row_id that is no integer, and for
// a column named row_id that is not the one asked for; Error(kBadData) for a row_id that is NULL or
// comes twice, and for no rows; Error(kLimit) beyond trails.memory_limit; what DescribeStageColumn
// throws; PgError.
StageRows ReadStageSource(Oid relation, const std::string &row_id);

// The rows of the last stage of the call, ascending by row_id. `input`: rows of stage call.first,
// whose blocks were checked. Throws Error(kInvalidArgument) for a result without a bigint column
// row_id or with no other one, or with two of a name; Error(kBadData) for a row_id that is NULL,
// comes twice or is not one of the input's, and for no rows; Error(kUndefinedObject) for what
// LostColumns refuses; Error(kLimit) beyond trails.memory_limit; what DescribeStageColumn throws;
// PgError for what the queries raise, on cancel too. Memory: the input and the sort, on disk beyond
// work_mem, and the result.
StageRows RunStages(const StageCall &call, const StageRows &input);

}  // namespace trails::pg
