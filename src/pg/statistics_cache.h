// Statistics and quantisers of layers: in this session's memory, and in trails.cached_statistics, a
// row a column group.
//
// They never change: an intermediate's rows and parameters do not.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>

#include "pg/intermediate_reader.h"

namespace trails::pg {

// Memory that statistics may hold in one backend.
inline constexpr std::int64_t kStatisticsCacheBytes = std::int64_t{64} << 20;

// Those of all stored columns; null where a group's are missing. Throws PgError;
// Error(kCorruptData) whose DETAIL names the intermediate and the group.
// Cost: a look-up; the first time in a session some 2 us a column.
std::shared_ptr<const LayerStatistics> FindStatistics(CatalogSession &catalog,
                                                      const IntermediateRow &intermediate);

// Keeps them: for the session always, in the table where MayKeep. flops_per_row: Layer's.
// Throws PgError.
void KeepStatistics(CatalogSession &catalog, const IntermediateRow &intermediate,
                    double flops_per_row, std::shared_ptr<const LayerStatistics> statistics);

}  // namespace trails::pg
