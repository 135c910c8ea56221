// What log_pipeline does: runs the stages of a classical pipeline over the rows of a relation, and
// keeps what the rows of every stage can be had from.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/bridge.h"

extern "C" {
#include "datatype/timestamp.h"
}

namespace trails::pg {

// Stages of a pipeline, at most.
inline constexpr std::size_t kMostStages = 100;

struct PipelineRequest {
  std::string name;
  Oid source = InvalidOid;
  std::vector<std::string> stages;  // queries over $input
  std::string row_id;               // column of unique integers; empty: rows are counted
  std::optional<Interval> expires_after;
};

// A stage as the call left it; 0 is the source.
struct LoggedStage {
  std::int32_t stage = 0;
  std::int32_t columns = 0;  // but row_id
  std::int64_t rows = 0;
  bool stored = false;
  std::int64_t bytes = 0;  // of its values, see StoredGroup
  double seconds = 0;      // that its query took, or reading the source
};

// Keeps the source's rows and every stage's row ids on the durable shelf, and with
// trails.gamma_min at 0 every stage's rows in the cache, in the order of the stages: columns that a
// stage only hands on are references; a NOTICE names the stages for which
// trails.intermediate_max_bytes has no room. A WARNING names what a stage reads and calls beside
// its input (stage_dependence.h). Runs under the caller's rights.
//
// Throws Error(kInvalidArgument) without a name or a stage, for more than kMostStages, an
// expires_after that is negative, and what CheckStageQuery throws, all before a row is read;
// Error(kDuplicateObject) for a name that the caller has logged something by, or that is a model's;
// Error(kNotSupported) under row security; what ReadStageSource and RunStages throw.
// Memory: the rows of two stages.
std::vector<LoggedStage> LogPipeline(const PipelineRequest &request);

}  // namespace trails::pg
