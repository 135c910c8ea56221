#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/named_object.h"

namespace trails::pg {

namespace {

// $1 is the text, $2 the caller. Visibility of models is the same as in the policy on trails.model.
// Of several versions the newest serves. Columns: model_id, owner, name, sealed, bytes, created_at,
// parts_seal, kind, default epoch.
constexpr const char *kModels =
    "SELECT DISTINCT ON (owner = $2, owner::oid) model_id, owner::oid AS owner, name, "
    "seal = trails.seal_of(m), bytes, created_at, parts_seal, 'model' AS kind, 0 AS epoch "
    "FROM trails.model AS m WHERE {} AND (pg_has_role($2, owner::oid, 'USAGE') "
    "OR 0::oid = ANY (readers::oid[]) OR EXISTS (SELECT FROM unnest(readers) AS reader "
    "WHERE pg_has_role($2, reader::oid, 'USAGE'))) "
    "ORDER BY owner = $2 DESC, owner::oid, model_id DESC LIMIT 2";
// One row an owner, the caller's own first; two rows of others tell that the name is ambiguous.
constexpr const char *kEverything =
    "SELECT DISTINCT ON (n.owner = $2, n.owner) n.* FROM (({0}) UNION ALL "
    "SELECT logged_id, owner::oid, name, seal = trails.seal_of(l), NULL, NULL, NULL, kind, "
    "(SELECT max(i.epoch) FROM trails.intermediate AS i WHERE i.logged_id = l.logged_id) "
    "FROM trails.logged AS l WHERE {1} AND kind <> 'model' "
    "AND pg_has_role($2, owner::oid, 'USAGE')) AS n "
    "ORDER BY n.owner = $2 DESC, n.owner, n.kind = 'model' DESC LIMIT 2";
constexpr const char *kIsName = "name = $1";
constexpr const char *kIsOwnerAndName = "concat(pg_get_userbyid(owner::oid), '.', name) = $1";

// Statements that find by the whole name, and by owner and name. Kept for the process, as the
// plans are known by the texts' addresses.
struct Statements {
  std::string by_name;
  std::string by_owner;
};

const Statements &ModelStatements() {
  static const auto *const statements = new Statements{
      fmt::format(fmt::runtime(kModels), kIsName),
      fmt::format(fmt::runtime(kModels), kIsOwnerAndName),
  };
  return *statements;
}

const Statements &EverythingStatements() {
  static const auto *const statements = new Statements{
      fmt::format(fmt::runtime(kEverything), ModelStatements().by_name, kIsName),
      fmt::format(fmt::runtime(kEverything), ModelStatements().by_owner, kIsOwnerAndName),
  };
  return *statements;
}

[[noreturn]] void ThrowNotUnique(const std::string &subject, const std::string &name,
                                 const char *detail) {
  const char *const what = subject.c_str();
  const char *const text = name.c_str();
  CallPg([=] {
    ereport(ERROR,
            (errcode(ERRCODE_AMBIGUOUS_FUNCTION), errmsg("%s is not unique", what),
             errdetail("%s", detail), errhint("Write it with its owner, as in 'owner.%s'.", text)));
  });
  pg_unreachable();
}

// Throws where the two rows that were found are both others'.
void RequireUnique(const CatalogSession &catalog, std::string_view name, std::uint64_t found) {
  if (found < 2 || catalog.ObjectId(0, 1) == catalog.caller()) return;
  if (catalog.Text(0, 7) == "model" && catalog.Text(1, 7) == "model") {
    ThrowNotUnique(fmt::format("model \"{}\"", name), std::string(name),
                   "Roles of several owners granted a model of this name.");
  }
  ThrowNotUnique(fmt::format("\"{}\"", name), std::string(name),
                 "Several owners have a model, pipeline or foreign model of this name.");
}

// The rule. find(statement) runs it, and returns the rows found. True: row 0 is what is meant.
template <typename Find>
bool Resolve(const CatalogSession &catalog, std::string_view name, const Statements &statements,
             Find find) {
  std::uint64_t found = find(statements.by_name);
  const bool is_own = found > 0 && catalog.ObjectId(0, 1) == catalog.caller();
  if (!is_own && name.find('.') != std::string_view::npos) {
    const std::uint64_t of_owner = find(statements.by_owner);
    found = of_owner > 0 ? of_owner : find(statements.by_name);
  }
  RequireUnique(catalog, name, found);
  return found > 0;
}

SqlParameters NameAndCaller(const CatalogSession &catalog, std::string_view name) {
  SqlParameters parameters;
  parameters.AddText(name).AddOid(catalog.caller());
  return parameters;
}

ModelRow ModelAt(const CatalogSession &catalog) {
  ModelRow row;
  row.key = {CatalogTable("model"), catalog.Bigint(0, 0), catalog.Bigint(0, 5)};
  row.owner = catalog.ObjectId(0, 1);
  row.name = catalog.Text(0, 2);
  row.is_sealed = catalog.Bool(0, 3);
  row.bytes = catalog.Bigint(0, 4);
  row.parts_seal = {catalog.Uuid(0, 6)};
  return row;
}

}  // namespace

std::optional<ModelRow> FindNamedModel(CatalogSession &catalog, std::string_view name) {
  const bool is_found =
      Resolve(catalog, name, ModelStatements(), [&](const std::string &statement) {
        return catalog.ReadOften(statement.c_str(), NameAndCaller(catalog, name));
      });
  if (!is_found) return std::nullopt;
  return ModelAt(catalog);
}

std::optional<NamedObject> FindNamed(CatalogSession &catalog, std::string_view name) {
  const bool is_found =
      Resolve(catalog, name, EverythingStatements(), [&](const std::string &statement) {
        return catalog.WriteOften(statement.c_str(), NameAndCaller(catalog, name));
      });
  if (!is_found) return std::nullopt;
  NamedObject object;
  const std::string kind = catalog.Text(0, 7);
  if (kind == "model") {
    object.model = ModelAt(catalog);
    return object;
  }
  object.kind = kind == "pipeline" ? LoggedKind::kPipeline : LoggedKind::kForeign;
  object.logged_id = catalog.Bigint(0, 0);
  object.owner = catalog.ObjectId(0, 1);
  object.name = catalog.Text(0, 2);
  object.is_sealed = catalog.Bool(0, 3);
  object.default_epoch = catalog.Integer(0, 8);
  return object;
}

void RefuseOwnModelName(CatalogSession &catalog, std::string_view name, const char *what) {
  if (catalog.WriteOften("SELECT FROM trails.model WHERE owner = $2 AND name = $1 LIMIT 1",
                         NameAndCaller(catalog, name)) == 0) {
    return;
  }
  throw Error(ErrorKind::kDuplicateObject, fmt::format("\"{}\" is the name of a model", name),
              "A model of yours comes before what else has its name.",
              fmt::format("Log the {} under another name.", what));
}

}  // namespace trails::pg
