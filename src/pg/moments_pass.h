// First and second moments of layers side by side, on engine threads.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/intermediates/moments.h"
#include "pg/intermediate_reader.h"

namespace trails::pg {

// The moments of all columns of the queries, one query after the other. The same bits whatever
// trails.threads is. Throws as ReadSideBySide; Error(kLimit) for more than Moments::kMostColumns
// columns; PgError on cancel, within some 10 ms of work.
// Cost: rows * columns^2 / 2 multiplications and additions, shared out to at most 4 threads.
Moments MomentsOf(const std::vector<IntermediateQuery> &queries);

}  // namespace trails::pg
