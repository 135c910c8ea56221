// Rows of trails.search_space.
//
// May touch: src/core/space, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <string_view>

#include "pg/bridge.h"
#include "trails/options.h"

namespace trails::pg {

// The space of that name that the caller added, or a built-in one, or one of a role whose
// privileges the caller has; in this order.
// Throws Error(kUndefinedObject) with a HINT that lists the caller's spaces; PgError.
SearchSpace FindSearchSpace(std::string_view name);

// Adds a space for the caller. Throws Error(kInvalidArgument) for a space that CheckSearchSpace
// refuses, kDuplicateObject when the caller has one of that name or it is built in; PgError.
void AddSearchSpace(const SearchSpace &space);

// Drops a space that the caller (or a role whose privileges the caller has) added.
// Throws Error(kUndefinedObject); PgError (42501) for a built-in one.
void DropSearchSpace(std::string_view name);

}  // namespace trails::pg
