#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_reader.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <map>
#include <set>
#include <utility>

#include "pg/advisory_lock.h"
#include "pg/cost_rates.h"
#include "pg/fresh_snapshot.h"
#include "pg/layer_rerun.h"
#include "pg/materialise.h"
#include "pg/partition_store.h"
#include "pg/read_plan.h"
#include "pg/settings.h"
#include "pg/statistics_cache.h"
#include "pg/storage_bound.h"
#include "pg/value_source.h"

namespace trails::pg {

namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// The columns of one group, read from the store.
class StoredColumns {
 public:
  // out: the first of these columns among those of the block. quantisers [columns] or none (f32).
  StoredColumns(CatalogSession &catalog, const CheckedQuery &query, const GroupPlan &group,
                std::int64_t out, const LayerStatistics *statistics)
      : query_(query),
        begun_(SteadyClock::now()),
        reader_(catalog, query.query.intermediate.shelf(),
                {query.query.intermediate.intermediate_id, group.first_column, group.group_columns},
                query.rows.blocks()),
        out_(out),
        work_(group.read) {
    for (const std::int32_t column : query.ColumnsOf(group)) {
      columns_.push_back(column - group.first_column);
      if (statistics != nullptr) {
        quantisers_.push_back(&statistics->quantisers.at(static_cast<std::size_t>(column)));
      }
    }
    elements_.resize(columns_.size());
    seconds_ = SecondsSince(begun_);
  }

  bool is_whole() const noexcept { return reader_.is_whole(); }

  // Writes its columns of the block.
  void Read(const ValueBlock &block) {
    const auto start = SteadyClock::now();
    reader_.Read(block.index, columns_, elements_.data());
    const auto block_rows = static_cast<std::size_t>(query_.rows.block_rows(block.index));
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::span<float> out = block.column(out_ + static_cast<std::int64_t>(i));
      if (out.size() == block_rows) {
        Decode(block.index, i, out);
        continue;
      }
      decoded_.resize(block_rows);
      Decode(block.index, i, decoded_);
      for (std::size_t row = 0; row < out.size(); ++row) {
        out[row] = decoded_[static_cast<std::size_t>(block.rows[row])];
      }
    }
    seconds_ += SecondsSince(start);
  }

  // As the plan counts: what it foretells by.
  void Learn() const { LearnRead(work_, seconds_); }

 private:
  void Decode(std::size_t index, std::size_t column, std::span<float> values) {
    const std::string &elements = elements_[column];
    const std::size_t expected = quantisers_.empty()
                                     ? values.size_bytes()
                                     : static_cast<std::size_t>(quantisers_[column]->BytesFor(
                                           static_cast<std::int64_t>(values.size())));
    const IntermediateRow &row = query_.query.intermediate;
    // The last block of a foreign layer may have been completed since its rows were counted.
    const bool is_longer = row.is_foreign && elements.size() > expected;
    if (elements.size() != expected && !is_longer) {
      throw Error(
          ErrorKind::kCorruptData,
          fmt::format("stored values of layer \"{}\" are corrupt", row.layer),
          fmt::format("Intermediate {}, block {}: a chunk has {} bytes instead of {}.",
                      row.intermediate_id, query_.rows.blocks()[index], elements.size(), expected));
    }
    if (quantisers_.empty()) {
      std::memcpy(values.data(), elements.data(), expected);
    } else {
      quantisers_[column]->Decode(reinterpret_cast<const std::byte *>(elements.data()), values);
    }
  }

  const CheckedQuery &query_;
  SteadyClock::time_point begun_;
  GroupReader reader_;
  std::int64_t out_;
  ReadWork work_;
  std::vector<std::int32_t> columns_;  // of the group
  std::vector<const Quantiser *> quantisers_;
  std::vector<std::string> elements_;
  std::vector<float> decoded_;
  double seconds_ = 0;
};

[[noreturn]] void ThrowNoStatistics(CatalogSession &catalog, const IntermediateRow &layer) {
  RequireIntermediate(catalog, layer.intermediate_id);
  if (!layer.is_foreign) throw Error(ErrorKind::kInternal, "statistics of a layer are missing");
  throw Error(ErrorKind::kCorruptData,
              fmt::format("statistics of layer \"{}\" are missing", layer.layer),
              fmt::format("Intermediate {} is of a foreign model, of which they cannot be made "
                          "again.",
                          layer.intermediate_id));
}

// What was to be read has left the cache since it was planned, or a part of it is lost: it is run
// again. What remains would keep it from being stored anew.
void LeaveCache(CatalogSession &catalog, const CheckedQuery &query, const GroupPlan &group) {
  const IntermediateRow &row = query.query.intermediate;
  if (query.query.strategy == Strategy::kRead) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("layer \"{}\" cannot be read from the store", row.layer),
                fmt::format("Columns {} to {}: blocks of them are missing.", group.first_column + 1,
                            group.first_column + group.group_columns),
                "Leave the strategy to 'auto'.");
  }
  if (MayKeep() && TryLockUntilCommit(catalog, LockSubject::kIntermediate, row.intermediate_id)) {
    DropGroup(catalog, Shelf::kCache,
              {row.intermediate_id, group.first_column, group.group_columns});
  }
}

// Whether the store was not used, or the group is not to be stored, for READ's expected time alone.
bool IsReadTooDear(const IntermediateQuery &query, const GroupPlan &group) {
  return query.strategy == Strategy::kAuto && group.strategy == Strategy::kRerun &&
         query.intermediate.scheme.kind != SchemeKind::kStats &&
         (group.stored ? group.read_seconds > group.rerun_seconds : group.counts <= 0);
}

// The columns of all queries that one run of one model gives.
struct RerunColumns {
  const CheckedQuery *first = nullptr;  // whose model it is
  std::vector<RerunLayer> layers;
  std::unique_ptr<LayerRerun> rerun;

  void Add(const CheckedQuery &query, const GroupPlan &group, std::int64_t out,
           const LayerStatistics *statistics) {
    RerunLayer layer{query.layer, query.ColumnsOf(group), out, {}};
    if (statistics != nullptr) {
      for (const std::int32_t column : layer.columns) {
        layer.quantisers.push_back(&statistics->quantisers.at(static_cast<std::size_t>(column)));
      }
    }
    layers.push_back(std::move(layer));
  }
};

// Reads planned queries of the same rows side by side.
class Reading {
 public:
  Reading(CatalogSession &catalog, const std::vector<CheckedQuery> &queries)
      : rows_(queries.front().rows) {
    for (const CheckedQuery &query : queries) AddQuery(catalog, query);
    for (auto &[model, columns] : reruns_) {
      const CheckedQuery &query = *columns.first;
      columns.rerun = std::make_unique<LayerRerun>(catalog, query.query.logged, query.model,
                                                   std::move(columns.layers), rows_);
      batch_blocks_ = std::max(batch_blocks_, columns.rerun->batch_blocks());
    }
  }

  void Run(const std::function<void(const ColumnBlock &)> &sink) {
    BlockBatch batch(rows_, columns_, batch_blocks_);
    for (;;) {
      const std::span<const ValueBlock> blocks = batch.Next();
      if (blocks.empty()) break;
      for (auto &[model, columns] : reruns_) columns.rerun->Run(blocks, nullptr);
      for (const ValueBlock &block : blocks) Give(block, sink);
    }
    for (const StoredColumns &stored : stored_) stored.Learn();
    for (const auto &[model, columns] : reruns_) {
      LearnRerun(columns.rerun->work(), columns.rerun->times());
    }
    for (const SchemeKind scheme : too_dear_) ForgetRead(scheme);
  }

 private:
  using ModelAtEpoch = std::pair<std::int64_t, std::int32_t>;

  void AddQuery(CatalogSession &catalog, const CheckedQuery &query) {
    const std::shared_ptr<const LayerStatistics> statistics =
        query.is_quantised() ? FindStatistics(catalog, query.query.intermediate) : nullptr;
    if (query.is_quantised() && statistics == nullptr) {
      ThrowNoStatistics(catalog, query.query.intermediate);
    }
    statistics_.push_back(statistics);
    for (const GroupPlan &group : query.groups) {
      if (!IsRead(catalog, query, group, statistics.get())) {
        const ModelAtEpoch model(query.query.logged.logged_id, query.query.intermediate.epoch);
        RerunColumns &columns = reruns_[model];
        if (columns.first == nullptr) columns.first = &query;
        columns.Add(query, group, columns_, statistics.get());
        if (IsReadTooDear(query.query, group)) {
          too_dear_.insert(query.query.intermediate.scheme.kind);
        }
      }
      columns_ += group.columns;
    }
  }

  // Whether the group is read: as planned, and there.
  bool IsRead(CatalogSession &catalog, const CheckedQuery &query, const GroupPlan &group,
              const LayerStatistics *statistics) {
    if (group.strategy != Strategy::kRead) return false;
    stored_.emplace_back(catalog, query, group, columns_, statistics);
    if (stored_.back().is_whole()) return true;
    stored_.pop_back();
    LeaveCache(catalog, query, group);
    return false;
  }

  void Give(const ValueBlock &block, const std::function<void(const ColumnBlock &)> &sink) {
    for (StoredColumns &stored : stored_) {
      stored.Read(block);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
    // What was run comes batch by batch, and the sink may take long.
    if (!reruns_.empty()) CallPg([] { CHECK_FOR_INTERRUPTS(); });
    row_ids_.clear();
    for (const std::int32_t row : block.rows) row_ids_.push_back(block.first_row + row + 1);
    sink({std::ssize(block.rows), row_ids_.data(), block.values, columns_});
  }

  const RowChoice &rows_;
  std::vector<std::shared_ptr<const LayerStatistics>> statistics_;  // what quantisers belong to
  std::list<StoredColumns> stored_;
  std::map<ModelAtEpoch, RerunColumns> reruns_;
  std::set<SchemeKind> too_dear_;  // to read
  std::int64_t columns_ = 0;
  std::size_t batch_blocks_ = 1;
  std::vector<std::int64_t> row_ids_;
};

// Stores the groups that have earned it, and plans anew.
void Materialise(CatalogSession &catalog, CheckedQuery *query, FreshSnapshot *snapshot) {
  if (query->query.intermediate.is_foreign) return;
  std::vector<LayerToStore> layers = DescribeLayers(*query->model, {query->query.intermediate});
  double gamma = kForAnyRoom;
  for (const GroupPlan &group : query->groups) {
    if (!group.materialise) continue;
    layers.front().groups.push_back(group.first_column);
    gamma = std::min(gamma, group.gamma);
  }
  const bool earned = !layers.front().groups.empty();
  if (!earned && !query->is_quantised()) return;
  FillStatistics(catalog, query->query.logged, query->model, &layers);
  if (earned &&
      StoreGroups(catalog, query->query.logged, query->model, gamma, std::move(layers)) > 0) {
    snapshot->Renew();
    PlanGroups(catalog, query);
  }
}

void CountAll(CatalogSession &catalog, const std::vector<CheckedQuery> &queries) {
  for (const CheckedQuery &query : queries) {
    for (const GroupPlan &group : query.groups) {
      CountQuery(catalog, {query.query.intermediate.intermediate_id, group.first_column},
                 group.counts, group.counted.rows);
    }
  }
}

// Makes the statistics of the layers, epoch by epoch, and calls use(catalog, model, layers).
template <typename Use>
void ForEachEpoch(const LoggedRow &logged, const std::vector<IntermediateRow> &layers, Use use) {
  std::map<std::int32_t, std::vector<IntermediateRow>> by_epoch;
  for (const IntermediateRow &layer : layers) by_epoch[layer.epoch].push_back(layer);
  for (const auto &[epoch, rows] : by_epoch) {
    const std::shared_ptr<const Model> model = OpenSnapshot(logged, epoch);
    std::vector<LayerToStore> described = DescribeLayers(*model, rows);
    WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      FillStatistics(catalog, logged, model, &described);
      use(catalog, model, described);
      KeepRates(catalog);
    });
  }
}

std::vector<std::int32_t> AllGroups(std::int32_t columns) {
  std::vector<std::int32_t> groups;
  for (std::int32_t first = 0; first < columns; first += kPartitionColumns) {
    groups.push_back(first);
  }
  return groups;
}

class ModelValues final : public ValueSource {
 public:
  void Check(const IntermediateQuery &query) const override { (void)CheckQuery(query); }

  std::vector<GroupPlan> Plan(const IntermediateQuery &query) const override {
    CheckedQuery checked = CheckQuery(query);
    WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      PlanGroups(catalog, &checked);
    });
    return std::move(checked.groups);
  }

  void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                      const std::function<void(const ColumnBlock &)> &sink) const override {
    std::vector<CheckedQuery> checked;
    checked.reserve(queries.size());
    for (const IntermediateQuery &query : queries) {
      checked.push_back(CheckQuery(query));
      if (query.rows != queries.front().rows ||
          query.intermediate.rows != queries.front().intermediate.rows) {
        throw Error(ErrorKind::kInternal, "layers side by side are of different rows");
      }
    }
    WithCatalog([&](CatalogSession &catalog) {
      FreshSnapshot snapshot;
      for (CheckedQuery &query : checked) {
        PlanGroups(catalog, &query);
        Materialise(catalog, &query, &snapshot);
      }
      Reading(catalog, checked).Run(sink);
      CountAll(catalog, checked);
      KeepRates(catalog);
      ObeyNewBound(catalog);
    });
  }

  std::shared_ptr<const LayerStatistics> Statistics(
      const LoggedRow &logged, const IntermediateRow &intermediate) const override {
    auto found =
        WithCatalog([&](CatalogSession &catalog) { return FindStatistics(catalog, intermediate); });
    if (found != nullptr) return found;
    if (intermediate.is_foreign) {
      WithCatalog([&](CatalogSession &catalog) { ThrowNoStatistics(catalog, intermediate); });
    }
    const std::shared_ptr<const Model> model = OpenSnapshot(logged, intermediate.epoch);
    std::vector<LayerToStore> layers = DescribeLayers(*model, {intermediate});
    WithCatalog([&](CatalogSession &catalog) {
      const FreshSnapshot snapshot;
      FillStatistics(catalog, logged, model, &layers);
      KeepRates(catalog);
    });
    return layers.front().statistics;
  }
};

const ValueSource &SourceOf(const LoggedRow &logged) {
  return logged.kind == LoggedKind::kPipeline ? StageSource() : ModelSource();
}

}  // namespace

const ValueSource &ModelSource() {
  static const ModelValues source;
  return source;
}

void RequireColumns(const IntermediateQuery &query) {
  SourceOf(query.logged).Check(query);
}

std::vector<GroupPlan> PlanQuery(const IntermediateQuery &query) {
  return SourceOf(query.logged).Plan(query);
}

void ReadIntermediate(const IntermediateQuery &query,
                      const std::function<void(const ColumnBlock &)> &sink) {
  ReadSideBySide({query}, sink);
}

void ReadSideBySide(const std::vector<IntermediateQuery> &queries,
                    const std::function<void(const ColumnBlock &)> &sink) {
  const ValueSource &source = SourceOf(queries.front().logged);
  for (const IntermediateQuery &query : queries) {
    if (&SourceOf(query.logged) == &source) continue;
    throw Error(ErrorKind::kInternal, "layers side by side are of a model and of a pipeline");
  }
  source.ReadSideBySide(queries, sink);
}

std::shared_ptr<const LayerStatistics> ReadStatistics(const LoggedRow &logged,
                                                      const IntermediateRow &intermediate) {
  return SourceOf(logged).Statistics(logged, intermediate);
}

void MakeStatistics(const LoggedRow &logged, const std::vector<IntermediateRow> &layers) {
  ForEachEpoch(logged, layers, [](CatalogSession &, const auto &, std::vector<LayerToStore> &) {});
}

void MaterialiseLayers(const LoggedRow &logged, const std::vector<IntermediateRow> &layers,
                       bool store) {
  std::vector<std::string> no_room;
  if (MayKeep()) {
    WithCatalog([&](CatalogSession &catalog) {
      for (const IntermediateRow &layer : layers) ForgetCorruptStatistics(catalog, layer);
    });
  }
  ForEachEpoch(logged, layers,
               [&](CatalogSession &catalog, const std::shared_ptr<const Model> &model,
                   std::vector<LayerToStore> &described) {
                 if (!store && GammaMin() != 0) return;
                 for (LayerToStore &layer : described) {
                   const IntermediateRow &row = layer.intermediate;
                   layer.groups = AllGroups(StoredShape(row.scheme, row.shape).columns());
                 }
                 (void)StoreGroups(catalog, logged, model, kForAnyRoom, std::move(described),
                                   &no_room);
               });
  TellNoRoom(no_room);
}

}  // namespace trails::pg
