// Seals of the catalog's rows that say what is stored, by which a reader knows that a row is as it
// was written: trails.seal_of says over which columns.
//
// Whoever writes such a row seals it; whoever answers by one asks for `seal = trails.seal_of(row)`
// with it and throws where that is not so. Dropping asks for nothing, so that what is corrupt can
// be got rid of. No defence against somebody who computes seals.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "pg/catalog_session.h"

namespace trails::pg {

enum class SealedTable : std::uint8_t { kModel, kDataset, kLogged, kStage, kIntermediate };

// Seals the row of that number (logged_id of a stage: all of the pipeline's), which this
// transaction wrote or found sound. Throws PgError. Cost: some 30 us, an UPDATE.
void SealRow(CatalogSession &catalog, SealedTable table, std::int64_t number);

// Throws Error(kCorruptData) that names the row.
[[noreturn]] void ThrowUnsealed(SealedTable table, std::int64_t number);

// Throws Error(kCorruptData) that names the row where the seal does not hold.
inline void RequireSealed(bool is_sealed, SealedTable table, std::int64_t number) {
  if (!is_sealed) ThrowUnsealed(table, number);
}

// Throws Error(kCorruptData): the row of that number, which others refer to, is gone.
[[noreturn]] void ThrowMissingRow(SealedTable table, std::int64_t number, const char *detail);

}  // namespace trails::pg
