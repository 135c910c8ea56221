// The row of trails.run.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include "pg/catalog.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// What is known of a run once the rest is stored.
struct StoredParts {
  StoredRun run;
  std::int64_t model_id = 0;
  double storing_seconds = 0;
  double logging_seconds = 0;
};

// Inserts the row for the caller. Throws PgError.
void StoreRunRow(CatalogSession &catalog, const RunRecord &record, const SelectionResult &result,
                 const StoredParts &stored);

}  // namespace trails::pg
