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
#include "pg/row_reader.h"
#include "pg/settings.h"
#include "pg/space_catalog.h"
#include "trails/engine.h"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

namespace trails::pg {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;

// What the rows of the catalog cost after the engine is done: 25 to 35 ms were measured for 4,700
// candidates on two busy cores. The engine itself ends earlier by what the model's bytes cost.
constexpr std::chrono::milliseconds kStoringTime{30};
constexpr std::chrono::microseconds kStoringTimeOfACandidate{8};

// Reading and encoding may take this share of the budget; what is not read by then is left out.
constexpr double kReadingShare = 0.6;

// Encoding one value on one thread, at most: sorting and counting included (bench/micro).
constexpr double kEncodingSeconds = 60e-9;

// ... but however small the budget, reading has this long, so that there is something to learn
// from and a model, at least the linear one, comes out.
constexpr std::chrono::milliseconds kLeastReadingTime{100};

struct Selection {
  SelectionCall call;
  SelectionOptions options;
  ResolvedRequest resolved;
  Clock::time_point start;
  Clock::time_point deadline;  // of the whole statement
  TimestampTz started_at = 0;
  std::string source;  // schema and name, quoted only where needed
  Progress progress;
};

Clock::duration Seconds(double seconds) {
  return duration_cast<Clock::duration>(duration<double>(seconds));
}

// The default name of a model: source_target, cut to a name's length between two characters.
std::string DefaultModelName(const ResolvedRequest &resolved, const std::string &target) {
  std::string name = resolved.name + "_" + target;
  const char *const text = name.c_str();
  const int length = static_cast<int>(name.size());
  name.resize(CallPg([=] { return pg_mbcliplen(text, length, NAMEDATALEN - 1); }));
  return name;
}

std::string QualifiedName(Oid relation) {
  return CallPg([=] {
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                      get_rel_name(relation));
  });
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
  selection->options = call.options;
  selection->options.space = FindSearchSpace(call.space);
  selection->options.memory_limit_bytes = MemoryLimitBytes();
  selection->resolved = DescribeColumns(call.request);
  CheckOptionsFit(selection->options, selection->resolved);
  selection->source = QualifiedName(call.request.relation);
  if (call.model_name.empty()) {
    call.model_name = DefaultModelName(selection->resolved, call.request.target);
  }
  selection->deadline = selection->start + Seconds(call.budget_seconds);
}

ReadResult Read(Selection *selection, ProgressSession *session) {
  ReadRequest request = selection->call.request;
  request.memory_limit_bytes = selection->options.memory_limit_bytes;
  request.read_until =
      std::max(selection->start + Seconds(selection->call.budget_seconds * kReadingShare),
               Clock::now() + kLeastReadingTime);
  request.seconds_per_value_after = kEncodingSeconds / selection->options.threads;
  request.progress = &selection->progress;
  request.progress_session = session;
  ReadResult read = ReadTable(request);
  read.table.relation = selection->resolved.name;  // messages put it in quotes themselves
  if (!read.complete) {
    Tell({NoticeLevel::kWarning,
          fmt::format("only the first {} rows of \"{}\" were used", read.table.rows(),
                      selection->resolved.name),
          fmt::format("Reading and encoding may take {:.0f} % of the budget.", 100 * kReadingShare),
          "Give a larger budget, or a view that shows a sample of the rows."});
  }
  return read;
}

// The engine's part of the budget ends before the statement's, for the catalog's rows.
RunControl Control(Selection *selection, const std::atomic<bool> *finish) {
  RunControl control;
  control.start = selection->start;
  const SelectionOptions &options = selection->options;
  const std::int64_t candidates =
      std::min(options.n.value_or(kDefaultScored), SpaceSize(options.space));
  control.deadline = selection->deadline -
                     std::min<Clock::duration>(kStoringTime + candidates * kStoringTimeOfACandidate,
                                               Seconds(selection->call.budget_seconds / 4));
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
  record.options = &selection->options;
  record.source = selection->source;
  for (const ResolvedColumn &column : selection->resolved.features) {
    record.columns.push_back(column.name);
  }
  record.all_rows_read = read.complete;
  record.model_name = selection->call.model_name;
  record.versions = std::move(versions);
  record.start = selection->start;
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
  selection.start = Clock::now();
  selection.started_at = GetCurrentTimestamp();
  Prepare(fcinfo, &selection);
  ProgressSession session(selection.call.request.relation, selection.start, selection.deadline);

  // LibTorch is opened while the table is read.
  RunEngine([](std::stop_token) { StartOpeningEngine(); });
  const Clock::time_point reading = Clock::now();
  ReadResult read = Read(&selection, &session);
  const double reading_seconds = std::chrono::duration<double>(Clock::now() - reading).count();

  std::atomic<bool> finish{false};
  std::string versions;
  SelectionResult result = RunEngine(
      [&](std::stop_token stop) {
        Engine &engine = OpenEngine(stop);
        versions = engine.versions();
        RunControl control = Control(&selection, &finish);
        control.stop = std::move(stop);
        return engine.SelectModel(std::move(read.table), selection.options, control);
      },
      EngineCall{&selection.progress, &session, &finish});
  result.seconds.reading = reading_seconds;
  for (const Notice &notice : result.notices) Tell(notice);

  const StoredRun stored = Store(&selection, read, std::move(versions), result, &session);
  return Answer(fcinfo, selection, stored, result);
}
