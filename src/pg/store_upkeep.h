// The upkeep of what was logged: dropping, pinning, expiring, garbage.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/bridge.h"
#include "pg/partition_store.h"

extern "C" {
#include "datatype/timestamp.h"
}

namespace trails::pg {

// These three, of one version of a model or of all, throw as LockOwnLogged.
void DropIntermediates(std::string_view model, std::optional<std::int32_t> version);
void PinIntermediates(std::string_view model, bool pinned, std::optional<std::int32_t> version);
// `age` from now; nothing: never. Throws Error(kInvalidArgument) for an age that is negative.
void ExpireAfter(std::string_view model, const std::optional<Interval> &age,
                 std::optional<std::int32_t> version);

struct Expired {
  std::string name;
  Oid owner = InvalidOid;
  TimestampTz expired_at = 0;
  std::int64_t rows = 0;
  std::int32_t version = 0;  // of a model; 0 for what has none
};

// What the caller, or a role whose privileges the caller has, logged, whose time has passed and
// that is not pinned; drops it unless `dry_run`, and then sees to a bound of the cache that was
// lowered (KeepWithinBound). What another transaction is using is left for another time.
// Throws PgError.
std::vector<Expired> Expire(bool dry_run);

// CollectGarbage, and KeepWithinBound; what both deleted. Throws as they do.
Garbage CollectAllGarbage();

}  // namespace trails::pg
