// The argument `options jsonb`: what few callers need.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include "pg/bridge.h"
#include "trails/options.h"

namespace trails::pg {

// Which options a function knows.
enum class OptionSet : std::uint8_t {
  kSelection,  // banks, dropout, keep_candidates, max_ids, threads
  kFiltering,  // banks, max_ids, threads
  kScoring,    // max_ids, threads
};

// Reads the JSON object at `position`, NULL being an empty one, and sets what it names; threads
// without being named too. threads: 1 to EngineThreads().
// Throws Error(kInvalidArgument) for anything but an object, for a key that is not in the set, and
// for a value of another type or outside its range; with a HINT that lists the keys.
void ReadJsonOptions(FunctionCallInfo fcinfo, int position, OptionSet set,
                     SelectionOptions *options);

}  // namespace trails::pg
