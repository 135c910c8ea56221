// Rows of the extension's tables that do not fit together, found by queries.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <vector>

#include "pg/catalog_session.h"
#include "pg/store_check.h"

namespace trails::pg {

// As of the active snapshot. unsound: intermediates whose shape or rows cannot be, and which rules
// that count with them leave out. Throws PgError.
std::vector<StoreProblem> CheckRules(CatalogSession &catalog,
                                     const std::vector<std::int64_t> &unsound);

}  // namespace trails::pg
