// The argument `options jsonb`: what few callers need.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include "pg/bridge.h"
#include "pg/call_options.h"

namespace trails::pg {

// Which options a function knows.
enum class OptionSet : std::uint8_t {
  kSelection = 1,   // banks, dropout, eta, history, keep_candidates, log, log_key, log_scheme,
                    // max_epochs, max_ids, only_filter, threads
  kRefinement = 2,  // dropout, eta, max_epochs, max_ids, threads
  kTraining = 4,    // dropout, log, log_key, log_scheme, max_ids, threads
  kFiltering = 8,   // banks, max_ids, threads
  kScoring = 16,    // max_ids, threads
};

// Reads the JSON object at `position`, NULL being an empty one, and sets what it names; threads
// without being named too. threads: 1 to EngineThreads().
// Throws Error(kInvalidArgument) for anything but an object, for a key that is not in the set, for
// a value of another type or outside its range, and for a log_key or log_scheme without log; with a
// HINT.
void ReadJsonOptions(FunctionCallInfo fcinfo, int position, OptionSet set, SourceCall *call);

}  // namespace trails::pg
