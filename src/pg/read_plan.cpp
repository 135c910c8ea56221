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
#include "pg/storage_bound.h"

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

// Rows of the blocks that the query touches.
std::int64_t TouchedRows(const CheckedQuery &query) {
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < query.rows.blocks().size(); ++i) rows += query.rows.block_rows(i);
  return rows;
}

// What stored values are codes of; a scheme that keeps none is never read.
SchemeKind StoredKind(SchemeKind kind) {
  return kind == SchemeKind::kStats ? SchemeKind::kF32 : kind;
}

ReadWork WorkOfRead(const CheckedQuery &query, const GroupPlan &group, std::int64_t bytes) {
  const auto blocks = static_cast<std::int64_t>(query.rows.blocks().size());
  const double column_bytes =
      static_cast<double>(bytes) / std::max(query.rows.all_blocks(), 1) / group.group_columns;
  const Fetched fetched = FetchedOf(query.ColumnsOf(group), group.group_columns, column_bytes);
  ReadWork work;
  work.queries = 1;
  work.slices = blocks * fetched.slices;
  work.bytes =
      static_cast<std::int64_t>(static_cast<double>(blocks * fetched.columns) * column_bytes);
  work.values = TouchedRows(query) * group.columns;
  work.scheme = StoredKind(query.query.intermediate.scheme.kind);
  return work;
}

RerunWork WorkOfRerun(const CheckedQuery &query, const GroupPlan &group) {
  RerunWork work;
  work.queries = 1;
  work.blocks = static_cast<std::int64_t>(query.rows.blocks().size());
  work.inputs = TouchedRows(query) * query.input_columns;
  work.flops = query.flops_per_row * static_cast<double>(query.rows.rows());
  work.values = query.rows.rows() * group.columns;
  if (query.is_quantised()) {
    work.quantised[static_cast<std::size_t>(StoredKind(query.query.intermediate.scheme.kind))] =
        work.values;
  }
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
  const char *foreign_hint;  // null where a foreign one can only be so because it was damaged
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
      nullptr};
  if (query.query.intermediate.scheme.kind == SchemeKind::kStats) return &kStatisticsOnly;
  if (query.query.precision == Precision::kExact && query.is_lossy()) return &kNotExact;
  return group.stored ? nullptr : &kNotStored;
}

[[noreturn]] void ThrowNotRead(const CheckedQuery &query, const GroupPlan &group,
                               const Obstacle &obstacle) {
  const IntermediateRow &layer = query.query.intermediate;
  if (layer.is_foreign && obstacle.foreign_hint == nullptr) {
    throw Error(
        ErrorKind::kCorruptData, fmt::format("values of layer \"{}\" are missing", layer.layer),
        fmt::format("Intermediate {} is of a foreign model, of which columns {} to {} cannot "
                    "be made again.",
                    layer.intermediate_id, group.first_column + 1,
                    group.first_column + group.group_columns));
  }
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
  group->materialise_reason = "all of a foreign model is stored";
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

void ChooseForced(const CheckedQuery &query, GroupPlan *group) {
  const Obstacle *const obstacle = WhyNotRead(query, *group);
  if (query.query.strategy == Strategy::kRead && obstacle != nullptr) {
    ThrowNotRead(query, *group, *obstacle);
  }
  group->strategy = query.query.strategy;
  group->reason = "asked for";
}

// Groups that could be read, with what their values add to a run of the model.
struct Readable {
  GroupPlan *group;
  double more = 0;
};

double Milder(const Readable &one) {
  return std::min(one.more, one.group->read_seconds);
}

// The model is run once for all groups, each of which then costs but its values.
void ChooseTogether(const CostRates &rates, CheckedQuery *query) {
  RerunWork all;
  std::vector<Readable> readable;
  bool is_run = false;
  for (GroupPlan &group : query->groups) {
    const Obstacle *const obstacle = WhyNotRead(*query, group);
    if (all.queries == 0) all = group.rerun;
    if (obstacle == nullptr) {
      readable.push_back({&group});
      continue;
    }
    group.strategy = Strategy::kRerun;
    group.reason = obstacle->reason;
    // What is stored first is planned anew.
    is_run = is_run || !group.materialise;
  }
  RerunWork values;
  for (const GroupPlan &group : query->groups) {
    values.values += group.rerun.values;
    for (std::size_t i = 0; i < kValueSchemes; ++i) values.quantised[i] += group.rerun.quantised[i];
  }
  all.values = values.values;
  all.quantised = values.quantised;
  const std::int32_t threads = LayerRerun::ThreadsFor(LayerRerun::BatchOperations(all));
  double with_run = rates.Seconds(all, threads) - rates.Seconds(values, threads);
  double without = 0;
  for (Readable &one : readable) {
    RerunWork more;
    more.values = one.group->rerun.values;
    more.quantised = one.group->rerun.quantised;
    one.more = rates.Seconds(more, threads);
    with_run += Milder(one);
    without += one.group->read_seconds;
  }
  for (const Readable &one : readable) {
    GroupPlan &group = *one.group;
    const bool reads = is_run || with_run < without ? group.read_seconds <= one.more : true;
    group.strategy = reads ? Strategy::kRead : Strategy::kRerun;
    group.reason = reads ? "stored, reading is faster"
                   : group.rerun_seconds < group.read_seconds
                       ? "stored, running the model is faster"
                       : "stored, but the model is run for other columns";
  }
}

// What keeps a query from storing anything, however often it is asked; or null.
const char *WhyNotKept(const CheckedQuery &query) {
  const SchemeKind kind = query.query.intermediate.scheme.kind;
  if (kind == SchemeKind::kStats) return "its scheme keeps statistics only";
  if (query.query.strategy != Strategy::kAuto) return "only strategy auto stores";
  if (query.query.precision == Precision::kExact && query.is_lossy()) {
    return "exact values are not kept by its scheme";
  }
  return nullptr;
}

// n_query, gamma, and whether to store the group. stored: null where it is not. planned_bytes: of
// groups of the query that are to be stored before it.
void Weigh(CatalogSession &catalog, const CheckedQuery &query, const StoredGroup *stored,
           std::int64_t planned_bytes, GroupPlan *group) {
  const CostRates &rates = CurrentRates(catalog);
  const IntermediateRow &intermediate = query.query.intermediate;
  const GroupKey key{intermediate.intermediate_id, group->first_column};
  group->counted = CountedQueries(catalog, key);
  const char *const obstacle = WhyNotKept(query);
  group->materialise_reason = stored != nullptr     ? "stored already"
                              : obstacle != nullptr ? obstacle
                                                    : "";
  if (intermediate.scheme.kind == SchemeKind::kStats) return;
  const std::int64_t code_bytes =
      CodeBytes(intermediate.scheme, intermediate.rows, group->group_columns);
  const std::int64_t bytes = stored == nullptr ? code_bytes : stored->bytes;
  const WholeGroup whole =
      CostOfWhole(rates, {intermediate.rows, query.flops_per_row}, group->group_columns, bytes,
                  StoredKind(query.query.intermediate.scheme.kind), query.input_columns);
  const bool may_use_store = query.query.strategy != Strategy::kRerun &&
                             (query.query.precision == Precision::kStored || !query.is_lossy());
  if (may_use_store) {
    group->counts = CountOf(group->rerun_seconds, rates.Seconds(group->read), whole.rerun_seconds,
                            whole.read_seconds);
  }
  group->gamma =
      Gamma(whole.rerun_seconds, whole.read_seconds, group->counted.queries + group->counts,
            stored == nullptr ? static_cast<double>(code_bytes) : stored->amortised_bytes);
  if (stored != nullptr || obstacle != nullptr) return;
  const KeepDecision keeping = DecideKeeping(
      catalog, *group, whole.rerun_seconds >= whole.read_seconds, planned_bytes + code_bytes);
  group->materialise = keeping.keeps;
  group->materialise_reason = keeping.reason;
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
  input_columns = InputColumns(*model);
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
  return rates.Seconds(work, LayerRerun::ThreadsFor(LayerRerun::BatchOperations(work)));
}

KeepDecision DecideKeeping(CatalogSession &catalog, const GroupPlan &plan, bool saves,
                           std::int64_t bytes) {
  const bool is_asked_for = GammaMin() == 0;
  if (!is_asked_for && !saves) return {false, "reading it would save nothing"};
  if (!is_asked_for && plan.gamma < GammaMin()) return {false, "gamma is below trails.gamma_min"};
  if (!MayWrite()) return {false, "the transaction only reads"};
  if (!MayKeep()) return {false, "the isolation level is not read committed"};
  if (!HasRoom(catalog, plan.gamma, bytes)) {
    return {false, "trails.intermediate_max_bytes leaves no room"};
  }
  return {true, is_asked_for ? "trails.gamma_min is 0" : "gamma is at least trails.gamma_min"};
}

WholeGroup CostOfWhole(const CostRates &rates, const GroupCost &cost, std::int32_t columns,
                       std::int64_t bytes, SchemeKind scheme, std::int64_t input_columns) {
  const std::int64_t blocks = (cost.rows + kBlockRows - 1) / kBlockRows;
  ReadWork read;
  read.queries = 1;
  read.slices = blocks;
  read.bytes = bytes;
  read.values = cost.rows * columns;
  read.scheme = StoredKind(scheme);
  RerunWork rerun;
  rerun.queries = 1;
  rerun.blocks = blocks;
  rerun.inputs = cost.rows * input_columns;
  rerun.flops = cost.flops_per_row * static_cast<double>(cost.rows);
  rerun.values = cost.rows * columns;
  if (read.scheme != SchemeKind::kF32) {
    rerun.quantised[static_cast<std::size_t>(read.scheme)] = rerun.values;
  }
  return {rates.Seconds(read), RerunSeconds(rates, rerun)};
}

void PlanGroups(CatalogSession &catalog, CheckedQuery *query) {
  const IntermediateRow &intermediate = query->query.intermediate;
  const CostRates &rates = CurrentRates(catalog);
  const std::vector<StoredGroup> stored = KnownGroups(catalog, intermediate);
  std::int64_t planned_bytes = 0;
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
    group.read_seconds =
        WhyNotRead(*query, group) == nullptr ? rates.Seconds(group.read) : kImpossible;
    group.rerun_seconds = RerunSeconds(rates, group.rerun);
    if (intermediate.is_foreign) {
      if (!group.stored) RequireIntermediate(catalog, intermediate.intermediate_id);
      ChooseForeign(*query, &group);
    } else {
      if (query->query.strategy != Strategy::kAuto) ChooseForced(*query, &group);
      Weigh(catalog, *query, group.stored ? &*found : nullptr, planned_bytes, &group);
      if (group.materialise) planned_bytes += bytes;
    }
    query->groups.push_back(std::move(group));
  }
  if (!intermediate.is_foreign && query->query.strategy == Strategy::kAuto) {
    ChooseTogether(rates, query);
  }
}

}  // namespace trails::pg
