// A relation read by a client: COPY through libpq into the columns that the engine takes.
//
// May touch: libpq, include/trails.
#pragma once

#include <string>

#include "trails/columns.h"

namespace trails::bench {

// Reads all columns of `relation`, as in SQL, from the server that libpq's environment names:
// `target`, `split`, and the others as features. Integers, float4, float8, numeric, boolean and
// text types; what the server would read of them, so that the engine sees the same table.
// Throws Error(kNotSupported) for a column of another type, Error(kUndefinedColumn), and
// Error(kInternal) with the server's words.
Table ReadThroughLibpq(const std::string &relation, const std::string &target,
                       const std::string &split);

}  // namespace trails::bench
