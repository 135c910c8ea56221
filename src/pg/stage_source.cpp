#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_source.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "core/intermediates/row_choice.h"
#include "pg/advisory_lock.h"
#include "pg/cost_rates.h"
#include "pg/fresh_snapshot.h"
#include "pg/layer_rerun.h"
#include "pg/query_count.h"
#include "pg/read_plan.h"
#include "pg/settings.h"
#include "pg/statistics_cache.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

constexpr double kImpossible = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kTextBytes = 12;  // of a value, until it is known

// A query of one stage, checked and planned.
struct StageQuery {
  const IntermediateQuery *query = nullptr;
  Pipeline pipeline;
  std::int32_t stage = 0;
  std::int32_t ancestor = 0;  // nearest one before it that is stored
  std::vector<std::int32_t> columns;
  std::optional<RowChoice> rows;
  GroupPlan plan;
  StageRows rerun;  // where it is run again

  const StageInfo &info() const { return pipeline.stages[static_cast<std::size_t>(stage)]; }
};

std::vector<std::int32_t> Numbers(std::int32_t count) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::int64_t BytesExpected(const StageInfo &stage) {
  std::int64_t bytes = 0;
  for (const StageColumn &column : stage.columns) {
    bytes += column.bytes == 0 ? kTextBytes : column.bytes;
  }
  return bytes * stage.rows;
}

// Reading some columns of some blocks of a stage.
ReadWork WorkOfRead(const StageInfo &stage, std::int64_t bytes, std::size_t columns,
                    std::size_t blocks) {
  const RowChoice all(stage.rows, {});
  const double share = static_cast<double>(columns) / static_cast<double>(stage.columns.size()) *
                       static_cast<double>(blocks) / static_cast<double>(all.blocks().size());
  ReadWork work;
  work.slices = static_cast<std::int64_t>(blocks) * (1 + stage.chunks() / kPartitionColumns);
  work.bytes = static_cast<std::int64_t>(static_cast<double>(bytes) * share);
  work.values = static_cast<std::int64_t>(static_cast<double>(stage.rows) *
                                          static_cast<double>(stage.columns.size()) * share);
  return work;
}

ReadWork WorkOfWhole(CatalogSession &catalog, const StageInfo &stage) {
  const RowChoice all(stage.rows, {});
  return WorkOfRead(stage, SizeOfStage(catalog, stage).bytes, stage.columns.size(),
                    all.blocks().size());
}

std::int32_t NearestStored(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage) {
  for (std::int32_t before = stage - 1; before > 0; --before) {
    if (IsStored(catalog, pipeline.stages[static_cast<std::size_t>(before)])) return before;
  }
  return 0;
}

// Seconds that running the queries from the ancestor takes, and reading it.
double RerunSeconds(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t ancestor,
                    std::int32_t stage) {
  const StageInfo &from = pipeline.stages[static_cast<std::size_t>(ancestor)];
  double seconds = CurrentRates(catalog).Seconds(WorkOfWhole(catalog, from));
  for (std::int32_t run = ancestor + 1; run <= stage; ++run) {
    seconds += pipeline.stages[static_cast<std::size_t>(run)].seconds;
  }
  return seconds;
}

// Why values cannot be run again: they are where everything begins.
constexpr const char *kIsInput = "the rows that were logged are always stored";

void ThrowForced(const StageQuery &asked, const char *how, const char *why) {
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

void Weigh(CatalogSession &catalog, const StageQuery &asked, double part_read, GroupPlan *plan) {
  const StageInfo &stage = asked.info();
  plan->queries = CountedQueries(catalog, {stage.intermediate_id, 0});
  if (asked.stage == 0) return;
  const StageSize size = plan->stored ? SizeOfStage(catalog, stage) : StageSize{};
  const std::int64_t bytes = plan->stored ? size.bytes : BytesExpected(stage);
  const RowChoice all(stage.rows, {});
  const double whole_read = CurrentRates(catalog).Seconds(
      WorkOfRead(stage, bytes, stage.columns.size(), all.blocks().size()));
  if (asked.query->strategy != Strategy::kRerun) {
    plan->counts = CountOf(plan->rerun_seconds, part_read, plan->rerun_seconds, whole_read);
  }
  plan->gamma = Gamma(plan->rerun_seconds, whole_read, plan->queries + plan->counts,
                      plan->stored ? size.amortised_bytes : static_cast<double>(bytes));
  const bool is_worth_it =
      GammaMin() == 0 || (plan->rerun_seconds >= whole_read && plan->gamma >= GammaMin());
  plan->materialise =
      !plan->stored && asked.query->strategy == Strategy::kAuto && is_worth_it && MayKeep();
}

void PlanStage(CatalogSession &catalog, StageQuery *asked) {
  const StageInfo &stage = asked->info();
  const CostRates &rates = CurrentRates(catalog);
  GroupPlan plan;
  plan.group_columns = static_cast<std::int32_t>(stage.columns.size());
  plan.columns = static_cast<std::int32_t>(asked->columns.size());
  plan.stored = IsStored(catalog, stage);
  if (plan.stored) plan.stored_bytes = SizeOfStage(catalog, stage).bytes;
  plan.read = WorkOfRead(stage, plan.stored ? plan.stored_bytes : BytesExpected(stage),
                         asked->columns.size(), asked->rows->blocks().size());
  const double part_read = rates.Seconds(plan.read);
  plan.read_seconds = plan.stored ? part_read : kImpossible;
  plan.rerun_seconds = kImpossible;
  if (asked->stage > 0) {
    asked->ancestor = NearestStored(catalog, asked->pipeline, asked->stage);
    plan.rerun_seconds = RerunSeconds(catalog, asked->pipeline, asked->ancestor, asked->stage);
    plan.rerun.blocks = RowChoice(stage.rows, {}).all_blocks();
  }
  Choose(*asked, &plan);
  Weigh(catalog, *asked, part_read, &plan);
  asked->plan = std::move(plan);
}

void CheckRows(const IntermediateQuery &query) {
  for (const std::int64_t row : query.rows) {
    if (row >= 0 && row < query.intermediate.rows) continue;
    throw Error(ErrorKind::kInternal, "a row of a stage is outside of it");
  }
}

StageQuery CheckStage(CatalogSession &catalog, const IntermediateQuery &query) {
  StageQuery asked;
  asked.query = &query;
  asked.pipeline = OpenPipeline(catalog, query.logged);
  asked.stage = StageOf(asked.pipeline, query.intermediate.intermediate_id);
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

// Throws unless the rows are those that were logged.
void RequireSame(CatalogSession &catalog, const StageQuery &asked, const StageRows &rows) {
  const StageInfo &stage = asked.info();
  const bool are_columns =
      std::ranges::equal(rows.columns, stage.columns, [](const auto &a, const auto &b) {
        return a.name == b.name && a.oid == b.oid && a.bytes == b.bytes;
      });
  const auto ids = ReadRowIds(catalog, stage);
  bool are_rows = rows.rows() == stage.rows;
  for (std::size_t i = 0; are_rows && i < rows.blocks.size(); ++i) {
    are_rows = std::ranges::equal(
        rows.blocks[i].row_ids,
        std::span(*ids).subspan(i * static_cast<std::size_t>(kBlockRows),
                                static_cast<std::size_t>(rows.blocks[i].rows())));
  }
  if (are_columns && are_rows) return;
  throw Error(
      ErrorKind::kBadData,
      fmt::format("stage {} of pipeline \"{}\" gives other {} than when it was logged", asked.stage,
                  asked.pipeline.logged.name, are_columns ? "rows" : "columns"),
      "Its query, or one before it, depends on more than $input: on another relation, a "
      "function that was replaced, or chance.",
      "Drop it with trails.drop_intermediates and log it again.");
}

StageRows Rerun(const StageQuery &asked) {
  StageCall call;
  call.pipeline = asked.pipeline.logged.name;
  call.owner = asked.pipeline.logged.owner;
  call.settings = asked.pipeline.settings;
  call.first = asked.ancestor;
  for (std::int32_t stage = asked.ancestor + 1; stage <= asked.stage; ++stage) {
    call.queries.push_back(asked.pipeline.stages[static_cast<std::size_t>(stage)].query);
  }
  const StageRows input = WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    return ReadStoredStage(catalog,
                           asked.pipeline.stages[static_cast<std::size_t>(asked.ancestor)]);
  });
  StageRows rows = RunStages(call, input);
  WithCatalog([&](CatalogSession &catalog) { RequireSame(catalog, asked, rows); });
  return rows;
}

// Plans, runs what is to be run again, keeps and counts.
void Prepare(StageQuery *asked) {
  if (asked->plan.strategy == Strategy::kRerun) {
    asked->rerun = Rerun(*asked);
    if (asked->plan.materialise) {
      WithCatalog([&](CatalogSession &catalog) {
        const FreshSnapshot snapshot;
        (void)KeepStage(catalog, asked->pipeline, asked->stage, asked->rerun, asked->plan.gamma);
      });
    }
  }
  WithCatalog([&](CatalogSession &catalog) {
    CountQuery(catalog, {asked->info().intermediate_id, 0}, asked->plan.counts);
  });
}

StageQuery PlanOne(const IntermediateQuery &query) {
  return WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    StageQuery asked = CheckStage(catalog, query);
    PlanStage(catalog, &asked);
    return asked;
  });
}

// Gives the reals of planned stages of equal rows side by side.
class StageReading {
 public:
  StageReading(CatalogSession &catalog, const std::vector<StageQuery> &queries)
      : queries_(queries) {
    for (const StageQuery &query : queries_) {
      readers_.emplace_back();
      if (query.plan.strategy == Strategy::kRead) {
        readers_.back().emplace(catalog, query.info(), query.columns, query.rows->blocks());
      }
      columns_ += static_cast<std::int64_t>(query.columns.size());
    }
  }

  void Run(const std::function<void(const ColumnBlock &)> &sink) {
    const RowChoice &rows = *queries_.front().rows;
    std::vector<float> values;
    std::vector<std::int64_t> numbers;
    for (std::size_t index = 0; index < rows.blocks().size(); ++index) {
      const std::vector<std::int32_t> chosen = rows.RowsOf(index);
      values.resize(chosen.size() * static_cast<std::size_t>(columns_));
      float *out = values.data();
      for (std::size_t i = 0; i < queries_.size(); ++i) out = Fill(i, index, chosen, out);
      numbers.clear();
      for (const std::int32_t row : chosen) numbers.push_back(rows.first_row(index) + row + 1);
      sink({static_cast<std::int64_t>(chosen.size()), numbers.data(), values.data(), columns_});
    }
  }

 private:
  float *Fill(std::size_t i, std::size_t index, const std::vector<std::int32_t> &rows, float *out) {
    const StageQuery &query = queries_[i];
    const std::vector<StageColumn> &columns = query.info().columns;
    const auto number = static_cast<std::size_t>(query.rows->blocks()[index]);
    StageBlock read;
    if (readers_[i]) {
      read.row_ids.resize(static_cast<std::size_t>(query.rows->block_rows(index)));
      readers_[i]->Read(index, &read);
    }
    const StageBlock &block = readers_[i] ? read : query.rerun.blocks.at(number);
    for (const std::int32_t column : query.columns) {
      const auto at = static_cast<std::size_t>(column);
      CheckStageColumn(columns[at], block, at);
      StageReals(columns, block, at, rows, out);
      out += rows.size();
    }
    return out;
  }

  const std::vector<StageQuery> &queries_;
  std::vector<std::optional<StageReader>> readers_;
  std::int64_t columns_ = 0;
};

// Statistics of all columns; those that are no numbers have NaN alone.
std::shared_ptr<const LayerStatistics> Observe(const StageRows &rows) {
  auto statistics = std::make_shared<LayerStatistics>();
  const std::vector<std::int32_t> all = Numbers(static_cast<std::int32_t>(kBlockRows));
  for (std::size_t column = 0; column < rows.columns.size(); ++column) {
    ColumnStatistics one;
    std::int64_t first = 0;
    for (const StageBlock &block : rows.blocks) {
      const auto count = static_cast<std::size_t>(block.rows());
      std::vector<float> values(count, std::numeric_limits<float>::quiet_NaN());
      if (rows.columns[column].is_number()) {
        StageReals(rows.columns, block, column, std::span(all).first(count), values.data());
      }
      one.Add(first, values);
      first += block.rows();
    }
    statistics->quantisers.emplace_back(Scheme{SchemeKind::kF32}, one, std::span<const float>());
    statistics->columns.push_back(std::move(one));
  }
  return statistics;
}

// Operations that take so long: the unit in which statistics note what a RERUN takes.
double FlopsPerRow(CatalogSession &catalog, double seconds, std::int64_t rows) {
  const double flops = seconds / CurrentRates(catalog).flop.seconds();
  return flops * LayerRerun::ThreadsFor(flops) / static_cast<double>(rows);
}

IntermediateRow RowOf(const Pipeline &pipeline, std::int32_t stage) {
  const StageInfo &info = pipeline.stages[static_cast<std::size_t>(stage)];
  IntermediateRow row;
  row.intermediate_id = info.intermediate_id;
  row.layer = StageLayer(stage);
  row.shape.channels = static_cast<std::int32_t>(info.columns.size());
  row.rows = info.rows;
  row.scheme = Scheme{SchemeKind::kF32};
  return row;
}

void KeepStatisticsOf(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage,
                      std::shared_ptr<const LayerStatistics> statistics) {
  const double seconds = stage == 0 ? 0 : RerunSeconds(catalog, pipeline, 0, stage);
  const IntermediateRow row = RowOf(pipeline, stage);
  KeepStatistics(catalog, row, FlopsPerRow(catalog, seconds, row.rows), std::move(statistics));
}

class StageValues final : public ValueSource {
 public:
  void Check(const IntermediateQuery &query) const override {
    WithCatalog([&](CatalogSession &catalog) {
      const StageQuery asked = CheckStage(catalog, query);
      RequireNumbers(asked.pipeline, asked.stage, asked.columns);
    });
  }

  std::vector<GroupPlan> Plan(const IntermediateQuery &query) const override {
    return {PlanOne(query).plan};
  }

  void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                      const std::function<void(const ColumnBlock &)> &sink) const override {
    std::vector<StageQuery> asked;
    for (const IntermediateQuery &query : queries) {
      asked.push_back(PlanOne(query));
      RequireNumbers(asked.back().pipeline, asked.back().stage, asked.back().columns);
      if (query.rows != queries.front().rows ||
          query.intermediate.rows != queries.front().intermediate.rows) {
        throw Error(ErrorKind::kInternal, "stages side by side are of different rows");
      }
    }
    for (StageQuery &query : asked) Prepare(&query);
    WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      StageReading(catalog, asked).Run(sink);
    });
  }

  std::shared_ptr<const LayerStatistics> Statistics(
      const LoggedRow &logged, const IntermediateRow &intermediate) const override {
    if (auto found = WithCatalog(
            [&](CatalogSession &catalog) { return FindStatistics(catalog, intermediate); })) {
      return found;
    }
    const std::int32_t stage = WithCatalog([&](CatalogSession &catalog) {
      return StageOf(OpenPipeline(catalog, logged), intermediate.intermediate_id);
    });
    const auto statistics = Observe(ReadStage(logged, stage));
    WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      KeepStatisticsOf(catalog, OpenPipeline(catalog, logged), stage, statistics);
    });
    return statistics;
  }
};

}  // namespace

const ValueSource &StageSource() {
  static const StageValues source;
  return source;
}

StageRows ReadStage(const LoggedRow &logged, std::int32_t stage) {
  IntermediateQuery query;
  query.logged = logged;
  WithCatalog([&](CatalogSession &catalog) {
    const Pipeline pipeline = OpenPipeline(catalog, logged);
    const auto last = static_cast<std::int32_t>(pipeline.stages.size()) - 1;
    if (stage < 0 || stage > last) {
      throw Error(ErrorKind::kUndefinedObject,
                  fmt::format("pipeline \"{}\" has no stage {}", logged.name, stage), {},
                  fmt::format("Its stages are 0, the source, to {}.", last));
    }
    query.intermediate = RowOf(pipeline, stage);
  });
  StageQuery asked = PlanOne(query);
  Prepare(&asked);
  if (asked.plan.strategy == Strategy::kRerun) return std::move(asked.rerun);
  return WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    return ReadStoredStage(catalog, asked.info());
  });
}

bool KeepStage(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage,
               const StageRows &rows, double gamma) {
  const StageInfo &info = pipeline.stages.at(static_cast<std::size_t>(stage));
  if (!MayKeep()) return false;
  GroupWriter writer(catalog, Shelf::kCache, true);
  if (!writer.writes() ||
      !TryLockUntilCommit(catalog, LockSubject::kIntermediate, info.intermediate_id)) {
    return false;
  }
  // Whoever had the lock before may have committed just now.
  const FreshSnapshot snapshot;
  if (IsStored(catalog, info) || !MakeRoom(catalog, gamma, BytesExpected(info))) return false;
  if (!PutStageValues(info, rows, &writer)) return false;
  KeepStatisticsOf(catalog, pipeline, stage, Observe(rows));
  return true;
}

std::vector<std::int32_t> NumberColumns(const IntermediateQuery &query) {
  return WithCatalog([&](CatalogSession &catalog) {
    const Pipeline pipeline = OpenPipeline(catalog, query.logged);
    const std::int32_t stage = StageOf(pipeline, query.intermediate.intermediate_id);
    std::vector<std::int32_t> numbers;
    std::int32_t position = 0;
    for (const StageColumn &column : pipeline.stages[static_cast<std::size_t>(stage)].columns) {
      if (column.is_number()) numbers.push_back(position);
      ++position;
    }
    return numbers;
  });
}

std::int32_t StageColumnNamed(const IntermediateQuery &query, std::string_view name) {
  return WithCatalog([&](CatalogSession &catalog) {
    const Pipeline pipeline = OpenPipeline(catalog, query.logged);
    const std::int32_t stage = StageOf(pipeline, query.intermediate.intermediate_id);
    std::string names;
    std::int32_t position = 0;
    for (const StageColumn &column : pipeline.stages[static_cast<std::size_t>(stage)].columns) {
      if (column.name == name) return position;
      names += (names.empty() ? "" : ", ") + column.name;
      ++position;
    }
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("layer \"{}\" has no column \"{}\"", query.intermediate.layer, name),
                {}, fmt::format("Its columns are {}.", names));
  });
}

RowGroups GroupStageRows(const IntermediateQuery &query, std::string_view by) {
  const auto column = static_cast<std::size_t>(StageColumnNamed(query, by));
  const std::int32_t stage = WithCatalog([&](CatalogSession &catalog) {
    return StageOf(OpenPipeline(catalog, query.logged), query.intermediate.intermediate_id);
  });
  const StageRows rows = ReadStage(query.logged, stage);
  RowGroups groups;
  std::map<std::optional<std::string>, std::int32_t> numbers;
  for (const std::optional<std::string> &text : StageTexts(rows, column)) {
    const auto [found, is_new] =
        numbers.try_emplace(text, static_cast<std::int32_t>(groups.names.size()));
    if (is_new) groups.names.push_back(text);
    groups.group.push_back(found->second);
  }
  return groups;
}

}  // namespace trails::pg
