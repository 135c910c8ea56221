// A memory context for as long as a scope lasts: what a batch of statements allocates is freed
// with it.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <exception>

#include "pg/bridge.h"

namespace trails::pg {

// Makes a new context below the current one and switches to it; at the end of the scope switches
// back and deletes it. While an exception unwinds that is left to the (sub)transaction abort.
// Throws PgError. Cost: below 1 us.
class MemoryScope {
 public:
  MemoryScope() : outer_(CurrentMemoryContext) {
    context_ = CallPg([] {
      return AllocSetContextCreate(CurrentMemoryContext, "trails batch", ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(context_);
  }
  ~MemoryScope() {
    if (std::uncaught_exceptions() != exceptions_) return;
    MemoryContextSwitchTo(outer_);
    MemoryContextDelete(context_);
  }
  MemoryScope(const MemoryScope &) = delete;
  MemoryScope &operator=(const MemoryScope &) = delete;

 private:
  const int exceptions_ = std::uncaught_exceptions();
  MemoryContext const outer_;
  MemoryContext context_ = nullptr;
};

}  // namespace trails::pg
