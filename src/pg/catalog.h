// Stores a finished run: trails.run, trails.step, trails.candidate, trails.epoch, trails.model and
// trails.model_part, and what option "log" asks for. Forgets old ones.
//
// Everything is written in the calling statement's transaction, so that an error or a cancel
// leaves nothing.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/call_options.h"
#include "pg/log_plan.h"
#include "pg/run_settings.h"
#include "pg/source_reader.h"
#include "trails/progress.h"
#include "trails/result.h"

namespace trails::pg {

// Rows of trails.model_part hold at most this; far below the 1 GB that a value may have.
inline constexpr std::size_t kModelPartBytes = std::size_t{16} << 20;

// What is stored besides the engine's result.
struct RunRecord {
  const SourceCall *call = nullptr;
  std::optional<Budget> budget;
  RunSettings settings;
  std::string source;                // schema and name
  std::vector<std::string> columns;  // features read
  bool all_rows_read = true;
  std::string model_name;
  std::string versions;
  Clock::time_point start;
  TimestampTz started_at = 0;  // the same moment, for people
  double planned_storing_seconds = kNoMetric;
  std::optional<PlannedLog> log;
};

// What was measured and numbered while storing.
struct StoredRun {
  std::int64_t run_id = 0;
  double seconds = 0;  // from start to the last row stored but those of the steps and the run
  std::int64_t over_budget_ms = 0;  // 0 without a budget
};

// Takes the locks that StoreRun's inserts take, before the work: DROP EXTENSION meanwhile then
// waits for the run, instead of meeting it at the end in a deadlock. Others may read and write.
// `logs`: the same for LogTraining. Throws PgError, Error(kUndefinedObject) when the extension is
// not created in this database.
void LockCatalog(bool logs);

// What StoreRun takes at most, but for the model's bytes, for which the engine itself leaves time;
// not more than a quarter of the budget.
Clock::duration StoringTime(const SelectionOptions &options, const Deadline &deadline);

// Stores all rows for the caller, and logs the model where record.log says so. A new version of a
// model keeps the readers of the one before. Throws PgError, what LogTraining throws.
// Cost: some 2 us a candidate or epoch; 6 ms a MB of the model; LogTraining's.
StoredRun StoreRun(const RunRecord &record, const SelectionResult &result);

// Deletes the caller's own runs that started before that moment, with their steps, candidates and
// epochs; models stay. Returns how many runs. Throws PgError.
std::int64_t ForgetRuns(TimestampTz before);

}  // namespace trails::pg
