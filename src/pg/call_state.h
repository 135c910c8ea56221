// State of one call site of a SQL function for the length of a query: a C++ object in fn_extra.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <memory>

#include "pg/bridge.h"

namespace trails::pg {

// Returns the call site's State, made by its default constructor on the first call. It is
// destroyed with the memory context of the call site, also after an error.
// Throws PgError, and what the constructor throws.
template <typename State>
State &CallState(FunctionCallInfo fcinfo) {
  FmgrInfo *const site = fcinfo->flinfo;
  if (site->fn_extra == nullptr) {
    auto owned = std::make_unique<State>();
    State *const state = owned.get();
    CallPg([=] {
      auto *const callback = static_cast<MemoryContextCallback *>(
          MemoryContextAllocZero(site->fn_mcxt, sizeof(MemoryContextCallback)));
      callback->func = [](void *doomed) { delete static_cast<State *>(doomed); };
      callback->arg = state;
      MemoryContextRegisterResetCallback(site->fn_mcxt, callback);
    });
    site->fn_extra = owned.release();
  }
  return *static_cast<State *>(site->fn_extra);
}

}  // namespace trails::pg
