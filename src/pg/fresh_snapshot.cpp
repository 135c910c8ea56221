#include "pg/fresh_snapshot.h"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/snapmgr.h"
}

#include "pg/intermediate_catalog.h"

namespace trails::pg {

namespace {

void Push() {
  CallPg([] {
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
  });
}

}  // namespace

FreshSnapshot::FreshSnapshot() {
  Push();
}

FreshSnapshot::~FreshSnapshot() {
  if (std::uncaught_exceptions() == exceptions_) PopActiveSnapshot();
}

void FreshSnapshot::Renew() {
  CallPg([] { PopActiveSnapshot(); });
  Push();
}

bool CanReadCache() noexcept {
  return !RecoveryInProgress();
}

bool MayKeep() noexcept {
  return MayWrite() && !IsolationUsesXactSnapshot();
}

}  // namespace trails::pg
