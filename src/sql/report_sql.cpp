// SQL surface of report: a finished run as one page.
//
// May touch: src/pg, src/core/report and include/trails. Never Torch.
#include "core/report/run_report.h"
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/result_rows.h"
#include "pg/run_catalog.h"

// trails.report(run_id bigint) -> text
TRAILS_PG_FUNCTION(trails_report) {
  trails::pg::RequireValue(fcinfo, 0, "run_id");
  return trails::pg::TextDatum(trails::RenderReport(trails::pg::ReadRun(PG_GETARG_INT64(0))));
}
