// First and second moments of layers side by side, on engine threads.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/intermediates/moments.h"
#include "pg/intermediate_reader.h"
#include "pg/row_pairs.h"

namespace trails::pg {

// The moments of all columns of a, then those of b, over the pairs of their rows. The same bits
// whatever trails.threads is. Throws as ReadPairs; Error(kLimit) for more than
// Moments::kMostColumns columns; PgError on cancel, within some 10 ms of work. Cost: rows *
// columns^2 / 2 multiplications and additions, shared out to at most 4 threads.
Moments MomentsOf(const IntermediateQuery &a, const IntermediateQuery &b, const RowPairs &pairs);

}  // namespace trails::pg
