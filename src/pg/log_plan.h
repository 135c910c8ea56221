// Whether the model of a call with option "log" will be logged at its end, and how long that may
// take: decided once the source is read, before any training.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <optional>
#include <string>

#include "core/intermediates/scheme.h"
#include "pg/call_options.h"
#include "pg/source_reader.h"
#include "pg/source_run.h"

namespace trails::pg {

struct PlannedLog {
  Scheme scheme;               // see SchemeOf
  double planned_seconds = 0;  // LoggingSeconds
};

// What can be refused before a row is read: throws what CheckTrainingLog throws. Nothing for a call
// without the option.
void CheckLogOption(const SourceCall &call);

// The logging that the call asks for, if any; nothing, with a WARNING about `what` (model "m"),
// where reading the rows again would take more than half of what is left of the budget, or not all
// of them were read.
std::optional<PlannedLog> PlanLog(const SourceCall &call, const PreparedSource &prepared,
                                  const std::string &what, const SourceRun &run,
                                  const Deadline &deadline);

// `share` with time for the logging after the engine.
EngineShare WithLogging(EngineShare share, const std::optional<PlannedLog> &log);

}  // namespace trails::pg
