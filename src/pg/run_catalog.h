// Reads what the catalog holds of a finished run.
//
// May touch: src/core/report, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "core/report/run_report.h"

namespace trails::pg {

// The run with its trained candidates, their looks and the steps of its plan, as one snapshot shows
// them. Read as the caller: row security decides what there is. Texts are UTF-8 wherever the
// database's encoding can be converted.
// Throws Error(kUndefinedObject) for a run that the caller does not see; Error(kCorruptData) with
// its number where its rows are not what a run stores; PgError.
// Cost: some 3 us a candidate or look.
RunReport ReadRun(std::int64_t run_id);

}  // namespace trails::pg
