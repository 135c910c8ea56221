#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_source.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "core/intermediates/row_choice.h"
#include "core/space/name_hint.h"
#include "pg/advisory_lock.h"
#include "pg/column_names.h"
#include "pg/fresh_snapshot.h"
#include "pg/lost_columns.h"
#include "pg/query_count.h"
#include "pg/stage_cost.h"
#include "pg/stage_plan.h"
#include "pg/statistics_cache.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
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

std::vector<std::int32_t> Numbers(std::int64_t count) {
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Some columns of all rows, from the store; nothing where they are not there any more.
std::optional<StageRows> ReadRows(CatalogSession &catalog, const StageInfo &stage,
                                  const std::vector<std::int32_t> &columns) {
  StageReadWork work = WholeOfStage(stage);
  work.column_blocks = work.blocks * static_cast<std::int64_t>(columns.size());
  const auto start = SteadyClock::now();
  auto rows = ReadStoredStage(catalog, stage, columns);
  if (rows) LearnStageRead(catalog, stage, work, SecondsSince(start));
  return rows;
}

// The rows from which the stage is run again. What was stored when that was planned may be gone, or
// have lost a block.
StageRows ReadAncestor(CatalogSession &catalog, StageQuery *asked) {
  const std::vector<StageInfo> &stages = asked->pipeline.stages;
  std::vector<bool> stored = StoredStages(catalog, stages);
  for (;;) {
    if (!stored[static_cast<std::size_t>(asked->ancestor)]) {
      asked->ancestor = CheapestStart(catalog, stages, stored, asked->stage).ancestor;
    }
    const StageInfo &ancestor = stages[static_cast<std::size_t>(asked->ancestor)];
    const auto columns = Numbers(static_cast<std::int64_t>(ancestor.columns.size()));
    if (auto rows = ReadRows(catalog, ancestor, columns)) return *std::move(rows);
    stored[static_cast<std::size_t>(asked->ancestor)] = false;  // never the source
  }
}

// Runs the stage again, and keeps it where that was planned.
void Rerun(StageQuery *asked) {
  const std::vector<StageInfo> &stages = asked->pipeline.stages;
  const StageRows input = WithCatalog([&](CatalogSession &catalog) {
    const FreshSnapshot snapshot;
    return ReadAncestor(catalog, asked);
  });
  StageCall call;
  call.pipeline = asked->pipeline.logged.name;
  call.owner = asked->pipeline.logged.owner;
  call.settings = asked->pipeline.settings;
  call.first = asked->ancestor;
  for (std::int32_t stage = asked->ancestor + 1; stage <= asked->stage; ++stage) {
    call.queries.push_back(stages[static_cast<std::size_t>(stage)].query);
  }
  const auto start = SteadyClock::now();
  asked->rerun = std::make_shared<StageRows>(RunStages(call, input));
  WithCatalog([&](CatalogSession &catalog) {
    RequireSame(catalog, *asked, *asked->rerun);
    LearnStageRerun(catalog, stages, asked->ancestor, asked->stage, SecondsSince(start));
    if (!asked->plan.materialise) return;
    const FreshSnapshot snapshot;
    (void)KeepStage(catalog, asked->pipeline, asked->stage, *asked->rerun, asked->plan.gamma);
  });
}

// Plans what was not run again; true where nothing has to be.
bool PlanRest(CatalogSession &catalog, std::vector<StageQuery> *queries) {
  bool is_ready = true;
  for (StageQuery &asked : *queries) {
    if (asked.rerun) continue;
    PlanStage(catalog, &asked);
    is_ready = is_ready && asked.plan.strategy == Strategy::kRead;
  }
  return is_ready;
}

// Runs again what was planned so; several queries of one stage share its rows.
void RunRest(std::vector<StageQuery> *queries) {
  std::map<std::int64_t, std::shared_ptr<StageRows>> run;  // by intermediate
  for (StageQuery &asked : *queries) {
    std::shared_ptr<StageRows> &rows = run[asked.info().intermediate_id];
    if (!asked.rerun && asked.plan.strategy == Strategy::kRerun) {
      if (rows == nullptr) {
        Rerun(&asked);
      } else {
        asked.rerun = rows;
      }
    }
    if (asked.rerun) rows = asked.rerun;
  }
}

// What a query leaves behind when it has been answered.
void Count(CatalogSession &catalog, const std::vector<StageQuery> &queries) {
  for (const StageQuery &asked : queries) {
    CountQuery(catalog, {asked.info().intermediate_id, 0}, asked.plan.counts,
               asked.plan.counted.rows);
  }
  KeepStageRates(catalog);
  ObeyNewBound(catalog);
}

// What was to be read has left the cache since it was planned, or a part of it is lost: it is to be
// run again. What remains would keep it from being stored anew.
void LeaveCache(CatalogSession &catalog, StageQuery *asked) {
  if (asked->query->strategy == Strategy::kRead) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("layer \"{}\" cannot be read from the store", asked->query->intermediate.layer),
        fmt::format("Of pipeline \"{}\": blocks of it are missing.", asked->pipeline.logged.name),
        "Leave the strategy to 'auto'.");
  }
  asked->plan.strategy = Strategy::kRerun;
  const std::int64_t intermediate = asked->info().intermediate_id;
  if (MayKeep() && TryLockUntilCommit(catalog, LockSubject::kIntermediate, intermediate)) {
    DropIntermediate(catalog, Shelf::kCache, intermediate);
  }
}

// Plans the queries, runs what is to be run again, and calls use(catalog, queries), which reads the
// others; it returns the numbers of those that were not there after all, and is then called again
// once they were run.
template <typename Use>
void Answer(std::vector<StageQuery> queries, Use use) {
  for (;;) {
    const bool is_answered = WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      if (!PlanRest(catalog, &queries)) return false;
      const std::vector<std::size_t> gone = use(catalog, queries);
      for (const std::size_t i : gone) LeaveCache(catalog, &queries[i]);
      if (gone.empty()) Count(catalog, queries);
      return gone.empty();
    });
    if (is_answered) return;
    RunRest(&queries);
  }
}

StageQuery Checked(const IntermediateQuery &query) {
  return WithCatalog([&](CatalogSession &catalog) { return CheckStage(catalog, query); });
}

// Gives the reals of planned stages of equal rows side by side.
class StageReading {
 public:
  StageReading(CatalogSession &catalog, const std::vector<StageQuery> &queries)
      : catalog_(catalog), queries_(queries), seconds_(queries.size(), 0.0) {
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      const StageQuery &query = queries_[i];
      const auto start = SteadyClock::now();
      readers_.emplace_back();
      if (!query.rerun) {
        readers_.back().emplace(catalog, query.info(), query.columns, query.rows->blocks());
      }
      columns_ += static_cast<std::int64_t>(query.columns.size());
      seconds_[i] = SecondsSince(start);
    }
  }

  // Numbers of the queries of which not all blocks are there to be read.
  std::vector<std::size_t> gone() const {
    std::vector<std::size_t> gone;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (readers_[i] && !readers_[i]->is_whole()) gone.push_back(i);
    }
    return gone;
  }

  void Run(const std::function<void(const ColumnBlock &)> &sink) {
    const RowChoice &rows = *queries_.front().rows;
    std::vector<float> values;
    std::vector<std::int64_t> numbers;
    for (std::size_t index = 0; index < rows.blocks().size(); ++index) {
      const std::vector<std::int32_t> chosen = rows.RowsOf(index);
      values.resize(chosen.size() * static_cast<std::size_t>(columns_));
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
      float *out = values.data();
      for (std::size_t i = 0; i < queries_.size(); ++i) out = Fill(i, index, chosen, out);
      numbers.clear();
      for (const std::int32_t row : chosen) numbers.push_back(rows.first_row(index) + row + 1);
      sink({static_cast<std::int64_t>(chosen.size()), numbers.data(), values.data(), columns_});
    }
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      const StageQuery &query = queries_[i];
      if (readers_[i]) LearnStageRead(catalog_, query.info(), query.read, seconds_[i]);
    }
  }

 private:
  float *Fill(std::size_t i, std::size_t index, const std::vector<std::int32_t> &rows, float *out) {
    const StageQuery &query = queries_[i];
    const std::vector<StageColumn> &columns = query.info().columns;
    const auto number = static_cast<std::size_t>(query.rows->blocks()[index]);
    StageBlock read;
    if (readers_[i]) {
      const auto start = SteadyClock::now();
      read.row_ids.resize(static_cast<std::size_t>(query.rows->block_rows(index)));
      readers_[i]->Read(index, &read);
      seconds_[i] += SecondsSince(start);
    }
    const StageBlock &block = readers_[i] ? read : query.rerun->blocks.at(number);
    for (const std::int32_t column : query.columns) {
      const auto at = static_cast<std::size_t>(column);
      StageReals(columns, block, at, rows, out);
      out += rows.size();
    }
    return out;
  }

  CatalogSession &catalog_;
  const std::vector<StageQuery> &queries_;
  std::vector<std::optional<StageReader>> readers_;
  std::vector<double> seconds_;  // of reading [queries_]
  std::int64_t columns_ = 0;
};

// Statistics of all columns; those that are no numbers have NaN alone.
std::shared_ptr<const LayerStatistics> Observe(const StageRows &rows) {
  auto statistics = std::make_shared<LayerStatistics>();
  const std::vector<std::int32_t> all = Numbers(kBlockRows);
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

// What running a stage takes is with its rates, not with its statistics.
void KeepStatisticsOf(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage,
                      std::shared_ptr<const LayerStatistics> statistics) {
  KeepStatistics(catalog, RowOf(pipeline, stage), 0, std::move(statistics));
}

// All rows as they are; where they are read, the query's columns alone.
StageRows RowsOf(const IntermediateQuery &query) {
  StageRows rows;
  Answer({Checked(query)}, [&](CatalogSession &catalog, std::vector<StageQuery> &planned) {
    StageQuery &asked = planned.front();
    if (asked.rerun) {
      rows = std::move(*asked.rerun);
      return std::vector<std::size_t>();
    }
    auto found = ReadRows(catalog, asked.info(), asked.columns);
    if (!found) return std::vector<std::size_t>{0};
    rows = *std::move(found);
    return std::vector<std::size_t>();
  });
  return rows;
}

class StageValues final : public ValueSource {
 public:
  void Check(const IntermediateQuery &query) const override {
    const StageQuery asked = Checked(query);
    RequireNumbers(asked.pipeline, asked.stage, asked.columns);
  }

  std::vector<GroupPlan> Plan(const IntermediateQuery &query) const override {
    return WithCatalog([&](CatalogSession &catalog) -> std::vector<GroupPlan> {
      const FreshSnapshot snapshot;
      StageQuery asked = CheckStage(catalog, query);
      PlanStage(catalog, &asked);
      return {asked.plan};
    });
  }

  void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                      const std::function<void(const ColumnBlock &)> &sink) const override {
    std::vector<StageQuery> asked;
    for (const IntermediateQuery &query : queries) {
      asked.push_back(Checked(query));
      RequireNumbers(asked.back().pipeline, asked.back().stage, asked.back().columns);
      if (query.rows != queries.front().rows ||
          query.intermediate.rows != queries.front().intermediate.rows) {
        throw Error(ErrorKind::kInternal, "stages side by side are of different rows");
      }
    }
    Answer(std::move(asked), [&](CatalogSession &catalog, const std::vector<StageQuery> &planned) {
      StageReading reading(catalog, planned);
      std::vector<std::size_t> gone = reading.gone();
      if (gone.empty()) reading.Run(sink);
      return gone;
    });
  }

  std::shared_ptr<const LayerStatistics> Statistics(
      const LoggedRow &logged, const IntermediateRow &intermediate) const override {
    if (auto found = WithCatalog(
            [&](CatalogSession &catalog) { return FindStatistics(catalog, intermediate); })) {
      return found;
    }
    const std::int32_t stage = WithCatalog([&](CatalogSession &catalog) {
      return StageOf(OpenPipeline(catalog, logged).stages, intermediate.intermediate_id);
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
  return RowsOf(query);
}

Keeping KeepStage(CatalogSession &catalog, const Pipeline &pipeline, std::int32_t stage,
                  const StageRows &rows, double gamma) {
  const StageInfo &info = pipeline.stages.at(static_cast<std::size_t>(stage));
  if (!MayKeep()) return Keeping::kNotNow;
  GroupWriter writer(catalog, Shelf::kCache, true);
  if (!writer.writes() ||
      !TryLockUntilCommit(catalog, LockSubject::kIntermediate, info.intermediate_id)) {
    return Keeping::kNotNow;
  }
  // Whoever had the lock before may have committed just now.
  const FreshSnapshot snapshot;
  if (IsStored(catalog, info)) return Keeping::kStored;
  if (!MakeRoom(catalog, gamma, StageBytes(rows))) return Keeping::kNoRoom;
  if (!PutStageValues(info, rows, &writer)) return Keeping::kNotNow;
  KeepStatisticsOf(catalog, pipeline, stage, Observe(rows));
  return Keeping::kStored;
}

std::vector<std::int32_t> NumberColumns(const IntermediateQuery &query) {
  return WithCatalog([&](CatalogSession &catalog) {
    const Pipeline pipeline = OpenPipeline(catalog, query.logged);
    const std::int32_t stage = StageOf(pipeline.stages, query.intermediate.intermediate_id);
    std::vector<std::int32_t> numbers;
    std::int32_t position = 0;
    for (const StageColumn &column : pipeline.stages[static_cast<std::size_t>(stage)].columns) {
      if (column.is_number()) numbers.push_back(position);
      ++position;
    }
    return numbers;
  });
}

RowGroups GroupStageRows(const IntermediateQuery &query, std::string_view by) {
  const std::int32_t column = ColumnNamed(query, by);
  WithCatalog([&](CatalogSession &catalog) {
    const Pipeline pipeline = OpenPipeline(catalog, query.logged);
    const auto stage =
        static_cast<std::size_t>(StageOf(pipeline.stages, query.intermediate.intermediate_id));
    const StageColumn &named = pipeline.stages[stage].columns[static_cast<std::size_t>(column)];
    if (named.is_lost()) ThrowLost(named, query.intermediate.layer);
  });
  IntermediateQuery one;
  one.logged = query.logged;
  one.intermediate = query.intermediate;
  one.columns = {column};
  const StageRows rows = RowsOf(one);
  RowGroups groups;
  std::map<std::optional<std::string>, std::int32_t> numbers;
  for (const std::optional<std::string> &text :
       StageTexts(rows, static_cast<std::size_t>(column))) {
    const auto [found, is_new] =
        numbers.try_emplace(text, static_cast<std::int32_t>(groups.names.size()));
    if (is_new) groups.names.push_back(text);
    groups.group.push_back(found->second);
  }
  return groups;
}

}  // namespace trails::pg
