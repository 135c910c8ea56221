#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/materialise.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "core/data/parallel_for.h"
#include "pg/advisory_lock.h"
#include "pg/cost_rates.h"
#include "pg/engine_call.h"
#include "pg/fresh_snapshot.h"
#include "pg/layer_rerun.h"
#include "pg/partition_store.h"
#include "pg/read_plan.h"
#include "pg/settings.h"
#include "pg/statistics_cache.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

std::int32_t ColumnsOf(const IntermediateRow &row) {
  return StoredShape(row.scheme, row.shape).columns();
}

bool NeedsSample(const Scheme &scheme) {
  return scheme.kind == SchemeKind::kKbit || scheme.kind == SchemeKind::kThreshold;
}

std::int32_t ElementBytes(const Scheme &scheme) {
  const std::int32_t bits = BitsOf(scheme);
  return bits <= 8 ? 1 : bits / 8;
}

// One column of the pass that makes statistics. Each is worked on by one thread at a time.
struct Observed {
  const LayerToStore *layer = nullptr;
  ColumnStatistics statistics;
  std::vector<float> sample;  // [sampled rows]; empty where the scheme needs none
  std::optional<Quantiser> quantiser;
};

// Looks at every value of some columns, in the order of the rows.
class Observation {
 public:
  Observation(const std::vector<LayerToStore *> &layers, std::int64_t rows)
      : sampled_(SampledRows(rows)) {
    for (const LayerToStore *const layer : layers) {
      const std::int32_t columns = ColumnsOf(layer->intermediate);
      for (std::int32_t i = 0; i < columns; ++i) {
        Observed observed;
        observed.layer = layer;
        if (NeedsSample(layer->intermediate.scheme)) observed.sample.resize(sampled_.size());
        columns_.push_back(std::move(observed));
      }
    }
  }

  // Blocks come whole.
  void Look(std::int64_t column, std::span<const ValueBlock> blocks) {
    Observed &observed = columns_[static_cast<std::size_t>(column)];
    for (const ValueBlock &block : blocks) {
      const std::span<const float> values = block.column(column);
      observed.statistics.Add(block.first_row, values);
      if (observed.sample.empty()) continue;
      const auto rows = static_cast<std::int64_t>(values.size());
      auto sampled = std::ranges::lower_bound(sampled_, block.first_row);
      for (; sampled != sampled_.end() && *sampled < block.first_row + rows; ++sampled) {
        observed.sample[static_cast<std::size_t>(sampled - sampled_.begin())] =
            values[static_cast<std::size_t>(*sampled - block.first_row)];
      }
    }
  }

  // Fits the quantisers on engine threads: that of kbit sorts the sample.
  void Fit() {
    RunEngine([this](const std::stop_token &stop) {
      ParallelFor(static_cast<std::int64_t>(columns_.size()), EngineThreads(), stop,
                  [this](std::int64_t i) {
                    Observed &observed = columns_[static_cast<std::size_t>(i)];
                    const Scheme &scheme = observed.layer->intermediate.scheme;
                    if (scheme.kind == SchemeKind::kStats) return;
                    observed.quantiser.emplace(scheme, observed.statistics, observed.sample);
                  });
    });
  }

  std::shared_ptr<const LayerStatistics> Take(const LayerToStore *layer) {
    auto taken = std::make_shared<LayerStatistics>();
    for (Observed &observed : columns_) {
      if (observed.layer != layer) continue;
      taken->columns.push_back(std::move(observed.statistics));
      if (observed.quantiser) taken->quantisers.push_back(std::move(*observed.quantiser));
    }
    return taken;
  }

 private:
  std::vector<std::int64_t> sampled_;
  std::vector<Observed> columns_;  // those of the layers, one layer after the other
};

std::vector<std::int32_t> AllColumns(std::int32_t first, std::int32_t count) {
  std::vector<std::int32_t> columns(static_cast<std::size_t>(count));
  std::iota(columns.begin(), columns.end(), first);
  return columns;
}

// A group that is being stored, and where its columns are among those of the RERUN.
struct GroupInWork {
  ColumnGroup group;
  Scheme scheme;
  std::int64_t first = 0;
  std::vector<const Quantiser *> quantisers;       // [group.columns]
  std::vector<std::vector<std::string>> elements;  // [blocks of the batch][group.columns]
};

void AddOnce(const std::string &name, std::vector<std::string> *names) {
  if (names != nullptr && std::ranges::find(*names, name) == names->end()) names->push_back(name);
}

// The groups that may be stored now, with their place among the columns of `reruns`, which it
// fills.
std::vector<GroupInWork> ChooseGroups(CatalogSession &catalog, double gamma,
                                      const std::vector<LayerToStore> &layers,
                                      FreshSnapshot *snapshot, std::vector<RerunLayer> *reruns,
                                      std::vector<std::string> *no_room) {
  std::vector<GroupInWork> chosen;
  std::int64_t columns = 0;
  std::int64_t bytes = 0;  // of those chosen
  for (const LayerToStore &layer : layers) {
    const IntermediateRow &row = layer.intermediate;
    if (layer.statistics == nullptr || row.scheme.kind == SchemeKind::kStats ||
        !TryLockUntilCommit(catalog, LockSubject::kIntermediate, row.intermediate_id)) {
      continue;
    }
    // Whoever had the lock before may have committed just now.
    snapshot->Renew();
    const std::vector<std::int32_t> stored =
        StoredFirstColumns(catalog, Shelf::kCache, row.intermediate_id);
    RerunLayer rerun{layer.layer, {}, columns, {}};
    for (const std::int32_t first : layer.groups) {
      GroupInWork work;
      work.group = {row.intermediate_id, first,
                    std::min(kPartitionColumns, ColumnsOf(row) - first)};
      work.scheme = row.scheme;
      work.first = columns;
      const std::int64_t more = CodeBytes(row.scheme, row.rows, work.group.columns);
      if (std::ranges::find(stored, first) != stored.end()) continue;
      if (!MakeRoom(catalog, gamma, bytes + more)) {
        AddOnce(row.layer, no_room);
        continue;
      }
      bytes += more;
      for (std::int32_t i = 0; i < work.group.columns; ++i) {
        work.quantisers.push_back(
            &layer.statistics->quantisers.at(static_cast<std::size_t>(first + i)));
      }
      std::ranges::copy(AllColumns(first, work.group.columns), std::back_inserter(rerun.columns));
      columns += work.group.columns;
      chosen.push_back(std::move(work));
    }
    if (!rerun.columns.empty()) reruns->push_back(std::move(rerun));
  }
  return chosen;
}

// Encodes one column of a batch. On any thread.
void EncodeColumn(std::int64_t column, std::span<const ValueBlock> blocks,
                  std::vector<GroupInWork> *groups) {
  const auto after = std::ranges::upper_bound(*groups, column, {}, &GroupInWork::first);
  GroupInWork &group = *std::prev(after);
  const auto within = static_cast<std::size_t>(column - group.first);
  const Quantiser &quantiser = *group.quantisers[within];
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    const std::span<const float> values = blocks[block].column(column);
    std::string &elements = group.elements[block][within];
    elements.resize(
        static_cast<std::size_t>(quantiser.BytesFor(static_cast<std::int64_t>(values.size()))));
    quantiser.Encode(values, reinterpret_cast<std::byte *>(elements.data()));
  }
}

void PutBatch(std::span<const ValueBlock> blocks, const std::vector<GroupInWork> &groups,
              GroupWriter *writer) {
  for (const GroupInWork &group : groups) {
    const std::vector<std::int32_t> widths(static_cast<std::size_t>(group.group.columns),
                                           ElementBytes(group.scheme));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto block = static_cast<std::int32_t>(blocks[i].first_row / kBlockRows);
      writer->PutBlock(group.group, block, static_cast<std::int64_t>(blocks[i].rows.size()),
                       group.elements[i], widths);
    }
  }
}

}  // namespace

std::vector<LayerToStore> DescribeLayers(const Model &model,
                                         const std::vector<IntermediateRow> &intermediates) {
  const std::vector<Layer> layers = LayersOf(model);
  std::vector<LayerToStore> described;
  for (const IntermediateRow &intermediate : intermediates) {
    LayerToStore layer;
    layer.intermediate = intermediate;
    layer.layer = FindLayer(layers, intermediate.layer);
    layer.flops_per_row = layers[layer.layer].flops_per_row;
    described.push_back(std::move(layer));
  }
  return described;
}

void FillStatistics(CatalogSession &catalog, const LoggedRow &logged,
                    const std::shared_ptr<const Model> &model, std::vector<LayerToStore> *layers) {
  std::vector<LayerToStore *> missing;
  std::vector<RerunLayer> reruns;
  std::int64_t columns = 0;
  for (LayerToStore &layer : *layers) {
    layer.statistics = FindStatistics(catalog, layer.intermediate);
    if (layer.statistics != nullptr) continue;
    missing.push_back(&layer);
    reruns.push_back({layer.layer, AllColumns(0, ColumnsOf(layer.intermediate)), columns, {}});
    columns += ColumnsOf(layer.intermediate);
  }
  if (missing.empty()) return;
  const RowChoice rows(missing.front()->intermediate.rows, {});
  Observation observation(missing, rows.all_rows());
  LayerRerun rerun(catalog, logged, model, std::move(reruns), rows);
  const ColumnWork look = [&](std::int64_t column, std::span<const ValueBlock> blocks) {
    observation.Look(column, blocks);
  };
  BlockBatch batch(rows, columns, LayerRerun::kBatchBlocks);
  for (auto blocks = batch.Next(); !blocks.empty(); blocks = batch.Next()) rerun.Run(blocks, look);
  LearnRerun(rerun.work(), rerun.times());
  observation.Fit();
  for (LayerToStore *const layer : missing) {
    layer->statistics = observation.Take(layer);
    KeepStatistics(catalog, layer->intermediate, layer->flops_per_row, layer->statistics);
  }
}

std::int64_t StoreGroups(CatalogSession &catalog, const LoggedRow &logged,
                         const std::shared_ptr<const Model> &model, double gamma,
                         std::vector<LayerToStore> layers, std::vector<std::string> *no_room) {
  if (!MayKeep()) return 0;
  GroupWriter writer(catalog, Shelf::kCache, false);
  if (!writer.writes()) return 0;
  FreshSnapshot snapshot;
  std::vector<RerunLayer> reruns;
  std::vector<GroupInWork> groups =
      ChooseGroups(catalog, gamma, layers, &snapshot, &reruns, no_room);
  if (groups.empty()) return 0;
  const RowChoice rows(layers.front().intermediate.rows, {});
  const GroupInWork &last = groups.back();
  BlockBatch batch(rows, last.first + last.group.columns, LayerRerun::kBatchBlocks);
  LayerRerun rerun(catalog, logged, model, std::move(reruns), rows);
  for (GroupInWork &group : groups) {
    group.elements.assign(batch.most_blocks(),
                          std::vector<std::string>(static_cast<std::size_t>(group.group.columns)));
  }
  const ColumnWork encode = [&](std::int64_t column, std::span<const ValueBlock> blocks) {
    EncodeColumn(column, blocks, &groups);
  };
  for (auto blocks = batch.Next(); !blocks.empty(); blocks = batch.Next()) {
    rerun.Run(blocks, encode);
    PutBatch(blocks, groups, &writer);
  }
  LearnRerun(rerun.work(), rerun.times());
  return static_cast<std::int64_t>(groups.size());
}

}  // namespace trails::pg
