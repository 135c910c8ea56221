#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/pipeline_catalog.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "core/intermediates/row_choice.h"
#include "pg/fresh_snapshot.h"
#include "pg/lost_columns.h"
#include "pg/memory_scope.h"
#include "pg/row_seal.h"

namespace trails::pg {

namespace {

constexpr std::size_t kKnownStages = 8;  // whose row ids are kept

// The first chunk of each group of values.
std::vector<std::int32_t> FirstChunks(const StageInfo &stage) {
  std::vector<std::int32_t> first;
  for (std::int32_t chunk = 0; chunk < stage.chunks(); chunk += kPartitionColumns) {
    first.push_back(chunk);
  }
  return first;
}

ColumnGroup GroupAt(const StageInfo &stage, std::int32_t first) {
  return {stage.intermediate_id, first, std::min(kPartitionColumns, stage.chunks() - first)};
}

// After all groups of values.
ColumnGroup RowIdGroup(std::int64_t intermediate, std::int32_t chunks) {
  const std::int32_t groups = (chunks + kPartitionColumns - 1) / kPartitionColumns;
  return {intermediate, groups * kPartitionColumns, 1};
}

// Throws where the pipeline is corrupt, or was dropped while its rows were looked up.
[[noreturn]] void ThrowCorrupt(CatalogSession &catalog, std::int64_t logged,
                               const std::string &pipeline) {
  SqlParameters parameters;
  parameters.AddBigint(logged);
  if (catalog.WriteOften("SELECT FROM trails.logged WHERE logged_id = $1", parameters) == 0) {
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("pipeline {} does not exist any more", pipeline),
                "It was dropped by another session.");
  }
  throw Error(ErrorKind::kCorruptData, fmt::format("stages of pipeline {} are corrupt", pipeline),
              {}, "trails.check_store names what is missing.");
}

// Throws where a row that says what the stages are is not as it was written, or missing.
void RequireSealedStages(CatalogSession &catalog, std::int64_t logged,
                         const std::string &pipeline) {
  SqlParameters parameters;
  parameters.AddBigint(logged);
  const std::uint64_t count = catalog.WriteOften(
      "SELECT i.intermediate_id, i.is_sealed, s.stage, s.is_sealed, i.position "
      "FROM (SELECT r.intermediate_id, r.position, r.seal = trails.seal_of(r) AS is_sealed "
      "FROM trails.intermediate AS r WHERE r.logged_id = $1) AS i FULL JOIN "
      "(SELECT r.stage, r.seal = trails.seal_of(r) AS is_sealed FROM trails.pipeline_stage AS r "
      "WHERE r.logged_id = $1) AS s ON s.stage = i.position ORDER BY s.stage, i.position",
      parameters);
  for (std::uint64_t row = 0; row < count; ++row) {
    if (catalog.IsNull(row, 0) || catalog.IsNull(row, 2)) {
      const bool has_stage = catalog.IsNull(row, 0);
      throw Error(
          ErrorKind::kCorruptData, fmt::format("stages of pipeline {} are corrupt", pipeline),
          fmt::format("Stage {} has no row in trails.{}.", catalog.Integer(row, has_stage ? 2 : 4),
                      has_stage ? "intermediate" : "pipeline_stage"),
          "trails.check_store names all that is corrupt.");
    }
    RequireSealed(catalog.Bool(row, 1), SealedTable::kIntermediate, catalog.Bigint(row, 0));
    if (catalog.Bool(row, 3)) continue;
    throw Error(ErrorKind::kCorruptData,
                fmt::format("row ({}, {}) of trails.pipeline_stage is corrupt", logged,
                            catalog.Integer(row, 2)),
                fmt::format("Stage {} of pipeline {} is not described as it was written.",
                            catalog.Integer(row, 2), pipeline),
                "trails.check_store names all that is corrupt.");
  }
}

// Columns have name and type alone. pipeline: its name or number, for messages.
std::vector<StageInfo> ListStages(CatalogSession &catalog, std::int64_t logged,
                                  const std::string &pipeline) {
  RequireSealedStages(catalog, logged, pipeline);
  SqlParameters parameters;
  parameters.AddBigint(logged);
  const std::uint64_t count = catalog.WriteOften(
      "SELECT s.stage, i.intermediate_id, i.rows, s.query, s.seconds, c.name, c.type "
      "FROM trails.pipeline_stage AS s JOIN trails.intermediate AS i "
      "ON i.logged_id = s.logged_id AND i.position = s.stage, "
      "unnest(s.columns, s.types) WITH ORDINALITY AS c(name, type, number) "
      "WHERE s.logged_id = $1 ORDER BY s.stage, c.number",
      parameters);
  std::vector<StageInfo> stages;
  for (std::uint64_t row = 0; row < count; ++row) {
    const auto stage = static_cast<std::size_t>(catalog.Integer(row, 0));
    if (stage == stages.size()) {
      StageInfo info;
      info.number = catalog.Integer(row, 0);
      info.intermediate_id = catalog.Bigint(row, 1);
      info.rows = catalog.Bigint(row, 2);
      if (!IsPossible({1, 1, 1}, info.rows)) ThrowCorrupt(catalog, logged, pipeline);
      info.query = catalog.Text(row, 3);
      info.seconds = catalog.Double(row, 4);
      stages.push_back(std::move(info));
    }
    if (stage + 1 != stages.size()) ThrowCorrupt(catalog, logged, pipeline);
    StageColumn column;
    column.name = catalog.Text(row, 5);
    column.type = catalog.Text(row, 6);
    stages.back().columns.push_back(std::move(column));
  }
  return stages;
}

// Looks the columns' types up, each once: stages hand most of their columns on.
void ParseColumns(std::vector<StageInfo> *stages) {
  std::map<std::string, StageColumn> parsed;
  for (StageInfo &stage : *stages) {
    for (StageColumn &column : stage.columns) {
      auto found = parsed.find(column.type);
      if (found == parsed.end()) {
        found = parsed.emplace(column.type, ParseStageColumn(column.name, column.type)).first;
      }
      std::string name = std::move(column.name);
      column = found->second;
      column.name = std::move(name);
    }
  }
}

struct KnownIds {
  Oid catalog = InvalidOid;  // of the table: numbers begin anew after DROP EXTENSION
  std::int64_t intermediate = 0;
  std::shared_ptr<const std::vector<std::int64_t>> ids;
};

}  // namespace

Pipeline OpenPipeline(CatalogSession &catalog, const LoggedRow &logged) {
  Pipeline pipeline;
  pipeline.logged = logged;
  const std::string name = fmt::format("\"{}\"", logged.name);
  pipeline.stages = ListStages(catalog, logged.logged_id, name);
  if (pipeline.stages.empty()) ThrowCorrupt(catalog, logged.logged_id, name);
  ParseColumns(&pipeline.stages);
  SqlParameters parameters;
  parameters.AddBigint(logged.logged_id);
  const std::uint64_t settings = catalog.WriteOften(
      "SELECT v.value FROM trails.pipeline_stage AS s, unnest(s.settings) WITH ORDINALITY "
      "AS v(value, number) WHERE s.logged_id = $1 AND s.stage = 0 ORDER BY v.number",
      parameters);
  if (settings == 0) ThrowCorrupt(catalog, logged.logged_id, name);
  for (std::uint64_t row = 0; row < settings; ++row) {
    pipeline.settings.values.push_back(catalog.Text(row, 0));
  }
  return pipeline;
}

std::vector<StageInfo> ListStagesOf(CatalogSession &catalog, std::int64_t intermediate) {
  SqlParameters parameters;
  parameters.AddBigint(intermediate);
  if (catalog.WriteOften("SELECT logged_id FROM trails.intermediate WHERE intermediate_id = $1",
                         parameters) == 0) {
    return {};
  }
  const std::int64_t logged = catalog.Bigint(0, 0);
  return ListStages(catalog, logged, fmt::format("{}", logged));
}

std::int32_t StageOf(const std::vector<StageInfo> &stages, std::int64_t intermediate) {
  const auto found = std::ranges::find(stages, intermediate, &StageInfo::intermediate_id);
  if (found == stages.end()) {
    throw Error(ErrorKind::kInternal, "intermediate is no stage of its pipeline");
  }
  return static_cast<std::int32_t>(found - stages.begin());
}

std::string StageLayer(std::int32_t stage) {
  return stage == 0 ? "input" : fmt::format("stage{}", stage);
}

void RequireNumbers(const Pipeline &pipeline, std::int32_t stage,
                    std::span<const std::int32_t> columns) {
  const std::vector<StageColumn> &all = pipeline.stages.at(static_cast<std::size_t>(stage)).columns;
  for (const std::int32_t column : columns) {
    const StageColumn &one = all.at(static_cast<std::size_t>(column));
    if (one.is_number()) continue;
    if (one.is_lost()) ThrowLost(one, StageLayer(stage));
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("column {} of layer \"{}\", \"{}\", is no number", column + 1,
                    StageLayer(stage), one.name),
        fmt::format("It is of type {}.", one.type),
        fmt::format("Name the columns that are, or ask trails.pipeline_rows for its rows as "
                    "they are: ... FROM trails.pipeline_rows({}, {}) AS t({}).",
                    "'" + pipeline.logged.name + "'", stage, ColumnDefinitions(all)));
  }
}

bool IsStored(CatalogSession &catalog, const StageInfo &stage) {
  const std::vector<std::int32_t> there =
      StoredFirstColumns(catalog, stage.shelf(), stage.intermediate_id);
  return std::ranges::includes(there, FirstChunks(stage));
}

std::vector<bool> StoredStages(CatalogSession &catalog, const std::vector<StageInfo> &stages) {
  std::vector<bool> stored(stages.size(), false);
  stored.at(0) = true;
  if (!CanReadCache()) return stored;
  const MemoryScope memory;
  std::vector<std::int64_t> ids;
  for (const StageInfo &stage : stages) ids.push_back(stage.intermediate_id);
  SqlParameters parameters;
  parameters.AddArray(INT8OID, ids, BigintElement);
  const std::uint64_t found = catalog.WriteOften(
      "SELECT intermediate_id, count(DISTINCT first_column) FROM trails.cached_block "
      "WHERE intermediate_id = ANY ($1) AND block = 0 GROUP BY intermediate_id",
      parameters);
  for (std::uint64_t row = 0; row < found; ++row) {
    const auto stage = static_cast<std::size_t>(StageOf(stages, catalog.Bigint(row, 0)));
    const auto groups = static_cast<std::int64_t>(FirstChunks(stages[stage]).size());
    stored[stage] = stored[stage] || catalog.Bigint(row, 1) == groups;
  }
  catalog.FreeRows();
  return stored;
}

ColumnGroup StageRowIdGroup(const IntermediateRow &stage) {
  return RowIdGroup(stage.intermediate_id, 2 * stage.shape.columns());
}

StageSize SizeOfStage(CatalogSession &catalog, const StageInfo &stage) {
  static auto *const known = new std::map<std::pair<Oid, std::int64_t>, StageSize>;
  const std::pair<Oid, std::int64_t> key(CatalogTable("row_block"), stage.intermediate_id);
  if (const auto found = known->find(key); found != known->end()) return found->second;
  StageSize size;
  for (const StoredGroup &group : StoredGroups(catalog, stage.shelf(), stage.intermediate_id)) {
    if (group.first_column >= stage.chunks()) continue;  // row ids
    size.bytes += group.bytes;
    size.amortised_bytes += group.amortised_bytes;
    ++size.groups;
  }
  if (size.groups > 0) known->emplace(key, size);
  return size;
}

void PutRowIds(CatalogSession &catalog, const StageInfo &stage, const StageRows &rows) {
  constexpr std::int32_t kWidth = 8;
  GroupWriter writer(catalog, Shelf::kDurable, false);
  for (std::size_t i = 0; i < rows.blocks.size(); ++i) {
    const std::vector<std::int64_t> &ids = rows.blocks[i].row_ids;
    const std::string elements(reinterpret_cast<const char *>(ids.data()), ids.size() * kWidth);
    writer.PutBlock(RowIdGroup(stage.intermediate_id, stage.chunks()), static_cast<std::int32_t>(i),
                    rows.blocks[i].rows(), std::span(&elements, 1), std::span(&kWidth, 1));
  }
}

bool PutStageValues(const StageInfo &stage, const StageRows &rows, GroupWriter *writer) {
  if (!writer->writes()) return false;
  const std::vector<std::int32_t> widths = ElementWidths(stage.columns);
  for (const std::int32_t first : FirstChunks(stage)) {
    const ColumnGroup group = GroupAt(stage, first);
    const auto at = static_cast<std::size_t>(first);
    const auto count = static_cast<std::size_t>(group.columns);
    for (std::size_t i = 0; i < rows.blocks.size(); ++i) {
      writer->PutBlock(group, static_cast<std::int32_t>(i), rows.blocks[i].rows(),
                       std::span<const std::string>(rows.blocks[i].elements).subspan(at, count),
                       std::span<const std::int32_t>(widths).subspan(at, count));
    }
  }
  return true;
}

std::shared_ptr<const std::vector<std::int64_t>> ReadRowIds(CatalogSession &catalog,
                                                            const StageInfo &stage) {
  IntermediateRow row;
  row.intermediate_id = stage.intermediate_id;
  row.shape.channels = stage.chunks() / 2;
  row.rows = stage.rows;
  return ReadRowIds(catalog, row);
}

std::shared_ptr<const std::vector<std::int64_t>> ReadRowIds(CatalogSession &catalog,
                                                            const IntermediateRow &stage) {
  static auto *const known = new std::list<KnownIds>;  // never destroyed
  const Oid table = CatalogTable("row_block");
  for (auto it = known->begin(); it != known->end(); ++it) {
    if (it->catalog != table || it->intermediate != stage.intermediate_id) continue;
    known->splice(known->begin(), *known, it);
    return it->ids;
  }
  const RowChoice rows(stage.rows, {});
  GroupReader reader(catalog, Shelf::kDurable, StageRowIdGroup(stage), rows.blocks());
  auto ids = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(stage.rows));
  constexpr std::int32_t kFirst = 0;
  std::string elements;
  for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
    reader.Read(i, std::span(&kFirst, 1), &elements);
    const std::size_t bytes = static_cast<std::size_t>(rows.block_rows(i)) * sizeof(std::int64_t);
    if (elements.size() != bytes) {
      throw Error(ErrorKind::kCorruptData,
                  fmt::format("block {} of intermediate {} is corrupt", i, stage.intermediate_id),
                  fmt::format("Its row ids have {} bytes instead of {}.", elements.size(), bytes));
    }
    std::memcpy(ids->data() + rows.first_row(i), elements.data(), bytes);
  }
  known->push_front({table, stage.intermediate_id, ids});
  if (known->size() > kKnownStages) known->pop_back();
  return ids;
}

StageReader::StageReader(CatalogSession &catalog, const StageInfo &stage,
                         std::vector<std::int32_t> columns, std::vector<std::int32_t> blocks)
    : stage_(stage), columns_(std::move(columns)), blocks_(std::move(blocks)) {
  for (const std::int32_t first : FirstChunks(stage)) {
    const ColumnGroup group = GroupAt(stage, first);
    std::vector<std::int32_t> within;
    for (const std::int32_t column : columns_) {
      const std::int32_t chunk = 2 * column - first;
      if (chunk < 0 || chunk >= group.columns) continue;
      within.insert(within.end(), {chunk, chunk + 1});
    }
    if (within.empty()) continue;
    groups_.push_back({GroupReader(catalog, stage.shelf(), group, blocks_), first, within});
  }
}

bool StageReader::is_whole() const noexcept {
  return std::ranges::all_of(groups_, [](const Group &group) { return group.reader.is_whole(); });
}

void StageReader::Read(std::size_t index, StageBlock *block) {
  block->elements.resize(static_cast<std::size_t>(stage_.chunks()));
  for (Group &group : groups_) {
    std::vector<std::string> elements(group.columns.size());
    group.reader.Read(index, group.columns, elements.data());
    for (std::size_t i = 0; i < elements.size(); ++i) {
      block->elements[static_cast<std::size_t>(group.first + group.columns[i])] =
          std::move(elements[i]);
    }
  }
  for (const std::int32_t column : columns_) {
    const auto at = static_cast<std::size_t>(column);
    try {
      CheckStageColumn(stage_.columns[at], *block, at);
    } catch (const Error &error) {
      throw Error(error.kind(),
                  fmt::format("block {} of intermediate {} is corrupt", blocks_.at(index),
                              stage_.intermediate_id),
                  error.detail(), error.hint());
    }
  }
}

std::optional<StageRows> ReadStoredStage(CatalogSession &catalog, const StageInfo &stage,
                                         const std::vector<std::int32_t> &columns) {
  const auto ids = ReadRowIds(catalog, stage);
  const RowChoice rows(stage.rows, {});
  StageReader reader(catalog, stage, columns, rows.blocks());
  if (!reader.is_whole()) return std::nullopt;
  StageRows all;
  all.columns = stage.columns;
  for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
    StageBlock block;
    const auto first = ids->begin() + rows.first_row(i);
    block.row_ids.assign(first, first + rows.block_rows(i));
    reader.Read(i, &block);
    all.blocks.push_back(std::move(block));
  }
  return all;
}

}  // namespace trails::pg
