#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/source_rights.h"

extern "C" {
#include "catalog/pg_class.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
}

#include <vector>

#include "core/space/name_hint.h"

namespace trails::pg {

namespace {

// A view's rows come from what its rule names.
constexpr const char *kRelationsUnderRowSecurity =
    "WITH RECURSIVE below AS (SELECT $1 AS relation UNION "
    "SELECT d.refobjid FROM below JOIN pg_class AS c ON c.oid = below.relation "
    "JOIN pg_rewrite AS r ON r.ev_class = c.oid "
    "JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid "
    "AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid WHERE c.relkind = 'v') "
    "SELECT below.relation FROM below JOIN pg_class AS c ON c.oid = below.relation "
    "WHERE c.relrowsecurity";
// The columns of the data set $1 that role $2 may not read of the relation $3.
constexpr const char *kUnreadable =
    "SELECT quote_ident(c.name) FROM trails.dataset AS d, unnest(d.columns) AS c(name) "
    "WHERE d.dataset_id = $1 AND NOT coalesce((SELECT has_column_privilege($2, $3, a.attnum, "
    "'SELECT') FROM pg_attribute AS a WHERE a.attrelid = $3 AND a.attname = c.name "
    "AND NOT a.attisdropped), false) GROUP BY 1 ORDER BY 1";

// As PostgreSQL's own messages call it. Written like C.
const char *KindOf(Oid relation) {
  switch (get_rel_relkind(relation)) {
    case RELKIND_VIEW: return "view";
    case RELKIND_MATVIEW: return "materialized view";
    case RELKIND_FOREIGN_TABLE: return "foreign table";
    default: return "table";
  }
}

}  // namespace

Oid FindSource(CatalogSession &catalog, const std::string &source, Oid oid) {
  SqlParameters parameters;
  parameters.AddText(source).AddOid(oid);
  catalog.WriteOften(
      "SELECT coalesce((SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n "
      "ON n.oid = c.relnamespace WHERE c.oid = $2 AND format('%I.%I', n.nspname, c.relname) = $1), "
      "to_regclass($1)::oid, (SELECT oid FROM pg_class WHERE oid = $2))",
      parameters);
  return catalog.ObjectId(0, 0);
}

Oid FindGuarded(CatalogSession &catalog, Oid relation, Oid role) {
  SqlParameters parameters;
  parameters.AddOid(relation);
  const std::uint64_t count = catalog.WriteOften(kRelationsUnderRowSecurity, parameters);
  for (std::uint64_t row = 0; row < count; ++row) {
    const Oid guarded = catalog.ObjectId(row, 0);
    if (CallPg([=] { return check_enable_rls(guarded, role, true); }) == RLS_ENABLED) {
      return guarded;
    }
  }
  return InvalidOid;
}

void RefuseRowSecurity(CatalogSession &catalog, Oid relation, Oid role) {
  const Oid guarded = FindGuarded(catalog, relation, role);
  if (guarded == InvalidOid) return;
  const char *const name = CallPg([=] { return get_rel_name(guarded); });
  throw Error(
      ErrorKind::kNotSupported,
      fmt::format("row security is active for relation \"{}\"", name == nullptr ? "" : name),
      "Its policies cannot be applied to rows that are logged.",
      "A role that row security does not concern may do this.");
}

void ThrowNoSelect(CatalogSession &catalog, const std::string &what, std::int64_t dataset,
                   Oid relation) {
  SqlParameters parameters;
  parameters.AddBigint(dataset).AddOid(catalog.caller()).AddOid(relation);
  const std::uint64_t count = catalog.WriteOften(kUnreadable, parameters);
  std::vector<std::string> columns;
  for (std::uint64_t row = 0; row < count; ++row) columns.push_back(catalog.Text(row, 0));
  const std::string detail = fmt::format(
      "Intermediates of {} show rows of it, which needs SELECT on the columns that were logged; it "
      "is missing on {}.",
      what, ListNames(columns));
  const char *const text = detail.c_str();
  CallPg([=] {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for %s %s", KindOf(relation), get_rel_name(relation)),
                    errdetail_internal("%s", text)));
  });
  pg_unreachable();
}

void ThrowSourceIsGone(const std::string &what, const std::string &source) {
  const char *const of = what.c_str();
  const char *const relation = source.c_str();
  CallPg([=] {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for intermediates of %s", of),
                    errdetail("Relation %s, whose rows they are of, is gone, so that nobody but "
                              "their owner may read them.",
                              relation)));
  });
  pg_unreachable();
}

}  // namespace trails::pg
