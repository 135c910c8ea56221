// The argument `options jsonb`: what few callers need.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include "pg/bridge.h"
#include "pg/call_options.h"

namespace trails::pg {

// Which options a function knows.
enum class OptionSet : std::uint8_t {
  kSelection = 1,   // banks, device, dropout, eta, history, keep_candidates, log, log_key,
                    // log_scheme, max_epochs, max_ids, only_filter, precision, threads
  kRefinement = 2,  // device, dropout, eta, max_epochs, max_ids, precision, threads
  kTraining = 4,    // device, dropout, log, log_key, log_scheme, max_ids, precision, threads
  kFiltering = 8,   // banks, device, max_ids, threads
  kScoring = 16,    // max_ids, threads
};

// Reads the JSON object at `position`, NULL being an empty one, and sets what it names; threads,
// device and precision without being named too, by the settings. threads: 1 to EngineThreads().
// A set of one phase has no device "hybrid"; where the setting says so, its phase decides.
// Throws Error(kInvalidArgument) for anything but an object, for a key that is not in the set, for
// a value of another type or outside its range, for a log_key or log_scheme without log, and for a
// precision with device "cpu"; with a HINT.
void ReadJsonOptions(FunctionCallInfo fcinfo, int position, OptionSet set, SourceCall *call);

}  // namespace trails::pg
