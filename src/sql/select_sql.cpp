// SQL surface of what ends with a stored model: model_selection, train. Check, read, search or
// train, store, log.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "pg/bridge.h"
#include "pg/call_options.h"
#include "pg/catalog.h"
#include "pg/log_plan.h"
#include "pg/result_rows.h"
#include "pg/run_settings.h"
#include "pg/source_run.h"
#include "trails/engine.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
}

namespace trails::pg {
namespace {

// When a statement began, for the clock and for people.
struct Beginning {
  Clock::time_point start = Clock::now();
  TimestampTz started_at = GetCurrentTimestamp();
};

// The default name of a model: source_target, cut to a name's length between two characters.
std::string DefaultModelName(const ResolvedRequest &resolved, const std::string &target) {
  std::string name = resolved.name + "_" + target;
  const char *const text = name.c_str();
  const int length = static_cast<int>(name.size());
  name.resize(CallPg([=] { return pg_mbcliplen(text, length, NAMEDATALEN - 1); }));
  return name;
}

// `function` as messages write it: "trails.train()".
void RequireWriting(const char *function) {
  CallPg([=] {
    PreventCommandIfReadOnly(function);
    PreventCommandDuringRecovery(function);
  });
}

// What has to be refused or waited for before the work.
void Prepare(const SourceCall &call) {
  LockCatalog(call.log);
  CheckLogOption(call);
}

template <typename Call>
RunRecord RecordOf(const Call &call, const Beginning &beginning, const PreparedSource &prepared) {
  RunRecord record;
  record.call = &call;
  record.budget = call.budget;
  record.settings = SettingsOf(call);
  record.source = prepared.source;
  for (const ResolvedColumn &column : prepared.resolved.features) {
    record.columns.push_back(column.name);
  }
  record.model_name = call.model_name.empty()
                          ? DefaultModelName(prepared.resolved, call.request.target)
                          : call.model_name;
  record.start = beginning.start;
  record.started_at = beginning.started_at;
  return record;
}

// Runs work(engine, table, control) on the call's source, stores what comes of it, and returns the
// row for the user. Call is SelectionCall or TrainCall.
template <typename Call, typename Work>
Datum RunAndStore(FunctionCallInfo fcinfo, const Beginning &beginning, Call *call,
                  const PreparedSource &prepared, Work work) {
  RunRecord record = RecordOf(*call, beginning, prepared);
  const Deadline deadline{beginning.start,
                          record.budget ? std::optional(record.budget->seconds) : std::nullopt};
  const Clock::duration storing = StoringTime(call->options, deadline);
  record.planned_storing_seconds = std::chrono::duration<double>(storing).count();

  SourceRun run(*call, prepared, deadline);
  Table source = run.Read();
  record.log =
      PlanLog(*call, prepared, fmt::format("model \"{}\"", record.model_name), run, deadline);
  if (!record.log) call->options.snapshot_every = 0;
  const EngineShare share = WithLogging({storing, true}, record.log);
  SelectionResult result = run.RunOn(std::move(source), share,
                                     [&](Engine &engine, Table &&table, const RunControl &control) {
                                       record.versions = engine.versions();
                                       return work(engine, std::move(table), control);
                                     });
  result.seconds.reading = run.reading_seconds();
  record.all_rows_read = run.all_rows_read();
  for (const Notice &notice : result.notices) Tell(notice);

  run.EnterStoring();
  const StoredRun stored = StoreRun(record, result);
  return MakeRecord(fcinfo, RowValues()
                                .AddBigint(stored.run_id)
                                .AddName(record.model_name)
                                .AddText(result.architecture)
                                .AddText(Name(result.task))
                                .AddText(Name(result.metric))
                                .AddDouble(result.valid)
                                .AddDouble(result.test)
                                .AddDouble(result.floor)
                                .AddBigint(result.candidates_scored)
                                .AddBigint(result.candidates_trained)
                                .AddDouble(stored.seconds)
                                .AddBigint(stored.over_budget_ms));
}

}  // namespace
}  // namespace trails::pg

// trails.model_selection(source regclass, target name, budget interval, ...) -> record
TRAILS_PG_FUNCTION(trails_model_selection) {
  using namespace trails;
  using namespace trails::pg;
  const Beginning beginning;
  RequireWriting("trails.model_selection()");
  SelectionCall call = ReadSelectionCall(fcinfo);
  Prepare(call);
  const PreparedSource prepared = PrepareSelection(&call);
  return RunAndStore(fcinfo, beginning, &call, prepared,
                     [&](Engine &engine, Table &&table, const RunControl &control) {
                       return engine.SelectModel(std::move(table), call.options, control);
                     });
}

// trails.train(source regclass, target name, architecture text, epochs double precision, ...)
//   -> record
TRAILS_PG_FUNCTION(trails_train) {
  using namespace trails;
  using namespace trails::pg;
  const Beginning beginning;
  RequireWriting("trails.train()");
  TrainCall call = ReadTrainCall(fcinfo);
  Prepare(call);
  const PreparedSource prepared = PrepareSource(&call);
  return RunAndStore(fcinfo, beginning, &call, prepared,
                     [&](Engine &engine, Table &&table, const RunControl &control) {
                       return engine.TrainCandidate(std::move(table), call.options,
                                                    call.architecture, call.epochs, control);
                     });
}
