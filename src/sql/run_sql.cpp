// SQL surface of the upkeep of runs: forget_runs.
//
// May touch: src/pg and include/trails. Never Torch.
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/catalog.h"

extern "C" {
#include "miscadmin.h"
#include "utils/timestamp.h"
}

// trails.forget_runs(before timestamptz) -> bigint
TRAILS_PG_FUNCTION(trails_forget_runs) {
  trails::pg::CallPg([] {
    PreventCommandIfReadOnly("trails.forget_runs()");
    PreventCommandDuringRecovery("trails.forget_runs()");
  });
  trails::pg::RequireValue(fcinfo, 0, "before");
  PG_RETURN_INT64(trails::pg::ForgetRuns(PG_GETARG_TIMESTAMPTZ(0)));
}
