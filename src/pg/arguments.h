// One argument of a SQL function: read, and checked as far as it can be checked alone.
//
// `position` counts from 0 in the SQL declaration; `name` is the argument's SQL name, for messages.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/bridge.h"

extern "C" {
#include "datatype/timestamp.h"
}

namespace trails::pg {

bool IsNull(FunctionCallInfo fcinfo, int position) noexcept;

// An argument that may not be NULL. Throw PgError (22004 when it is NULL).
std::string TextArgument(FunctionCallInfo fcinfo, int position, const char *name);
std::string NameArgument(FunctionCallInfo fcinfo, int position, const char *name);
std::int32_t IntegerArgument(FunctionCallInfo fcinfo, int position, const char *name);
Oid RelationArgument(FunctionCallInfo fcinfo, int position, const char *name);
// One dimension or none, no NULL inside: else Error(kInvalidArgument).
std::vector<std::int32_t> IntegersArgument(FunctionCallInfo fcinfo, int position, const char *name);
// Not below 0: else Error(kInvalidArgument).
std::uint64_t SeedArgument(FunctionCallInfo fcinfo, int position);

// An argument that may be NULL, which gives nothing, or an empty name.
//
// Throw Error(kInvalidArgument): for an empty name; an array of more than one dimension or with a
// NULL inside; a number below 1.
std::string OptionalName(FunctionCallInfo fcinfo, int position, const char *name);
std::optional<std::vector<std::string>> NamesArgument(FunctionCallInfo fcinfo, int position,
                                                      const char *name);
std::optional<std::vector<std::string>> TextsArgument(FunctionCallInfo fcinfo, int position,
                                                      const char *name);
std::optional<std::int64_t> PositiveArgument(FunctionCallInfo fcinfo, int position,
                                             const char *name);

// A budget of wall time: above 0, at most 30 days.
struct Budget {
  Interval interval{};
  double seconds = 0;
};

// Nothing for NULL. Throws Error(kInvalidArgument) outside the bounds.
std::optional<Budget> BudgetArgument(FunctionCallInfo fcinfo, int position);

// Throws PgError (22004) when the argument is NULL.
void RequireValue(FunctionCallInfo fcinfo, int position, const char *name);

}  // namespace trails::pg
