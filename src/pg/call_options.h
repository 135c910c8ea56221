// Arguments of SQL functions, read and checked before any work is done.
//
// May touch: src/core/space, src/core/data, include/trails, PostgreSQL headers (through
// bridge.h). Never Torch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pg/bridge.h"
#include "pg/row_reader.h"
#include "trails/options.h"

extern "C" {
#include "datatype/timestamp.h"
}

namespace trails::pg {

// An argument that may not be NULL; `name` is its SQL name, for the message.
// Throw PgError (22004 when it is NULL).
std::string TextArgument(FunctionCallInfo fcinfo, int position, const char *name);
std::string NameArgument(FunctionCallInfo fcinfo, int position, const char *name);
std::int32_t IntegerArgument(FunctionCallInfo fcinfo, int position, const char *name);
Oid RelationArgument(FunctionCallInfo fcinfo, int position, const char *name);
// One dimension or none, no NULL inside: else Error(kInvalidArgument).
std::vector<std::int32_t> IntegersArgument(FunctionCallInfo fcinfo, int position, const char *name);

// The arguments of trails.model_selection.
struct SelectionCall {
  ReadRequest request;       // what to read; limits and progress are the caller's to set
  SelectionOptions options;  // but for the space and the memory limit
  std::string space;         // name of a search space
  std::string model_name;    // empty: source_target
  Interval budget{};
  double budget_seconds = 0;
};

// Reads them in the order of the SQL declaration.
//
// Throws PgError (22004) for a NULL where one is not allowed; Error(kInvalidArgument) for a budget
// of nothing or above 30 days, for n, k, u below 1, k above n, a negative seed, an empty name, a
// word that is not known, an option that is not known or of another type. Looks at no table.
SelectionCall ReadSelectionCall(FunctionCallInfo fcinfo);

// Checks what can be known of the options before reading: columns named in categorical and
// numerical are features, none in both, those in numerical no text.
// Throws Error: kInvalidArgument, kUndefinedColumn.
void CheckOptionsFit(const SelectionOptions &options, const ResolvedRequest &resolved);

}  // namespace trails::pg
