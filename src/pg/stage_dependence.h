// What a stage's query depends on beside its input: relations, and functions that answer anew.
//
// A stage is run again whenever that takes less than reading what is stored of it, so that such a
// query may give other values for the same rows.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <string>

#include "pg/bridge.h"

extern "C" {
#include "nodes/pg_list.h"
}

namespace trails::pg {

// Tells, in one WARNING, which relations the statement reads beside the rows given to it, and which
// volatile functions, or such of the clock or the session, it calls; nothing where there are none.
// statement: analysed. what: 'stage 2 of pipeline "p"'. Not seen: what functions read or call.
// Throws PgError.
void WarnOfDependence(const std::string &what, List *statement);

}  // namespace trails::pg
