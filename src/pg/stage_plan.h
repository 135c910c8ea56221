// READ or RERUN of a pipeline's stage: what either is expected to take, and whether the stage has
// earned a place in the store.
//
// A stage is stored as a whole and run as a whole, whatever columns and rows are asked for.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/intermediates/row_choice.h"
#include "core/intermediates/stage_rates.h"
#include "pg/intermediate_reader.h"
#include "pg/pipeline_catalog.h"

namespace trails::pg {

// A query of one stage whose columns and rows were checked.
struct StageQuery {
  const IntermediateQuery *query = nullptr;
  Pipeline pipeline;
  std::int32_t stage = 0;
  std::int32_t ancestor = 0;          // from whose rows it would be run again
  std::vector<std::int32_t> columns;  // asked for, ascending
  std::optional<RowChoice> rows;
  GroupPlan plan;                    // PlanStage fills it, and ancestor
  StageReadWork read;                // what a READ takes
  std::shared_ptr<StageRows> rerun;  // once it was run again; null before

  const StageInfo &info() const { return pipeline.stages[static_cast<std::size_t>(stage)]; }
};

// Bytes of the values of rows that are not stored, before compression: counted, or, of a stage that
// must be run first, expected.
std::int64_t StageBytes(const StageRows &rows) noexcept;
std::int64_t StageBytesExpected(const StageInfo &stage) noexcept;

// Opens the query's pipeline and checks columns and rows. Throws as PlanQuery. `query` must outlive
// the result.
StageQuery CheckStage(CatalogSession &catalog, const IntermediateQuery &query);

// Chooses. Throws as PlanQuery.
void PlanStage(CatalogSession &catalog, StageQuery *asked);

}  // namespace trails::pg
