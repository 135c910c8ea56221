// Settings under which a relation is read from its first row to its last.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <exception>

#include "pg/bridge.h"

extern "C" {
#include "utils/guc.h"
}

namespace trails::pg {

// Settings of the read, back to what they were at the end of the scope. While an exception
// unwinds the (sub)transaction abort does it. Throws PgError.
class ScanSettings {
 public:
  ScanSettings() {
    level_ = CallPg([] {
      const int level = NewGUCNestLevel();
      const auto off = [](const char *name) {
        (void)set_config_option(name, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                                false);
      };
      off("synchronize_seqscans");  // the order of rows must not depend on other sessions
      off("jit");                   // compiling costs more than it saves in a bare scan
      return level;
    });
  }
  ~ScanSettings() {
    if (std::uncaught_exceptions() == exceptions_) AtEOXact_GUC(true, level_);
  }
  ScanSettings(const ScanSettings &) = delete;
  ScanSettings &operator=(const ScanSettings &) = delete;

 private:
  const int exceptions_ = std::uncaught_exceptions();
  int level_ = 0;
};

}  // namespace trails::pg
