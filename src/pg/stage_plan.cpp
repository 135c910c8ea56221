#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_plan.h"

#include <limits>
#include <numeric>
#include <utility>

#include "pg/fresh_snapshot.h"
#include "pg/lost_columns.h"
#include "pg/query_count.h"
#include "pg/settings.h"
#include "pg/stage_cost.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

constexpr double kImpossible = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kTextBytes = 12;  // of a value, until it is known

// Why values cannot be run again: they are where everything begins.
constexpr const char *kIsInput = "the rows that were logged are always stored";

[[noreturn]] void ThrowForced(const StageQuery &asked, const char *how, const char *why) {
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layer \"{}\" cannot be {}", asked.query->intermediate.layer, how),
              fmt::format("Of pipeline \"{}\": {}.", asked.pipeline.logged.name, why),
              "Leave the strategy to 'auto'.");
}

void Choose(const StageQuery &asked, GroupPlan *plan) {
  const Strategy wanted = asked.query->strategy;
  const bool is_input = asked.stage == 0;
  if (wanted == Strategy::kRerun && is_input) ThrowForced(asked, "run again", kIsInput);
  if (wanted == Strategy::kRead && !plan->stored) {
    ThrowForced(asked, "read from the store", "not stored");
  }
  if (wanted != Strategy::kAuto) {
    plan->strategy = wanted;
    plan->reason = "asked for";
  } else if (is_input) {
    plan->strategy = Strategy::kRead;
    plan->reason = kIsInput;
  } else if (!plan->stored) {
    plan->strategy = Strategy::kRerun;
    plan->reason = "not stored";
  } else if (plan->read_seconds <= plan->rerun_seconds) {
    plan->strategy = Strategy::kRead;
    plan->reason = "stored, reading is faster";
  } else {
    plan->strategy = Strategy::kRerun;
    plan->reason = "stored, running its queries is faster";
  }
}

// n_query, gamma, and whether to store the stage.
void Weigh(CatalogSession &catalog, const StageQuery &asked, double part_read, GroupPlan *plan) {
  const StageInfo &stage = asked.info();
  plan->counted = CountedQueries(catalog, {stage.intermediate_id, 0});
  if (asked.stage == 0) {
    plan->materialise_reason = kIsInput;
    return;
  }
  const std::int64_t expected = StageBytesExpected(stage);
  const double whole_read = StageReadSeconds(catalog, stage, WholeOfStage(stage));
  if (asked.query->strategy != Strategy::kRerun) {
    plan->counts = CountOf(plan->rerun_seconds, part_read, plan->rerun_seconds, whole_read);
  }
  plan->gamma = Gamma(
      plan->rerun_seconds, whole_read, plan->counted.queries + plan->counts,
      plan->stored ? SizeOfStage(catalog, stage).amortised_bytes : static_cast<double>(expected));
  if (plan->stored || asked.query->strategy != Strategy::kAuto) {
    plan->materialise_reason = plan->stored ? "stored already" : "only strategy auto stores";
    return;
  }
  // Running it again gives nothing of a lost column.
  if (HasLost(stage.columns)) {
    plan->materialise_reason = "the type of a column does not exist any more";
    return;
  }
  const KeepDecision keeping =
      DecideKeeping(catalog, *plan, plan->rerun_seconds >= whole_read, expected);
  plan->materialise = keeping.keeps;
  plan->materialise_reason = keeping.reason;
}

void CheckRows(const IntermediateQuery &query) {
  for (const std::int64_t row : query.rows) {
    if (row >= 0 && row < query.intermediate.rows) continue;
    throw Error(ErrorKind::kInternal, "a row of a stage is outside of it");
  }
}

std::vector<std::int32_t> Numbers(std::int32_t count) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

std::int64_t StageBytes(const StageRows &rows) noexcept {
  std::int64_t bytes = 0;
  for (const StageBlock &block : rows.blocks) {
    for (const std::string &elements : block.elements) {
      bytes += static_cast<std::int64_t>(elements.size());
    }
  }
  return bytes;
}

std::int64_t StageBytesExpected(const StageInfo &stage) noexcept {
  std::int64_t bytes = 0;
  for (const StageColumn &column : stage.columns) {
    bytes += column.bytes == 0 ? kTextBytes : column.bytes;
  }
  return bytes * stage.rows;
}

StageQuery CheckStage(CatalogSession &catalog, const IntermediateQuery &query) {
  StageQuery asked;
  asked.query = &query;
  asked.pipeline = OpenPipeline(catalog, query.logged);
  asked.stage = StageOf(asked.pipeline.stages, query.intermediate.intermediate_id);
  const auto all = static_cast<std::int32_t>(asked.info().columns.size());
  asked.columns = query.columns.empty() ? Numbers(all) : query.columns;
  for (const std::int32_t column : asked.columns) {
    if (column >= 0 && column < all) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("column {} of layer \"{}\" does not exist", column + 1,
                            query.intermediate.layer),
                fmt::format("It has {} columns, which count from 1.", all));
  }
  CheckRows(query);
  asked.rows.emplace(query.intermediate.rows, query.rows);
  return asked;
}

void PlanStage(CatalogSession &catalog, StageQuery *asked) {
  const StageInfo &stage = asked->info();
  const auto blocks = static_cast<std::int64_t>(asked->rows->blocks().size());
  GroupPlan plan;
  plan.group_columns = static_cast<std::int32_t>(stage.columns.size());
  plan.columns = static_cast<std::int32_t>(asked->columns.size());
  const std::vector<bool> stored = StoredStages(catalog, asked->pipeline.stages);
  plan.stored = stored[static_cast<std::size_t>(asked->stage)];
  if (plan.stored) plan.stored_bytes = SizeOfStage(catalog, stage).bytes;
  asked->read = {blocks, blocks * plan.columns};
  plan.read.slices = blocks * (1 + (stage.chunks() - 1) / kPartitionColumns);
  const double part_read = StageReadSeconds(catalog, stage, asked->read);
  plan.read_seconds = plan.stored ? part_read : kImpossible;
  plan.rerun_seconds = kImpossible;
  if (asked->stage > 0) {
    const StageStart start = CheapestStart(catalog, asked->pipeline.stages, stored, asked->stage);
    asked->ancestor = start.ancestor;
    plan.rerun_seconds = start.seconds;
    plan.rerun.blocks = RowChoice(stage.rows, {}).all_blocks();
  }
  Choose(*asked, &plan);
  Weigh(catalog, *asked, part_read, &plan);
  asked->plan = std::move(plan);
}

}  // namespace trails::pg
