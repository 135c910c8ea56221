// Models that this backend has read, ready to predict.
//
// May touch: src/core/model, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <memory>
#include <string_view>

#include "core/model/predictor.h"
#include "pg/model_catalog.h"

namespace trails::pg {

// A model in memory. Shared by the cache and by the calls that use it, so that a model that leaves
// the cache, or is dropped, serves a query to its end. Backend's thread only.
struct LoadedModel {
  ModelRow row;
  Predictor predictor;

  const Model &model() const noexcept { return predictor.model(); }
  const TargetCode &target() const noexcept { return predictor.model().target; }
};

// Memory that models may hold in one backend when no query uses them.
inline constexpr std::int64_t kModelCacheBytes = std::int64_t{256} << 20;

// Returns the model of that name, read and decoded unless the cache has it. The least recently
// used models leave the cache when it holds more than kModelCacheBytes; the one returned stays.
// Throws what FindModel throws, so that a model that was dropped or revoked is not served, and
// Error(kCorruptData).
std::shared_ptr<LoadedModel> OpenModel(std::string_view name);
// The same of a row that FindModel gave.
std::shared_ptr<LoadedModel> OpenModel(ModelRow row);

}  // namespace trails::pg
