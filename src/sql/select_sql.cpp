// SQL surface of a whole selection: check, read, select, store.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/space/candidate.h"
#include "pg/bridge.h"
#include "pg/call_options.h"
#include "pg/catalog.h"
#include "pg/engine_call.h"
#include "pg/engine_library.h"
#include "pg/progress.h"
#include "pg/result_rows.h"
#include "pg/source_reader.h"
#include "trails/engine.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
}

namespace trails::pg {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;

// What the rows of the catalog cost after the engine is done: 0.3 s were measured for 160,000
// candidates on two busy cores. The engine itself ends earlier by what the model's bytes cost.
constexpr std::chrono::milliseconds kStoringTime{30};
constexpr std::chrono::microseconds kStoringTimeOfACandidate{3};

struct Selection {
  SelectionCall call;
  PreparedSource prepared;
  Deadline deadline;  // of the whole statement
  TimestampTz started_at = 0;
  Progress progress;
};

// The default name of a model: source_target, cut to a name's length between two characters.
std::string DefaultModelName(const ResolvedRequest &resolved, const std::string &target) {
  std::string name = resolved.name + "_" + target;
  const char *const text = name.c_str();
  const int length = static_cast<int>(name.size());
  name.resize(CallPg([=] { return pg_mbcliplen(text, length, NAMEDATALEN - 1); }));
  return name;
}

// Everything that can be refused before a row is read.
void Prepare(FunctionCallInfo fcinfo, Selection *selection) {
  CallPg([] {
    PreventCommandIfReadOnly("trails.model_selection()");
    PreventCommandDuringRecovery("trails.model_selection()");
  });
  LockCatalog();
  selection->call = ReadSelectionCall(fcinfo);
  SelectionCall &call = selection->call;
  selection->prepared = PrepareSource(&call);
  if (call.model_name.empty()) {
    call.model_name = DefaultModelName(selection->prepared.resolved, call.request.target);
  }
  selection->deadline.budget_seconds = call.budget.seconds;
}

// The engine's part of the budget ends before the statement's, for the catalog's rows.
RunControl Control(Selection *selection, const std::atomic<bool> *finish) {
  const SelectionOptions &options = selection->call.options;
  const std::int64_t candidates = std::min(options.keep_candidates, SpaceSize(options.space));
  const duration<double> most(selection->call.budget.seconds / 4);
  RunControl control;
  control.start = selection->deadline.start;
  control.deadline = selection->deadline.end() -
                     std::min<Clock::duration>(kStoringTime + candidates * kStoringTimeOfACandidate,
                                               duration_cast<Clock::duration>(most));
  control.finish = finish;
  control.progress = &selection->progress;
  return control;
}

StoredRun Store(Selection *selection, const ReadResult &read, std::string versions,
                const SelectionResult &result, ProgressSession *session) {
  selection->progress.Enter(Phase::kStoring);
  session->Publish(selection->progress);
  RunRecord record;
  record.call = &selection->call;
  record.source = selection->prepared.source;
  for (const ResolvedColumn &column : selection->prepared.resolved.features) {
    record.columns.push_back(column.name);
  }
  record.all_rows_read = read.complete;
  record.model_name = selection->call.model_name;
  record.versions = std::move(versions);
  record.start = selection->deadline.start;
  record.started_at = selection->started_at;
  return StoreRun(record, result);
}

Datum Answer(FunctionCallInfo fcinfo, const Selection &selection, const StoredRun &stored,
             const SelectionResult &result) {
  return MakeRecord(fcinfo, RowValues()
                                .AddBigint(stored.run_id)
                                .AddName(selection.call.model_name)
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
  Selection selection;
  selection.deadline.start = Clock::now();
  selection.started_at = GetCurrentTimestamp();
  Prepare(fcinfo, &selection);
  ProgressSession session(selection.call.request.relation, selection.deadline.start,
                          selection.deadline.end());

  // LibTorch is opened while the table is read.
  RunEngine([](std::stop_token) { StartOpeningEngine(); });
  const Clock::time_point reading = Clock::now();
  ReadResult read = ReadSource(selection.call, selection.prepared, selection.deadline,
                               &selection.progress, &session);
  const double reading_seconds = std::chrono::duration<double>(Clock::now() - reading).count();

  std::atomic<bool> finish{false};
  std::string versions;
  SelectionResult result = RunEngine(
      [&](std::stop_token stop) {
        Engine &engine = OpenEngine(stop);
        versions = engine.versions();
        RunControl control = Control(&selection, &finish);
        control.stop = std::move(stop);
        return engine.SelectModel(std::move(read.table), selection.call.options, control);
      },
      EngineCall{&selection.progress, &session, &finish});
  result.seconds.reading = reading_seconds;
  for (const Notice &notice : result.notices) Tell(notice);

  const StoredRun stored = Store(&selection, read, std::move(versions), result, &session);
  return Answer(fcinfo, selection, stored, result);
}
