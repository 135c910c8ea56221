// What reading stages of pipelines and running their queries is expected to take on this server:
// learned by this session, shared through trails.stage_rate.
//
// READ is from opening the store to the chunks in memory; RERUN is that of a stage before, the
// queries after it, and their rows in chunks. Neither has what both do afterwards.
//
// The first READ and the first RERUN of a stage in a session teach nothing: they meet cold caches.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/intermediates/stage_rates.h"
#include "pg/pipeline_catalog.h"
#include "pg/read_plan.h"

namespace trails::pg {

// All columns of all blocks.
StageReadWork WholeOfStage(const StageInfo &stage);

// Seconds that a READ takes. Of a stage that was never read: what stages take in general.
double StageReadSeconds(CatalogSession &catalog, const StageInfo &stage, const StageReadWork &work);

// The stage from which another is run again, the source or one that is stored: that from which it
// is expected to take least. Seconds: reading it, and the queries after it.
struct StageStart {
  std::int32_t ancestor = 0;
  double seconds = 0;
};
StageStart CheapestStart(CatalogSession &catalog, const std::vector<StageInfo> &stages,
                         const std::vector<bool> &stored, std::int32_t stage);

// What was measured, for later estimates.
void LearnStageRead(CatalogSession &catalog, const StageInfo &stage, const StageReadWork &work,
                    double seconds);
// `seconds` without reading the ancestor.
void LearnStageRerun(CatalogSession &catalog, const std::vector<StageInfo> &stages,
                     std::int32_t ancestor, std::int32_t stage, double seconds);

// Writes the rates that have changed by more than a tenth since they were read or written, where
// the transaction may and no other one is writing them. Throws PgError.
void KeepStageRates(CatalogSession &catalog);

// All rows of each stage of the pipeline that has the intermediate: what READ takes, and RERUN from
// the cheapest start; by intermediate, but the source's. Throws PgError; Error(kCorruptData).
std::map<std::int64_t, WholeGroup> CostsOfStages(CatalogSession &catalog,
                                                 std::int64_t intermediate);

}  // namespace trails::pg
