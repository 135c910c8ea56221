// What is known of a logged pipeline, trails.pipeline_stage, and the rows of its stages that are
// stored.
//
// A stage is an intermediate whose scheme is called 'exact': two chunks a column (stage_columns.h),
// those of the source on the durable shelf, those of the other stages in the cache. One column
// group more, after all others and always on the durable shelf, has the row ids: one column of 8
// bytes.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pg/catalog_session.h"
#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"
#include "pg/stage_columns.h"
#include "pg/stage_run.h"

namespace trails::pg {

struct StageInfo {
  std::int32_t number = 0;
  std::int64_t intermediate_id = 0;
  std::int64_t rows = 0;
  std::string query;  // of stage 0 the name of the source
  std::vector<StageColumn> columns;
  double seconds = 0;  // that its query took when it was logged, or reading the source

  Shelf shelf() const noexcept { return number == 0 ? Shelf::kDurable : Shelf::kCache; }
  // Chunks of the columns.
  std::int32_t chunks() const noexcept { return 2 * static_cast<std::int32_t>(columns.size()); }
};

struct Pipeline {
  LoggedRow logged;
  StageSettings settings;
  std::vector<StageInfo> stages;  // by their numbers, from 0
};

// Reads it. `logged`: as FindLogged gave it, kPipeline. Throws Error(kCorruptData);
// Error(kUndefinedObject) where it was dropped meanwhile; PgError.
Pipeline OpenPipeline(CatalogSession &catalog, const LoggedRow &logged);

// The stages of the pipeline that has the intermediate, by their numbers; of their columns the
// names and types as they were, not looked up. None where it was dropped. Throws
// Error(kCorruptData), PgError.
std::vector<StageInfo> ListStagesOf(CatalogSession &catalog, std::int64_t intermediate);

// The number of the stage that the intermediate is. Throws Error(kInternal) for another's.
std::int32_t StageOf(const std::vector<StageInfo> &stages, std::int64_t intermediate);

// The layer's name of a stage: 'input', 'stage1', ...
std::string StageLayer(std::int32_t stage);

// Columns as named, or those of a call that names none: all of them where `stage` has numbers only.
// Throws Error(kInvalidArgument) for one that is no number, with a HINT to use pipeline_rows;
// Error(kUndefinedObject) for one that is lost.
void RequireNumbers(const Pipeline &pipeline, std::int32_t stage,
                    std::span<const std::int32_t> columns);

// True where all column groups are on the stage's shelf. Cost: some 20 us.
bool IsStored(CatalogSession &catalog, const StageInfo &stage);

// Which stages are stored, that of the source always. [stages] Cost: some 40 us.
std::vector<bool> StoredStages(CatalogSession &catalog, const std::vector<StageInfo> &stages);

// The column group of the row ids of a stage.
ColumnGroup StageRowIdGroup(const IntermediateRow &stage);

// Bytes of the values on the shelf, see StoredGroup: looked up once a session and stage that is
// stored, since what they are shared with changes slowly.
struct StageSize {
  std::int64_t bytes = 0;
  double amortised_bytes = 0;
  std::int64_t groups = 0;
};
StageSize SizeOfStage(CatalogSession &catalog, const StageInfo &stage);

// Writes the row ids, which are not there yet; or the values: for the cache nothing happens where
// groups are there already, or garbage is collected. Returns whether they were written.
void PutRowIds(CatalogSession &catalog, const StageInfo &stage, const StageRows &rows);
bool PutStageValues(const StageInfo &stage, const StageRows &rows, GroupWriter *writer);

// All row ids, ascending. Kept for the session, those of the last stages asked for. Throws
// Error(kCorruptData). Memory: 8 bytes a row. Cost: 10 us a block, the first time (an estimate).
std::shared_ptr<const std::vector<std::int64_t>> ReadRowIds(CatalogSession &catalog,
                                                            const IntermediateRow &stage);
std::shared_ptr<const std::vector<std::int64_t>> ReadRowIds(CatalogSession &catalog,
                                                            const StageInfo &stage);

// Stored values of some columns and blocks, both ascending; columns that were not asked for have
// empty chunks. Throws Error(kCorruptData) with the block's name; PgError.
class StageReader {
 public:
  StageReader(CatalogSession &catalog, const StageInfo &stage, std::vector<std::int32_t> columns,
              std::vector<std::int32_t> blocks);

  // As GroupReader, of all of them together.
  bool is_whole() const noexcept;

  // Fills elements of blocks[index], whose row_ids are there, and checks them.
  void Read(std::size_t index, StageBlock *block);

 private:
  struct Group {
    GroupReader reader;
    std::int32_t first = 0;             // chunk
    std::vector<std::int32_t> columns;  // of chunks, within the group
  };

  const StageInfo &stage_;
  std::vector<std::int32_t> columns_;
  std::vector<std::int32_t> blocks_;
  std::vector<Group> groups_;
};

// All stored rows, some columns of them, ascending; the others have empty chunks. Nothing where the
// cache does not have all of them (any more). Throws Error(kCorruptData).
std::optional<StageRows> ReadStoredStage(CatalogSession &catalog, const StageInfo &stage,
                                         const std::vector<std::int32_t> &columns);

}  // namespace trails::pg
