// Locks on things that are no rows, held until the transaction ends, taken by whoever comes first:
// nobody waits.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "pg/catalog_session.h"

namespace trails::pg {

enum class LockSubject : std::uint8_t {
  kIntermediate,  // who materialises it; its number
  kStorageBound,  // who makes room; 0
  kCostRates,     // who writes the rates; 0
  kStageRates,    // who writes those of a stage; its number
};

// False when another transaction has it; true when this one has it already, too. Throws PgError.
bool TryLockUntilCommit(CatalogSession &catalog, LockSubject subject, std::int64_t number);

}  // namespace trails::pg
