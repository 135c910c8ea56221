#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/space_catalog.h"

extern "C" {
#include "catalog/pg_type.h"
}

#include "core/space/candidate.h"
#include "pg/catalog_session.h"

namespace trails::pg {

namespace {

[[noreturn]] void ThrowUndefined(std::string_view name, std::string hint) {
  throw Error(ErrorKind::kUndefinedObject, fmt::format("search space \"{}\" does not exist", name),
              {}, std::move(hint));
}

bool IsBuiltIn(CatalogSession &catalog, std::string_view name) {
  SqlParameters parameters;
  parameters.AddText(name);
  return catalog.Read("SELECT FROM trails.search_space WHERE name = $1 AND owner IS NULL",
                      parameters) > 0;
}

}  // namespace

SearchSpace FindSearchSpace(std::string_view name) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddText(name).AddOid(catalog.caller());
    const std::uint64_t found = catalog.Read(
        "SELECT widths, min_layers::bigint, max_layers::bigint FROM trails.search_space "
        "WHERE name = $1 AND (owner IS NULL OR pg_has_role($2, owner::oid, 'USAGE')) "
        "ORDER BY owner = $2 DESC NULLS LAST, owner NULLS FIRST LIMIT 1",
        parameters);
    if (found == 0) {
      SqlParameters all;
      all.AddOid(catalog.caller());
      catalog.Read(
          "SELECT string_agg(quote_ident(name), ', ' ORDER BY space_id) FROM trails.search_space "
          "WHERE owner IS NULL OR pg_has_role($1, owner::oid, 'USAGE')",
          all);
      ThrowUndefined(name, fmt::format("Search spaces are {}; trails.add_search_space adds one.",
                                       catalog.Text(0, 0)));
    }
    SearchSpace space;
    space.name = std::string(name);
    space.widths = catalog.Integers(0, 0);
    space.min_layers = static_cast<std::int32_t>(catalog.Bigint(0, 1));
    space.max_layers = static_cast<std::int32_t>(catalog.Bigint(0, 2));
    CheckSearchSpace(space);
    return space;
  });
}

void AddSearchSpace(const SearchSpace &space) {
  if (space.name.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "name of a search space must not be empty");
  }
  CheckSearchSpace(space);
  WithCatalog([&](CatalogSession &catalog) {
    const bool built_in = IsBuiltIn(catalog, space.name);
    SqlParameters parameters;
    parameters.AddText(space.name)
        .AddArray(INT4OID, space.widths, IntegerElement)
        .AddInteger(space.min_layers)
        .AddInteger(space.max_layers)
        .AddOid(catalog.caller());
    if (built_in ||
        catalog.Write(
            "INSERT INTO trails.search_space (name, widths, min_layers, max_layers, owner) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            parameters) == 0) {
      throw Error(ErrorKind::kDuplicateObject,
                  fmt::format("search space \"{}\" already exists", space.name),
                  built_in ? "It is built in." : "",
                  built_in ? "Choose another name."
                           : "Choose another name, or drop it with trails.drop_search_space.");
    }
  });
}

void DropSearchSpace(std::string_view name) {
  WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddText(name).AddOid(catalog.caller());
    // The caller's own first: a member of several roles drops one space at a time.
    const std::uint64_t dropped = catalog.Write(
        "DELETE FROM trails.search_space WHERE space_id = ("
        "SELECT space_id FROM trails.search_space "
        "WHERE name = $1 AND owner IS NOT NULL AND pg_has_role($2, owner::oid, 'USAGE') "
        "ORDER BY owner = $2 DESC, owner LIMIT 1)",
        parameters);
    if (dropped > 0) return;
    if (!IsBuiltIn(catalog, name)) ThrowUndefined(name, {});
    const std::string text(name);
    const char *const words = text.c_str();
    CallPg([=] {
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                      errmsg("search space \"%s\" is built in", words)));
    });
  });
}

}  // namespace trails::pg
