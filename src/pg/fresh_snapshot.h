// A snapshot that sees what this statement itself has written, and when the cache may be used.
//
// A statement that reads through SPI sees the database as its query began. What it has just
// materialised it would not see, nor what another session has materialised since.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <exception>

#include "pg/bridge.h"

namespace trails::pg {

// Makes a new snapshot the active one until the scope ends; while an exception unwinds, the abort
// of the (sub)transaction does that. Not nested with a scope that ends earlier.
// Throws PgError. Cost: below a microsecond.
class FreshSnapshot {
 public:
  FreshSnapshot();
  ~FreshSnapshot();
  FreshSnapshot(const FreshSnapshot &) = delete;
  FreshSnapshot &operator=(const FreshSnapshot &) = delete;

  // Replaces it by one that sees what was written since.
  void Renew();

 private:
  const int exceptions_ = std::uncaught_exceptions();
};

// True where what a query has found out may be kept for later ones: the transaction may write, and
// what others kept meanwhile is visible to it. With REPEATABLE READ and above it is not, and
// keeping the same thing would fail.
bool MayKeep() noexcept;

// False on a standby, where PostgreSQL refuses to look at UNLOGGED tables: there the cache is
// empty.
bool CanReadCache() noexcept;

}  // namespace trails::pg
