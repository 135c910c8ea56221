// SPI_connect ... SPI_finish as a scope.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <exception>

#include "pg/bridge.h"

extern "C" {
#include "executor/spi.h"
}

namespace trails::pg {

// Connects to SPI and makes its procedure context current; finishes and puts the caller's
// context back at the end of the scope. While an exception unwinds, finishing is left to the
// (sub)transaction abort that follows it.
//
// What must outlive the session is allocated in the caller's context: switch to outer().
// Throws PgError.
class SpiSession {
 public:
  SpiSession() : outer_(CurrentMemoryContext) {
    CallPg([] {
      if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
    });
  }
  ~SpiSession() {
    if (std::uncaught_exceptions() == exceptions_) SPI_finish();
  }
  SpiSession(const SpiSession &) = delete;
  SpiSession &operator=(const SpiSession &) = delete;

  MemoryContext outer() const noexcept { return outer_; }

 private:
  const int exceptions_ = std::uncaught_exceptions();
  MemoryContext const outer_;
};

}  // namespace trails::pg
