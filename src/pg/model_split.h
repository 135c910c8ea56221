// Which rows a stored model was trained on: the rule of its split, in trails.model.
//
// May touch: src/core/data, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/data/split.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// The rule of the model's split; nothing where none was kept (Split::bounds). Throws PgError;
// Error(kCorruptData) where the model's row is not as it was written.
std::optional<SplitRule> FindSplitRule(std::int64_t model_id);

// The same for rows of a relation; nothing too, with a NOTICE, where a column that decides is not
// among its columns, or not for the caller to read. `name`: the model's. Throws
// as FindSplitRule.
std::optional<SplitRule> SplitRuleFor(std::int64_t model_id, const std::string &name, Oid relation);

}  // namespace trails::pg
