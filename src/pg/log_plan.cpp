#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/log_plan.h"

#include <chrono>
#include <iterator>
#include <utility>

#include "pg/model_logger.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

constexpr double kMostShare = 0.5;  // of what is left of the budget

Scheme SchemeOfLog(const SourceCall &call) {
  return call.log_scheme.value_or(IntermediateScheme());
}

void TellNotLogged(const std::string &what, std::string detail) {
  Tell({NoticeLevel::kWarning, fmt::format("intermediates of {} are not logged", what),
        std::move(detail),
        "Give a larger budget, or log them later with trails.log_intermediates, without epochs."});
}

}  // namespace

void CheckLogOption(const SourceCall &call) {
  if (call.log) CheckTrainingLog(call.request.relation, SchemeOfLog(call));
}

std::optional<PlannedLog> PlanLog(const SourceCall &call, const PreparedSource &prepared,
                                  const std::string &what, const SourceRun &run,
                                  const Deadline &deadline) {
  if (!call.log) return std::nullopt;
  if (!run.all_rows_read()) {
    TellNotLogged(what, "The budget was too short to read all rows, let alone twice.");
    return std::nullopt;
  }
  PlannedLog log;
  log.scheme = SchemeOfLog(call);
  log.planned_seconds =
      LoggingSeconds(run.reading_seconds(), run.rows(), std::ssize(prepared.resolved.features) + 1);
  if (!deadline.budget_seconds) return log;
  const std::chrono::duration<double> left = deadline.end() - Clock::now();
  if (log.planned_seconds <= kMostShare * left.count()) return log;
  TellNotLogged(what, fmt::format("Reading the rows again was expected to take {:.1f} s, of {:.1f} "
                                  "s that were left of the budget.",
                                  log.planned_seconds, left.count()));
  return std::nullopt;
}

EngineShare WithLogging(EngineShare share, const std::optional<PlannedLog> &log) {
  if (log) {
    share.after += std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(log->planned_seconds));
  }
  return share;
}

}  // namespace trails::pg
