// The statements of a pipeline's stages.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trails::pg {

// The name under which a stage's rows are known to the statement; stage 0 is the source.
std::string StageName(std::int32_t stage);

// The query with each `$input` outside of literals, quoted names and comments replaced by `name`.
// Throws Error(kInvalidArgument) with a HINT where there is none.
std::string WithInput(std::int32_t stage, std::string_view query, std::string_view name);

// Throws Error(kInvalidArgument) unless the query is one SELECT (or VALUES, TABLE), without INTO,
// that reads `$input`; PgError where it cannot be parsed.
void CheckStageQuery(std::int32_t stage, const std::string &query);

// One statement that runs stages first + 1, first + 2, ... over the rows of stage `first`, which is
// there under StageName(first): WITH a query for each of `queries`, and all columns of the last.
std::string ChainStatement(std::int32_t first, const std::vector<std::string> &queries);

}  // namespace trails::pg
