// Keeps what is materialised within trails.intermediate_max_bytes: the groups of lowest gamma make
// room for one of higher gamma.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "pg/catalog_session.h"

namespace trails::pg {

// Makes room for `bytes` more of a group of that gamma, and returns true; or false, and nothing has
// changed but garbage: where groups of lower gamma, of what is not pinned, would not make enough;
// where another transaction is making room; or where one is writing, so that no garbage can be
// collected. Without a bound there is room always. Inputs, parameters and
// whatever else is durable is never touched. Throws PgError.
// Cost: without a bound nothing; else a look at every partition's size, and where groups have to go
// some 50 us a group.
bool MakeRoom(CatalogSession &catalog, double gamma, std::int64_t bytes);

}  // namespace trails::pg
