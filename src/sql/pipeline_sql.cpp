// SQL surface of classical pipelines: log_pipeline, pipeline_rows.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/lost_columns.h"
#include "pg/named_arguments.h"
#include "pg/pipeline_logger.h"
#include "pg/result_rows.h"
#include "pg/stage_source.h"

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

namespace trails::pg {
namespace {

PipelineRequest RequestOf(const NamedArguments &args) {
  PipelineRequest request;
  request.name = args.Name("name");
  if (request.name.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"name\" must not be empty");
  }
  request.source = args.Relation("source");
  RequireValue(args.fcinfo(), args.position("stages"), "stages");
  request.stages = *args.OptionalTexts("stages");
  request.row_id = args.OptionalName("row_id");
  if (!args.IsNull("expires_after")) {
    const Datum age = args.fcinfo()->args[args.position("expires_after")].value;
    request.expires_after = *DatumGetIntervalP(age);
  }
  return request;
}

// Throws unless the call's column definition list has the stage's columns.
void RequireRowType(TupleDesc asked, const std::vector<StageColumn> &columns) {
  bool fits = asked->natts == static_cast<int>(columns.size()) + 1 &&
              TupleDescAttr(asked, 0)->atttypid == INT8OID;
  for (std::size_t i = 0; fits && i < columns.size(); ++i) {
    fits = TupleDescAttr(asked, static_cast<int>(i) + 1)->atttypid == columns[i].oid;
  }
  if (fits) return;
  throw Error(ErrorKind::kInvalidArgument,
              "column definition list does not have the columns of the stage", {},
              fmt::format("They are ({}).", ColumnDefinitions(columns)));
}

}  // namespace
}  // namespace trails::pg

// trails.log_pipeline(name, source, stages, row_id, expires_after)
//   -> (stage, layer, columns, rows, stored, bytes, seconds)
TRAILS_PG_FUNCTION(trails_log_pipeline) {
  using namespace trails::pg;
  CallPg([] {
    PreventCommandIfReadOnly("trails.log_pipeline()");
    PreventCommandDuringRecovery("trails.log_pipeline()");
  });
  const PipelineRequest request = RequestOf(NamedArguments(fcinfo));
  ResultSet results(fcinfo);
  for (const LoggedStage &stage : LogPipeline(request)) {
    results.Put(RowValues()
                    .AddInteger(stage.stage)
                    .AddText(StageLayer(stage.stage))
                    .AddInteger(stage.columns)
                    .AddBigint(stage.rows)
                    .AddBool(stage.stored)
                    .AddBigint(stage.bytes)
                    .AddDouble(stage.seconds));
  }
  return Datum{0};
}

// trails.pipeline_rows(name, stage) -> record
TRAILS_PG_FUNCTION(trails_pipeline_rows) {
  using namespace trails::pg;
  const LoggedRow logged = FindLogged(TextArgument(fcinfo, 0, "name"), std::nullopt);
  if (logged.kind != LoggedKind::kPipeline) {
    throw trails::Error(trails::ErrorKind::kInvalidArgument,
                        fmt::format("\"{}\" is no pipeline", logged.name));
  }
  CallPg([=] { InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC); });
  const auto *const info = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
  const std::int32_t stage = IntegerArgument(fcinfo, 1, "stage");
  const StageRows rows = WithoutLost(ReadStage(logged, stage));
  RequireRowType(info->setDesc, rows.columns);
  PutStageRows(rows, StageLayer(stage), info->setDesc, info->setResult);
  return Datum{0};
}
