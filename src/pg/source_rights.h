// Who may see the rows of a relation that was logged.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>

#include "pg/bridge.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// The relation that has that schema and name, the one with this oid before one that only has its
// name; InvalidOid for none. `source`: as in trails.model.
Oid FindSource(CatalogSession &catalog, const std::string &source, Oid oid);

// A relation that row security filters for the role: this one, or one that a view is made of;
// InvalidOid for none. Throws PgError.
Oid FindGuarded(CatalogSession &catalog, Oid relation, Oid role);

// Refuses the rows of a relation for which there is one. Throws Error(kNotSupported), PgError.
void RefuseRowSecurity(CatalogSession &catalog, Oid relation, Oid role);

// What is said to a role that lacks SELECT on columns that were logged: PgError (42501), whose
// DETAIL names them. `what`: whose intermediates were asked for; dataset: in trails.dataset.
[[noreturn]] void ThrowNoSelect(CatalogSession &catalog, const std::string &what,
                                std::int64_t dataset, Oid relation);

// The same to who is not the owner of what was logged, once the source is gone.
[[noreturn]] void ThrowSourceIsGone(const std::string &what, const std::string &source);

}  // namespace trails::pg
