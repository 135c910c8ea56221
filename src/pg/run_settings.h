// What a caller chose, as trails.run.settings keeps it.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "pg/call_options.h"

namespace trails::pg {

struct RunSetting {
  const char *key;
  std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>> value;
};

// One key for each choice that was made or has a default; what was left open has none.
using RunSettings = std::vector<RunSetting>;

RunSettings SettingsOf(const SelectionCall &call);
RunSettings SettingsOf(const TrainCall &call);

}  // namespace trails::pg
