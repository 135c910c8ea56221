#include "core/coordinator/field.h"

#include <fmt/format.h>

namespace trails {

std::string StepName(Stage stage, std::int32_t rung) {
  switch (stage) {
    case Stage::kRung: return fmt::format("rung {}", rung + 1);
    case Stage::kSeeds: return "seeds";
    case Stage::kFinal: return "final training";
  }
  return {};
}

}  // namespace trails
