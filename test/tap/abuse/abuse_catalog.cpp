// SQL functions that ask the sessions of the catalog for what is not there, for 001_guards.pl.
//
// May touch: src/pg, include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/arguments.h"
#include "pg/catalog_session.h"

extern "C" {
#include "miscadmin.h"
#include "utils/builtins.h"
}

// abuse_missing_row(value text) -> never: reads a text, a number or an array ('text', 'bigint',
// 'integers') of a row that the statement did not find.
TRAILS_PG_FUNCTION(abuse_missing_row) {
  using namespace trails::pg;
  const std::string value = TextArgument(fcinfo, 0, "value");
  WithCatalog([&](CatalogSession &catalog) {
    catalog.Read("SELECT 'a'::text, 1::bigint, '{1}'::integer[] WHERE false", SqlParameters());
    if (value == "text") catalog.Text(0, 0);
    if (value == "bigint") catalog.Bigint(0, 1);
    if (value == "integers") catalog.Integers(0, 2);
  });
  PG_RETURN_NULL();
}

// abuse_null_inside() -> never: reads an array with NULL inside.
TRAILS_PG_FUNCTION(abuse_null_inside) {
  using namespace trails::pg;
  WithCatalog([](CatalogSession &catalog) {
    catalog.Read("SELECT '{1,NULL}'::integer[]", SqlParameters());
    catalog.Integers(0, 0);
  });
  PG_RETURN_NULL();
}

// abuse_caller() -> the roles on whose behalf a session, and one inside it, run; and the one that
// is current afterwards.
TRAILS_PG_FUNCTION(abuse_caller) {
  using namespace trails::pg;
  const auto [outer, inner] = WithCatalog([](CatalogSession &catalog) {
    const Oid within = WithCatalog([](CatalogSession &nested) { return nested.caller(); });
    return std::pair{catalog.caller(), within};
  });
  return CallPg([outer = outer, inner = inner] {
    return CStringGetTextDatum(psprintf("%s %s %s", GetUserNameFromId(outer, false),
                                        GetUserNameFromId(inner, false),
                                        GetUserNameFromId(GetUserId(), false)));
  });
}
