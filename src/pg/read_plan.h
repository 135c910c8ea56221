// READ or RERUN: what either is expected to take for each column group of a query, and whether the
// group has earned a place in the store.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/intermediates/row_choice.h"
#include "core/intermediates/statistics_bytes.h"
#include "pg/intermediate_reader.h"

namespace trails::pg {

// A query whose columns and rows were checked.
struct CheckedQuery {
  CheckedQuery(const IntermediateQuery &asked, std::shared_ptr<const Model> opened);

  const IntermediateQuery &query;
  std::shared_ptr<const Model> model;  // null: a foreign layer
  std::size_t layer = 0;               // into LayersOf(*model)
  double flops_per_row = 0;
  std::int64_t input_columns = 0;     // values of a logged row
  std::int32_t all_columns = 0;       // of the stored shape
  std::vector<std::int32_t> columns;  // asked for, ascending
  RowChoice rows;
  std::vector<GroupPlan> groups;  // ascending; PlanGroups fills them

  std::vector<std::int32_t> ColumnsOf(const GroupPlan &group) const;  // asked for, in the group
  // The scheme changes values.
  bool is_lossy() const noexcept {
    return query.intermediate.scheme.kind != SchemeKind::kF32 &&
           query.intermediate.scheme.kind != SchemeKind::kStats;
  }
  // What is rerun goes through the scheme.
  bool is_quantised() const noexcept { return query.precision == Precision::kStored && is_lossy(); }
};

// Opens the query's model and checks columns and rows. Runs as the caller, outside WithCatalog.
// Throws as PlanQuery. `query` must outlive the result.
CheckedQuery CheckQuery(const IntermediateQuery &query);

// Fills the groups. Throws as PlanQuery.
void PlanGroups(CatalogSession &catalog, CheckedQuery *query);

// What a RERUN takes by the wall clock: passes and schemes are shared out to threads.
double RerunSeconds(const CostRates &rates, const RerunWork &work);

// Whether asking for a group that is not stored stores it, and why, or why not.
struct KeepDecision {
  bool keeps = false;
  const char *reason = "";
};
// plan: with its gamma. saves: a whole READ takes less than a RERUN. bytes: that it would take,
// with what the query stores before. Throws and costs as HasRoom.
KeepDecision DecideKeeping(CatalogSession &catalog, const GroupPlan &plan, bool saves,
                           std::int64_t bytes);

// All rows of a group: what READ and RERUN take.
struct WholeGroup {
  double read_seconds = 0;
  double rerun_seconds = 0;
};
// columns, bytes: of the group. scheme: of its layer. input_columns: values of a logged row.
WholeGroup CostOfWhole(const CostRates &rates, const GroupCost &cost, std::int32_t columns,
                       std::int64_t bytes, SchemeKind scheme, std::int64_t input_columns);

// Bytes of a group's codes before compression, and of their directories: what it is taken to need
// until it is stored.
std::int64_t CodeBytes(const Scheme &scheme, std::int64_t rows, std::int32_t columns) noexcept;

}  // namespace trails::pg
