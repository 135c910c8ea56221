#include "pg/advisory_lock.h"

#include <bit>

namespace trails::pg {

namespace {

// Far from what applications number their own locks with: "trai" of ASCII, plus the subject.
constexpr std::int32_t kFirstClass = 0x74726169;

}  // namespace

bool TryLockUntilCommit(CatalogSession &catalog, LockSubject subject, std::int64_t number) {
  // Two numbers that share their lower half only cost a chance to materialise.
  SqlParameters parameters;
  parameters.AddInteger(kFirstClass + static_cast<std::int32_t>(subject))
      .AddInteger(std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(number)));
  catalog.ReadOften("SELECT pg_try_advisory_xact_lock($1, $2)", parameters);
  return catalog.Bool(0, 0);
}

}  // namespace trails::pg
