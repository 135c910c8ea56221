#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/pipeline_logger.h"

#include <chrono>
#include <limits>
#include <utility>

#include "pg/fresh_snapshot.h"
#include "pg/intermediate_catalog.h"
#include "pg/named_object.h"
#include "pg/partition_store.h"
#include "pg/pipeline_catalog.h"
#include "pg/row_seal.h"
#include "pg/settings.h"
#include "pg/source_rights.h"
#include "pg/stage_query.h"
#include "pg/stage_run.h"
#include "pg/stage_source.h"
#include "pg/storage_bound.h"

namespace trails::pg {

namespace {

void CheckRequest(const PipelineRequest &request) {
  if (request.stages.empty() || request.stages.size() > kMostStages) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a pipeline has 1 to {} stages", kMostStages),
                fmt::format("{} were given.", request.stages.size()));
  }
  std::int32_t stage = 0;
  for (const std::string &query : request.stages) CheckStageQuery(++stage, query);
}

// Registers the name, and returns its number.
LoggedRow InsertLogged(CatalogSession &catalog, const PipelineRequest &request) {
  RefuseOwnModelName(catalog, request.name, "pipeline");
  SqlParameters name;
  name.AddOid(catalog.caller()).AddText(request.name);
  if (catalog.Write("SELECT FROM trails.logged WHERE owner = $1 AND name = $2", name) > 0) {
    throw Error(ErrorKind::kDuplicateObject,
                fmt::format("something is logged as \"{}\" already", request.name), {},
                "Drop it with trails.drop_intermediates first.");
  }
  RefuseRowSecurity(catalog, request.source, catalog.caller());
  LoggedRow logged;
  logged.kind = LoggedKind::kPipeline;
  logged.name = request.name;
  logged.owner = catalog.caller();
  catalog.Write(
      "INSERT INTO trails.logged (owner, kind, name, created_at) VALUES ($1, 'pipeline', $2, "
      "now()) RETURNING logged_id",
      name);
  logged.logged_id = catalog.Bigint(0, 0);
  SealRow(catalog, SealedTable::kLogged, logged.logged_id);
  return logged;
}

std::string SourceName(CatalogSession &catalog, Oid relation) {
  SqlParameters parameters;
  parameters.AddOid(relation);
  catalog.Write(
      "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n "
      "ON n.oid = c.relnamespace WHERE c.oid = $1",
      parameters);
  return catalog.Text(0, 0);
}

void InsertStage(CatalogSession &catalog, const Pipeline &pipeline, StageInfo *stage) {
  SqlParameters row;
  row.AddBigint(pipeline.logged.logged_id).AddText(StageLayer(stage->number));
  row.AddInteger(stage->number).AddInteger(static_cast<std::int32_t>(stage->columns.size()));
  row.AddBigint(stage->rows);
  catalog.Write(
      "INSERT INTO trails.intermediate (logged_id, epoch, layer, position, shape, rows, scheme) "
      "VALUES ($1, 0, $2, $3, ARRAY[$4, 1, 1], $5, 'exact') RETURNING intermediate_id",
      row);
  stage->intermediate_id = catalog.Bigint(0, 0);
  SealRow(catalog, SealedTable::kIntermediate, stage->intermediate_id);
  std::vector<std::string> names;
  std::vector<std::string> types;
  for (const StageColumn &column : stage->columns) {
    names.push_back(column.name);
    types.push_back(column.type);
  }
  SqlParameters query;
  query.AddBigint(pipeline.logged.logged_id).AddInteger(stage->number).AddText(stage->query);
  query.AddTexts(names).AddTexts(types).AddTexts(pipeline.settings.values);
  query.AddDouble(stage->seconds);
  catalog.Write(
      "INSERT INTO trails.pipeline_stage (logged_id, stage, query, columns, types, settings, "
      "seconds, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, "
      "trails.seal_of(ROW($1, $2, $3, $4, $5, $6, $7, NULL)::trails.pipeline_stage))",
      query);
}

// Registers the stage and stores what is to be stored of it. no_room: gets the layers for which
// there was none.
LoggedStage PutStage(Pipeline *pipeline, StageInfo stage, const StageRows &rows,
                     std::vector<std::string> *no_room) {
  return WithCatalog([&](CatalogSession &catalog) {
    stage.columns = rows.columns;
    stage.rows = rows.rows();
    InsertStage(catalog, *pipeline, &stage);
    const FreshSnapshot snapshot;
    PutRowIds(catalog, stage, rows);
    if (stage.number == 0) {
      GroupWriter writer(catalog, Shelf::kDurable, true);
      (void)PutStageValues(stage, rows, &writer);
    }
    pipeline->stages.push_back(stage);
    if (stage.number > 0 && GammaMin() == 0 &&
        KeepStage(catalog, *pipeline, stage.number, rows, kForAnyRoom) == Keeping::kNoRoom) {
      no_room->push_back(StageLayer(stage.number));
    }
    const FreshSnapshot after;
    LoggedStage logged;
    logged.stage = stage.number;
    logged.columns = static_cast<std::int32_t>(stage.columns.size());
    logged.rows = stage.rows;
    logged.stored = IsStored(catalog, stage);
    logged.bytes = SizeOfStage(catalog, stage).bytes;
    logged.seconds = stage.seconds;
    return logged;
  });
}

template <typename Work>
StageRows Timed(Work work, double *seconds) {
  const auto start = std::chrono::steady_clock::now();
  StageRows rows = work();
  *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return rows;
}

void SetExpiry(const LoggedRow &logged, const Interval &age) {
  WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(logged.logged_id).AddInterval(age);
    if (catalog.Write("UPDATE trails.logged SET expires_at = now() + $2 WHERE logged_id = $1 "
                      "AND $2 >= '0'::interval",
                      parameters) == 0) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"expires_after\" must not be negative");
    }
  });
}

}  // namespace

std::vector<LoggedStage> LogPipeline(const PipelineRequest &request) {
  CheckRequest(request);
  Pipeline pipeline;
  pipeline.settings = StageSettings::Current();
  StageInfo stage;
  WithCatalog([&](CatalogSession &catalog) {
    pipeline.logged = InsertLogged(catalog, request);
    stage.query = SourceName(catalog, request.source);
  });
  if (request.expires_after) SetExpiry(pipeline.logged, *request.expires_after);
  std::vector<LoggedStage> logged;
  std::vector<std::string> no_room;
  StageRows rows =
      Timed([&] { return ReadStageSource(request.source, request.row_id); }, &stage.seconds);
  logged.push_back(PutStage(&pipeline, stage, rows, &no_room));
  for (const std::string &query : request.stages) {
    StageCall call;
    call.pipeline = request.name;
    call.owner = pipeline.logged.owner;
    call.settings = pipeline.settings;
    call.first = stage.number++;
    call.queries = {query};
    call.warns = true;
    stage.query = query;
    rows = Timed([&] { return RunStages(call, rows); }, &stage.seconds);
    logged.push_back(PutStage(&pipeline, stage, rows, &no_room));
  }
  TellNoRoom(no_room);
  return logged;
}

}  // namespace trails::pg
