// Statistics and quantisers of layers: in this session's memory, and in trails.cached_statistics, a
// row a column group.
//
// They never change: an intermediate's rows and parameters do not. Those of a foreign layer change
// with every batch of rows, cannot be made again, and are in trails.foreign_statistics alone.
//
// Values are decoded by them, so that of the right layer and of no other is what they must be: the
// bytes say whose they are.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/intermediates/statistics_bytes.h"
#include "pg/intermediate_reader.h"

namespace trails::pg {

// Memory that statistics may hold in one backend.
inline constexpr std::int64_t kStatisticsCacheBytes = std::int64_t{64} << 20;

// Those of all stored columns; null where a group's are missing. Those of a foreign layer may be of
// rows that were logged since `intermediate` was looked up. Throws PgError;
// Error(kCorruptData) whose DETAIL names the intermediate and the group, also for those of another
// group or of other rows.
// Cost: a look-up; the first time in a session some 2 us a column.
std::shared_ptr<const LayerStatistics> FindStatistics(CatalogSession &catalog,
                                                      const IntermediateRow &intermediate);

// Takes them out of the table where they are corrupt, so that they are made anew; of a foreign
// layer they cannot be. Throws PgError, as FindStatistics for a foreign layer. Cost: of
// FindStatistics, which then has them.
void ForgetCorruptStatistics(CatalogSession &catalog, const IntermediateRow &intermediate);

// Looks at whose they are: `group` against the intermediate. Returns what is wrong as a sentence,
// nothing where it is right. Of a foreign layer there may be more rows.
std::optional<std::string> WrongOwner(const GroupStatistics &group,
                                      const IntermediateRow &intermediate,
                                      std::int32_t first_column);

// Keeps them: for the session always, in the table where MayKeep. flops_per_row: Layer's.
// Throws PgError.
void KeepStatistics(CatalogSession &catalog, const IntermediateRow &intermediate,
                    double flops_per_row, std::shared_ptr<const LayerStatistics> statistics);

// Keeps those of a foreign layer in place of what was there. Throws PgError.
// Cost: some 1.3 kB a column.
void KeepForeignStatistics(CatalogSession &catalog, const IntermediateRow &intermediate,
                           const LayerStatistics &statistics);

}  // namespace trails::pg
