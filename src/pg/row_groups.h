// Groups of the logged rows, by the target or by a categorical feature.
//
// May touch: src/core/model, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model.h"
#include "pg/intermediate_reader.h"

namespace trails::pg {

struct RowGroups {
  // Names of the groups, in the order of the values; nothing: rows whose value is NULL.
  std::vector<std::optional<std::string>> names;
  std::vector<std::int32_t> group;  // [rows], into names; -1: no label, or one that no class has
};

// by: 'target', whose classes are the groups; or a categorical feature of the model, or one that
// has a categorical twin. Values that training saw too rarely for an id of their own are one group,
// '(other)', and NULL is another one where it has its own id.
// Throws Error(kInvalidArgument) for a target that is a number, a feature that is one alone, and a
// column that is no feature, with a HINT that lists those that serve. Memory: 4 bytes a row.
RowGroups GroupRows(const LoggedRow &logged, const Model &model, std::string_view by);

// Those of the query's layer: of a pipeline's stage by any column of it, of a foreign layer by its
// labels ('target'). Throws as the above, GroupStageRows and GroupByLabel.
RowGroups GroupRows(const IntermediateQuery &query, std::string_view by);

// Position of the group named `name`. Throws Error(kInvalidArgument) with a HINT that lists some.
std::int32_t FindGroup(const RowGroups &groups, std::string_view by, std::string_view name);

}  // namespace trails::pg
