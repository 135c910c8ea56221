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
#include "pg/model_logger.h"
#include "pg/result_rows.h"
#include "pg/run_settings.h"
#include "pg/settings.h"
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
  if (call.log) {
    CheckTrainingLog(call.request.relation, call.log_scheme.value_or(IntermediateScheme()));
  }
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

void TellNotLogged(const RunRecord &record, std::string detail) {
  Tell({NoticeLevel::kWarning,
        fmt::format("intermediates of model \"{}\" are not logged", record.model_name),
        std::move(detail),
        "Give a larger budget, or log them later with trails.log_intermediates, without epochs."});
}

// Once the source is read: the logging that option "log" asks for, unless it would take more than
// half of what is left of the budget.
std::optional<PlannedLog> PlanLog(const SourceCall &call, const RunRecord &record,
                                  const SourceRun &run, const Deadline &deadline) {
  if (!call.log) return std::nullopt;
  if (!run.all_rows_read()) {
    TellNotLogged(record, "The budget was too short to read all rows, let alone twice.");
    return std::nullopt;
  }
  const double seconds =
      LoggingSeconds(run.reading_seconds(), run.rows(), std::ssize(record.columns) + 1);
  if (deadline.budget_seconds) {
    const std::chrono::duration<double> left = deadline.end() - Clock::now();
    if (seconds > left.count() / 2) {
      TellNotLogged(record,
                    fmt::format("Reading the rows again was expected to take {:.1f} s, of {:.1f} s "
                                "that were left of the budget.",
                                seconds, left.count()));
      return std::nullopt;
    }
  }
  return PlannedLog{call.log_scheme.value_or(IntermediateScheme()), seconds};
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
  record.log = PlanLog(*call, record, run, deadline);
  EngineShare share{storing, true};
  if (record.log) {
    const std::chrono::duration<double> logging(record.log->planned_seconds);
    share.after += std::chrono::duration_cast<Clock::duration>(logging);
  } else {
    call->options.snapshot_every = 0;
  }
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
