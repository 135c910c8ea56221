// The ChunkReader: gives the values of a layer, by READ from the store or by RERUN of the model,
// whichever is expected to take less time; keeps count; and materialises what has earned its place.
//
// Everything here runs in the role that calls it, and reads the extension's tables as their owner.
// It sees what other sessions have committed since the query began: they add and take away stored
// values, which changes no answer.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/intermediates/column_block.h"
#include "core/intermediates/column_statistics.h"
#include "core/intermediates/quantiser.h"
#include "core/intermediates/read_or_rerun.h"
#include "pg/intermediate_catalog.h"
#include "pg/query_count.h"

namespace trails::pg {

enum class Precision : std::uint8_t {
  kStored,  // through the intermediate's scheme, read or rerun; as computed with kStats
  kExact,   // as computed: read from f32, else rerun
};

// What is asked of one layer.
struct IntermediateQuery {
  LoggedRow logged;
  IntermediateRow intermediate;
  std::vector<std::int32_t>
      columns;  // positions from 0, ascending, of the stored shape; all of them where empty
  std::vector<std::int64_t>
      rows;  // positions from 0, ascending, each once; all of them where empty
  Precision precision = Precision::kStored;
  Strategy strategy = Strategy::kAuto;
};

// The choice for one column group, and why.
struct GroupPlan {
  std::int32_t first_column = 0;
  std::int32_t group_columns = 0;  // of the group
  std::int32_t columns = 0;        // of the query, in this group
  Strategy strategy = Strategy::kRerun;
  std::string reason;  // not stored; stored, reading is faster; asked for; ...
  bool stored = false;
  std::int64_t stored_bytes = 0;
  double read_seconds = 0;   // expected, of this query; NaN where it is not possible
  double rerun_seconds = 0;  // of a run for this group alone
  ReadWork read;
  RerunWork rerun;
  QueryCount counted;  // n_query of the group, before this query
  double counts = 0;   // what this query adds to it
  double gamma = 0;    // seconds a GB, this query counted
  bool materialise = false;
  std::string materialise_reason;
};

// Throws Error(kInvalidArgument) for columns or rows outside, and of a pipeline's stage for columns
// that are no numbers, with a HINT.
void RequireColumns(const IntermediateQuery &query);

// Plans without reading a value. Throws Error(kInvalidArgument) for columns or rows outside, for
// READ of what is not stored, or of a lossy scheme with precision exact, with a HINT.
std::vector<GroupPlan> PlanQuery(const IntermediateQuery &query);

// Gives the values block by block, rows ascending; `sink` gets all of the query's columns in their
// order. Row ids count from 1. Counts the query, unless it forces RERUN, and materialises groups
// whose gamma reaches trails.gamma_min (all that are asked for where that is 0), where MayKeep and
// neither strategy nor precision forbid it. A RERUN of many blocks runs on trails.threads masked
// threads. Memory: some 64 MB of values. `sink` runs as the owner of the extension's tables, and
// must not use SPI. What is stored when it is planned and gone when it is read, or has lost a
// block, is run again. Throws as PlanQuery; Error(kCorruptData) with the block's name;
// Error(kUndefinedObject) for what another session drops meanwhile; PgError, also on cancel, within
// some 10 ms of work.
void ReadIntermediate(const IntermediateQuery &query,
                      const std::function<void(const ColumnBlock &)> &sink);

// The same of several layers side by side: a block has the columns of all queries, one query after
// the other. Layers of one model at one epoch are run together. All queries are of the same rows:
// else Error(kInternal).
void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                    const std::function<void(const ColumnBlock &)> &sink);

// Statistics and quantisers of the layer's stored columns, from the cache; else by one pass over
// all rows, which is kept for the session, and in the database where MayKeep.
struct LayerStatistics {
  std::vector<ColumnStatistics> columns;
  std::vector<Quantiser> quantisers;  // none for kStats
};
std::shared_ptr<const LayerStatistics> ReadStatistics(const LoggedRow &logged,
                                                      const IntermediateRow &intermediate);

// Makes the statistics of several layers that have none yet, in one pass an epoch.
void MakeStatistics(const LoggedRow &logged, const std::vector<IntermediateRow> &layers);

// Makes statistics of several layers in one pass an epoch, those that are corrupt anew, and stores
// the layers too where gamma_min is 0 or `store`, in a second one. Layers that have them already
// take no time. A NOTICE names the layers for which trails.intermediate_max_bytes has no room.
void MaterialiseLayers(const LoggedRow &logged, const std::vector<IntermediateRow> &layers,
                       bool store);

}  // namespace trails::pg
