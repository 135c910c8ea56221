#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/read_plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "pg/cost_rates.h"
#include "pg/fresh_snapshot.h"
#include "pg/layer_rerun.h"
#include "pg/partition_store.h"
#include "pg/query_count.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

constexpr double kImpossible = std::numeric_limits<double>::quiet_NaN();

std::vector<std::int32_t> ColumnsOrAll(const IntermediateQuery &query, std::int32_t all) {
  if (query.columns.empty()) {
    std::vector<std::int32_t> columns(static_cast<std::size_t>(all));
    std::iota(columns.begin(), columns.end(), 0);
    return columns;
  }
  for (const std::int32_t column : query.columns) {
    if (column >= 0 && column < all) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("column {} of layer \"{}\" does not exist", column + 1,
                            query.intermediate.layer),
                fmt::format("It has {} columns, which count from 1.", all));
  }
  return query.columns;
}

const std::vector<std::int64_t> &RowsInside(const IntermediateQuery &query) {
  for (const std::int64_t row : query.rows) {
    if (row >= 0 && row < query.intermediate.rows) continue;
    throw Error(ErrorKind::kInvalidArgument, fmt::format("row {} was not logged", row + 1),
                fmt::format("{} rows were, which count from 1.", query.intermediate.rows),
                "trails.logged_rows tells which rows they are.");
  }
  return query.rows;
}

// Stored payloads that stand closer together than this are fetched in one slice: see
// partition_fetch.cpp.
constexpr double kWorthSkipping = 16'384;

// What is fetched of one block: slices, of which the directory is one, and payloads, those between
// that are fetched along counted too.
struct Fetched {
  std::int64_t slices = 1;
  std::int64_t columns = 0;
};

Fetched FetchedOf(std::span<const std::int32_t> columns, std::int32_t group_columns,
                  double column_bytes) {
  if (2 * static_cast<std::int32_t>(columns.size()) >= group_columns ||
      column_bytes * group_columns <= kWorthSkipping) {
    return {1, group_columns};
  }
  Fetched fetched{2, 1};
  for (std::size_t i = 1; i < columns.size(); ++i) {
    const std::int32_t step = columns[i] - columns[i - 1];
    const bool is_near = (step - 1) * column_bytes <= kWorthSkipping;
    fetched.slices += is_near ? 0 : 1;
    fetched.columns += is_near ? step : 1;
  }
  return fetched;
}

ReadWork WorkOfRead(const CheckedQuery &query, const GroupPlan &group, std::int64_t bytes) {
  const auto blocks = static_cast<std::int64_t>(query.rows.blocks().size());
  std::int64_t block_rows = 0;
  for (std::size_t i = 0; i < query.rows.blocks().size(); ++i) {
    block_rows += query.rows.block_rows(i);
  }
  const double column_bytes =
      static_cast<double>(bytes) / std::max(query.rows.all_blocks(), 1) / group.group_columns;
  const Fetched fetched = FetchedOf(query.ColumnsOf(group), group.group_columns, column_bytes);
  ReadWork work;
  work.slices = blocks * fetched.slices;
  work.bytes =
      static_cast<std::int64_t>(static_cast<double>(blocks * fetched.columns) * column_bytes);
  work.values = block_rows * group.columns;
  return work;
}

RerunWork WorkOfRerun(const CheckedQuery &query, const GroupPlan &group) {
  RerunWork work;
  work.blocks = static_cast<std::int64_t>(query.rows.blocks().size());
  work.flops = query.flops_per_row * static_cast<double>(query.rows.rows());
  work.values = query.rows.rows() * group.columns;
  return work;
}

// The groups that are stored, with sizes that were looked up once a session, group and number of
// rows: they take longer than a point query, and what they are shared with changes slowly.
std::vector<StoredGroup> KnownGroups(CatalogSession &catalog, const IntermediateRow &row) {
  struct Known {
    std::int64_t rows = 0;
    StoredGroup group;
  };
  static auto *const known = new std::map<std::pair<Oid, GroupKey>, Known>;
  const Oid table = CatalogTable("cached_block");
  const std::int64_t intermediate = row.intermediate_id;
  std::vector<StoredGroup> groups;
  bool is_complete = true;
  for (const std::int32_t first : StoredFirstColumns(catalog, row.shelf(), intermediate)) {
    const auto found = known->find({table, {intermediate, first}});
    is_complete = is_complete && found != known->end() && found->second.rows == row.rows;
    if (is_complete) groups.push_back(found->second.group);
  }
  if (is_complete) return groups;
  groups = StoredGroups(catalog, row.shelf(), intermediate);
  for (const StoredGroup &group : groups) {
    (*known)[{table, {intermediate, group.first_column}}] = {row.rows, group};
  }
  return groups;
}

// Why a group's values cannot be read, and what can be asked instead: of a model that can be run,
// and of a foreign one.
struct Obstacle {
  const char *reason;
  const char *hint;
  const char *foreign_hint;
};

// Null where they can be read.
const Obstacle *WhyNotRead(const CheckedQuery &query, const GroupPlan &group) {
  static constexpr Obstacle kStatisticsOnly{
      "its scheme keeps statistics only",
      "Leave the strategy to 'auto' or make it 'rerun'; or log the layer again with a scheme that "
      "keeps values, such as 'f32'.",
      "Ask for trails.column_statistics, or for trails.topk with a k of at most 100."};
  static constexpr Obstacle kNotExact{
      "exact values are not kept by its scheme",
      "Leave the strategy to 'auto' or make it 'rerun'; ask with exact => false; or log the layer "
      "again with scheme 'f32'.",
      "Of a foreign model there are the values as their scheme keeps them, with exact => false, "
      "and "
      "the 100 largest of each column, by trails.topk."};
  static constexpr Obstacle kNotStored{
      "not stored",
      "Leave the strategy to 'auto', or log the layer with trails.gamma_min at 0, which stores it.",
      "Of a foreign model there are the values that were logged, as their scheme keeps them."};
  if (query.query.intermediate.scheme.kind == SchemeKind::kStats) return &kStatisticsOnly;
  if (query.query.precision == Precision::kExact && query.is_lossy()) return &kNotExact;
  return group.stored ? nullptr : &kNotStored;
}

[[noreturn]] void ThrowNotRead(const CheckedQuery &query, const GroupPlan &group,
                               const Obstacle &obstacle) {
  const IntermediateRow &layer = query.query.intermediate;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layer \"{}\" cannot be read from the store", layer.layer),
              fmt::format("Columns {} to {}: {}.", group.first_column + 1,
                          group.first_column + group.group_columns, obstacle.reason),
              layer.is_foreign ? obstacle.foreign_hint : obstacle.hint);
}

// There is nothing to choose: what is not on the durable shelf is nowhere.
void ChooseForeign(const CheckedQuery &query, GroupPlan *group) {
  group->rerun_seconds = kImpossible;
  group->gamma = kImpossible;
  if (const Obstacle *const obstacle = WhyNotRead(query, *group)) {
    ThrowNotRead(query, *group, *obstacle);
  }
  if (query.query.strategy == Strategy::kRerun) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("layer \"{}\" cannot be computed again", query.query.intermediate.layer),
        fmt::format("It is of a foreign model, \"{}\".", query.query.logged.name),
        "Of a foreign model there are the values that were logged, as their scheme keeps "
        "them.");
  }
  group->strategy = Strategy::kRead;
  group->reason =
      query.query.strategy == Strategy::kRead ? "asked for" : "a foreign model cannot be run again";
}

void Choose(const CheckedQuery &query, GroupPlan *group) {
  const Obstacle *const obstacle = WhyNotRead(query, *group);
  if (obstacle != nullptr) group->read_seconds = kImpossible;
  if (query.query.strategy == Strategy::kRead) {
    if (obstacle != nullptr) ThrowNotRead(query, *group, *obstacle);
    group->strategy = Strategy::kRead;
    group->reason = "asked for";
  } else if (query.query.strategy == Strategy::kRerun) {
    group->strategy = Strategy::kRerun;
    group->reason = "asked for";
  } else if (obstacle != nullptr) {
    group->strategy = Strategy::kRerun;
    group->reason = obstacle->reason;
  } else if (group->read_seconds <= group->rerun_seconds) {
    group->strategy = Strategy::kRead;
    group->reason = "stored, reading is faster";
  } else {
    group->strategy = Strategy::kRerun;
    group->reason = "stored, running the model is faster";
  }
}

// n_query, gamma, and whether to store the group.
void Weigh(CatalogSession &catalog, const CheckedQuery &query, const StoredGroup *stored,
           double part_read, GroupPlan *group) {
  const IntermediateRow &intermediate = query.query.intermediate;
  const GroupKey key{intermediate.intermediate_id, group->first_column};
  group->queries = CountedQueries(catalog, key);
  if (intermediate.scheme.kind == SchemeKind::kStats) return;
  const std::int64_t code_bytes =
      CodeBytes(intermediate.scheme, intermediate.rows, group->group_columns);
  const std::int64_t bytes = stored == nullptr ? code_bytes : stored->bytes;
  const WholeGroup whole = CostOfWhole(
      CurrentRates(catalog), {intermediate.rows, query.flops_per_row}, group->group_columns, bytes);
  const bool may_use_store = query.query.strategy != Strategy::kRerun &&
                             (query.query.precision == Precision::kStored || !query.is_lossy());
  if (may_use_store) {
    group->counts =
        CountOf(group->rerun_seconds, part_read, whole.rerun_seconds, whole.read_seconds);
  }
  group->gamma =
      Gamma(whole.rerun_seconds, whole.read_seconds, group->queries + group->counts,
            stored == nullptr ? static_cast<double>(code_bytes) : stored->amortised_bytes);
  const bool is_worth_it =
      GammaMin() == 0 || (whole.rerun_seconds >= whole.read_seconds && group->gamma >= GammaMin());
  group->materialise = stored == nullptr && query.query.strategy == Strategy::kAuto &&
                       may_use_store && is_worth_it && MayKeep();
}

// The model is run anyway where one group needs it; then another one costs but its values.
void ShareRerun(const CostRates &rates, CheckedQuery *query) {
  if (query->query.strategy != Strategy::kAuto) return;
  const bool is_run = std::ranges::any_of(query->groups, [](const GroupPlan &group) {
    return group.strategy == Strategy::kRerun && !group.materialise;
  });
  if (!is_run) return;
  for (GroupPlan &group : query->groups) {
    if (group.strategy != Strategy::kRead) continue;
    RerunWork more;
    more.values = group.rerun.values;
    if (rates.Seconds(more) >= group.read_seconds) continue;
    group.strategy = Strategy::kRerun;
    group.reason = "stored, but the model is run for other columns";
  }
}

}  // namespace

CheckedQuery::CheckedQuery(const IntermediateQuery &asked, std::shared_ptr<const Model> opened)
    : query(asked),
      model(std::move(opened)),
      all_columns(StoredShape(asked.intermediate.scheme, asked.intermediate.shape).columns()),
      columns(ColumnsOrAll(asked, all_columns)),
      rows(asked.intermediate.rows, RowsInside(asked)) {
  if (model == nullptr) return;
  const std::vector<Layer> layers = LayersOf(*model);
  layer = FindLayer(layers, asked.intermediate.layer);
  flops_per_row = layers[layer].flops_per_row;
}

std::vector<std::int32_t> CheckedQuery::ColumnsOf(const GroupPlan &group) const {
  const auto first = std::ranges::lower_bound(columns, group.first_column);
  const auto end = std::ranges::lower_bound(columns, group.first_column + group.group_columns);
  return {first, end};
}

CheckedQuery CheckQuery(const IntermediateQuery &query) {
  if (query.intermediate.is_foreign) return {query, nullptr};
  return {query, OpenSnapshot(query.logged, query.intermediate.epoch)};
}

std::int64_t CodeBytes(const Scheme &scheme, std::int64_t rows, std::int32_t columns) noexcept {
  const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  return (rows * BitsOf(scheme) + 7) / 8 * columns +
         blocks * static_cast<std::int64_t>(PartitionDirectory::BytesFor(columns));
}

double RerunSeconds(const CostRates &rates, const RerunWork &work) {
  RerunWork by_the_clock = work;
  const std::int32_t threads = LayerRerun::ThreadsFor(work.flops);
  by_the_clock.flops /= threads;
  by_the_clock.values /= threads;
  return rates.Seconds(by_the_clock);
}

WholeGroup CostOfWhole(const CostRates &rates, const GroupCost &cost, std::int32_t columns,
                       std::int64_t bytes) {
  const std::int64_t blocks = (cost.rows + kBlockRows - 1) / kBlockRows;
  ReadWork read;
  read.slices = blocks;
  read.bytes = bytes;
  read.values = cost.rows * columns;
  RerunWork rerun;
  rerun.blocks = blocks;
  rerun.flops = cost.flops_per_row * static_cast<double>(cost.rows);
  rerun.values = cost.rows * columns;
  return {rates.Seconds(read), RerunSeconds(rates, rerun)};
}

void PlanGroups(CatalogSession &catalog, CheckedQuery *query) {
  const IntermediateRow &intermediate = query->query.intermediate;
  const CostRates &rates = CurrentRates(catalog);
  const std::vector<StoredGroup> stored = KnownGroups(catalog, intermediate);
  query->groups.clear();
  for (auto column = query->columns.begin(); column != query->columns.end();) {
    GroupPlan group;
    group.first_column = *column / kPartitionColumns * kPartitionColumns;
    group.group_columns = std::min(kPartitionColumns, query->all_columns - group.first_column);
    const auto end =
        std::lower_bound(column, query->columns.end(), group.first_column + group.group_columns);
    group.columns = static_cast<std::int32_t>(end - column);
    column = end;
    const auto found = std::ranges::find(stored, group.first_column, &StoredGroup::first_column);
    group.stored = found != stored.end();
    if (group.stored) group.stored_bytes = found->bytes;
    const std::int64_t bytes =
        group.stored ? found->bytes
                     : CodeBytes(intermediate.scheme, intermediate.rows, group.group_columns);
    group.read = WorkOfRead(*query, group, bytes);
    group.rerun = WorkOfRerun(*query, group);
    const double part_read = rates.Seconds(group.read);
    group.read_seconds = part_read;
    group.rerun_seconds = RerunSeconds(rates, group.rerun);
    if (intermediate.is_foreign) {
      if (!group.stored) RequireIntermediate(catalog, intermediate.intermediate_id);
      ChooseForeign(*query, &group);
    } else {
      Choose(*query, &group);
      Weigh(catalog, *query, group.stored ? &*found : nullptr, part_read, &group);
    }
    query->groups.push_back(std::move(group));
  }
  ShareRerun(rates, query);
}

}  // namespace trails::pg
