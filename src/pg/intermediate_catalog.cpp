#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_catalog.h"

extern "C" {
#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
}

#include <limits>
#include <list>
#include <utility>

#include "core/model/artefact.h"
#include "pg/model_cache.h"
#include "pg/partition_store.h"

namespace trails::pg {

namespace {

// What FindLogged asks; $2 is the caller. Privileges on the columns do when there are none on the
// whole relation; a column that is gone nobody may read.
constexpr const char *kFindByModel =
    "SELECT l.logged_id, l.kind, l.owner::oid, l.model_id, d.dataset_id, d.intermediate_id, "
    "d.source, r.relation, d.rows, d.categorical, d.numeric, "
    "d.key IS NOT NULL, r.relation IS NULL OR has_table_privilege($2, r.relation, 'SELECT') "
    "OR NOT EXISTS (SELECT FROM unnest(d.columns) AS c(name) WHERE NOT coalesce("
    "(SELECT has_column_privilege($2, r.relation, a.attnum, 'SELECT') FROM pg_attribute AS a "
    "WHERE a.attrelid = r.relation AND a.attname = c.name AND NOT a.attisdropped), false)) "
    "FROM trails.logged AS l JOIN trails.dataset AS d USING (dataset_id), "
    "LATERAL (SELECT coalesce((SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n "
    "ON n.oid = c.relnamespace WHERE c.oid = d.source_oid "
    "AND format('%I.%I', n.nspname, c.relname) = d.source), "
    "(SELECT c.oid FROM pg_class AS c WHERE c.oid = to_regclass(d.source) "
    "AND pg_has_role(c.relowner, l.owner::oid, 'USAGE'))) "
    "AS relation) AS r "
    "WHERE l.model_id = $1";
// Pipelines and foreign models: the owner's alone.
constexpr const char *kFindByName =
    "SELECT l.logged_id, l.kind, l.owner::oid, "
    "(SELECT max(i.epoch) FROM trails.intermediate AS i WHERE i.logged_id = l.logged_id) "
    "FROM trails.logged AS l WHERE l.name = $1 AND pg_has_role($2, l.owner::oid, 'USAGE') "
    "ORDER BY l.owner = $2 DESC, l.logged_id LIMIT 1";
constexpr const char *kListIntermediates =
    "SELECT intermediate_id, epoch, layer, shape, rows, scheme FROM trails.intermediate "
    "WHERE logged_id = $1 AND epoch = $2 ORDER BY position";
constexpr const char *kFindIntermediate =
    "SELECT intermediate_id, epoch, layer, shape, rows, scheme FROM trails.intermediate "
    "WHERE logged_id = $1 AND epoch = $2 AND layer = $3";
// A view's rows come from what its rule names.
constexpr const char *kRelationsUnderRowSecurity =
    "WITH RECURSIVE below AS (SELECT $1 AS relation UNION "
    "SELECT d.refobjid FROM below JOIN pg_class AS c ON c.oid = below.relation "
    "JOIN pg_rewrite AS r ON r.ev_class = c.oid "
    "JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid "
    "AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid WHERE c.relkind = 'v') "
    "SELECT below.relation FROM below JOIN pg_class AS c ON c.oid = below.relation "
    "WHERE c.relrowsecurity";

SqlParameters Number(std::int64_t number) {
  SqlParameters parameters;
  parameters.AddBigint(number);
  return parameters;
}

void CheckSource(CatalogSession &catalog, const LoggedRow &logged, bool may_select) {
  const Oid caller = catalog.caller();
  const Oid owner = logged.owner;
  const Oid relation = logged.dataset.source_oid;
  const char *const name = logged.name.c_str();
  const char *const source = logged.dataset.source.c_str();
  CallPg([=] {
    if (relation != InvalidOid && !may_select) {
      aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relation)),
                     get_rel_name(relation));
    }
    if (relation == InvalidOid && !has_privs_of_role(caller, owner)) {
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                      errmsg("permission denied for intermediates of \"%s\"", name),
                      errdetail("Relation %s, whose rows they are of, is gone, so that nobody but "
                                "their owner may read them.",
                                source)));
    }
  });
  if (relation != InvalidOid) RefuseRowSecurity(catalog, relation, caller);
}

std::optional<LoggedRow> FindLoggedModel(CatalogSession &catalog, const ModelRow &model) {
  SqlParameters parameters = Number(model.key.model_id);
  parameters.AddOid(catalog.caller());
  if (catalog.WriteOften(kFindByModel, parameters) == 0) return std::nullopt;
  LoggedRow logged;
  logged.logged_id = catalog.Bigint(0, 0);
  logged.kind = LoggedKind::kModel;
  logged.name = model.name;
  logged.owner = catalog.ObjectId(0, 2);
  logged.model_id = catalog.Bigint(0, 3);
  logged.model = model;
  DatasetRow &dataset = logged.dataset;
  dataset.dataset_id = catalog.Bigint(0, 4);
  dataset.intermediate_id = catalog.Bigint(0, 5);
  dataset.source = catalog.Text(0, 6);
  dataset.source_oid = catalog.ObjectId(0, 7);
  dataset.rows = catalog.Bigint(0, 8);
  dataset.categorical = catalog.Integer(0, 9);
  dataset.numeric = catalog.Integer(0, 10);
  dataset.has_key = catalog.Bool(0, 11);
  CheckSource(catalog, logged, catalog.Bool(0, 12));
  return logged;
}

std::optional<LoggedRow> FindLoggedName(CatalogSession &catalog, std::string_view name) {
  SqlParameters parameters;
  parameters.AddText(name).AddOid(catalog.caller());
  if (catalog.WriteOften(kFindByName, parameters) == 0) return std::nullopt;
  LoggedRow logged;
  logged.logged_id = catalog.Bigint(0, 0);
  logged.kind = catalog.Text(0, 1) == "pipeline" ? LoggedKind::kPipeline : LoggedKind::kForeign;
  logged.name = name;
  logged.owner = catalog.ObjectId(0, 2);
  logged.default_epoch = catalog.Integer(0, 3);
  return logged;
}

[[noreturn]] void ThrowNotLogged(std::string_view name) {
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("intermediates of model \"{}\" are not logged", name), {},
              "Log them with trails.log_intermediates.");
}

Scheme StoredScheme(const std::string &text, std::int64_t intermediate) {
  try {
    return ParseScheme(text);
  } catch (const Error &error) {
    throw Error(ErrorKind::kCorruptData,
                fmt::format("scheme of intermediate {} is corrupt", intermediate), error.what());
  }
}

IntermediateRow RowAt(const CatalogSession &catalog, const LoggedRow &logged, std::uint64_t row) {
  IntermediateRow found;
  found.is_foreign = logged.kind == LoggedKind::kForeign;
  found.is_stage = logged.kind == LoggedKind::kPipeline;
  found.intermediate_id = catalog.Bigint(row, 0);
  found.epoch = catalog.Integer(row, 1);
  found.layer = catalog.Text(row, 2);
  const std::vector<std::int32_t> shape = catalog.Integers(row, 3);
  found.rows = catalog.Bigint(row, 4);
  const bool is_model = logged.kind == LoggedKind::kModel;
  if (!IsPossible(shape, found.rows) || (is_model && found.rows != logged.dataset.rows)) {
    throw Error(ErrorKind::kCorruptData,
                fmt::format("shape or rows of intermediate {} are corrupt", found.intermediate_id));
  }
  found.shape = {shape[0], shape[1], shape[2]};
  // Values of stages are kept exactly, and given out as reals as they are.
  found.scheme = found.is_stage ? Scheme{SchemeKind::kF32}
                                : StoredScheme(catalog.Text(row, 5), found.intermediate_id);
  return found;
}

std::vector<IntermediateRow> ListAt(CatalogSession &catalog, const LoggedRow &logged,
                                    std::int32_t epoch) {
  SqlParameters parameters = Number(logged.logged_id);
  parameters.AddInteger(epoch);
  const std::uint64_t count = catalog.WriteOften(kListIntermediates, parameters);
  std::vector<IntermediateRow> rows;
  for (std::uint64_t row = 0; row < count; ++row) rows.push_back(RowAt(catalog, logged, row));
  return rows;
}

[[noreturn]] void ThrowGone(const LoggedRow &logged) {
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("what was logged of \"{}\" does not exist any more", logged.name),
              "It was dropped by another session.");
}

[[noreturn]] void ThrowNoEpoch(CatalogSession &catalog, const LoggedRow &logged,
                               std::int32_t epoch) {
  catalog.WriteOften(
      "SELECT string_agg(epoch::text, ', ' ORDER BY epoch) FROM (SELECT DISTINCT epoch "
      "FROM trails.intermediate WHERE logged_id = $1) AS logged",
      Number(logged.logged_id));
  if (catalog.IsNull(0, 0)) ThrowGone(logged);
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("epoch {} of \"{}\" is not logged", epoch, logged.name), {},
              fmt::format("Logged epochs are {}.", catalog.Text(0, 0)));
}

[[noreturn]] void ThrowNoLayer(CatalogSession &catalog, const LoggedRow &logged,
                               std::string_view layer, std::int32_t epoch) {
  const std::vector<IntermediateRow> rows = ListAt(catalog, logged, epoch);
  if (rows.empty()) ThrowNoEpoch(catalog, logged, epoch);
  std::string names;
  for (const IntermediateRow &row : rows) names += (names.empty() ? "" : ", ") + row.layer;
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("\"{}\" has no layer \"{}\"", logged.name, layer), {},
              fmt::format("Its layers are {}.", names));
}

// Snapshots of epochs, the last used first. Never destroyed: the process ends with it.
struct OpenedSnapshot {
  Oid catalog = InvalidOid;
  std::int64_t logged_id = 0;
  std::int64_t created_at = 0;  // tells a logged_id from the same one of another CREATE EXTENSION
  std::int32_t epoch = 0;
  std::int64_t bytes = 0;
  std::shared_ptr<const Model> model;
};
std::list<OpenedSnapshot> &OpenedSnapshots() {
  static auto *const opened = new std::list<OpenedSnapshot>;
  return *opened;
}

Model ReadParameters(const LoggedRow &logged, std::int32_t epoch, const ChunkHash &seal,
                     std::string_view artefact) {
  try {
    if (SealOfParameters(logged.logged_id, epoch, artefact) != seal) {
      throw Error(ErrorKind::kCorruptData, "parameters are not those that were logged");
    }
    return ReadArtefact(artefact);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    throw Error(error.kind(), fmt::format("epoch {} of \"{}\" is corrupt", epoch, logged.name),
                fmt::format("{}: {}", error.what(), error.detail()), error.hint());
  }
}

std::shared_ptr<const Model> ReadSnapshot(CatalogSession &catalog, const LoggedRow &logged,
                                          std::int32_t epoch, std::int64_t bytes,
                                          const ChunkHash &seal) {
  std::list<OpenedSnapshot> &opened = OpenedSnapshots();
  const Oid table = logged.model.key.catalog;
  for (auto it = opened.begin(); it != opened.end(); ++it) {
    if (it->catalog != table || it->logged_id != logged.logged_id || it->epoch != epoch ||
        it->created_at != logged.model.key.created_at) {
      continue;
    }
    opened.splice(opened.begin(), opened, it);
    return it->model;
  }
  SqlParameters parameters = Number(logged.logged_id);
  parameters.AddInteger(epoch);
  const std::uint64_t parts = catalog.WriteOften(
      "SELECT bytes FROM trails.snapshot_part WHERE logged_id = $1 AND epoch = $2 ORDER BY part",
      parameters);
  std::string artefact;
  for (std::uint64_t part = 0; part < parts; ++part) catalog.AppendBytes(part, 0, &artefact);
  if (static_cast<std::int64_t>(artefact.size()) != bytes) {
    if (catalog.WriteOften("SELECT FROM trails.snapshot WHERE logged_id = $1 AND epoch = $2",
                           parameters) == 0) {
      ThrowGone(logged);
    }
    throw Error(ErrorKind::kCorruptData,
                fmt::format("epoch {} of \"{}\" is incomplete", epoch, logged.name),
                fmt::format("{} bytes are stored of {}.", artefact.size(), bytes));
  }
  auto model = std::make_shared<const Model>(ReadParameters(logged, epoch, seal, artefact));
  opened.push_front({table, logged.logged_id, logged.model.key.created_at, epoch, bytes, model});
  std::int64_t held = 0;
  for (auto it = opened.begin(); it != opened.end();) {
    held += it->bytes;
    const bool stays = held <= kSnapshotCacheBytes || it == opened.begin();
    it = stays ? std::next(it) : opened.erase(it);
  }
  return model;
}

}  // namespace

ChunkHash SealOfParameters(std::int64_t logged_id, std::int32_t epoch, std::string_view artefact) {
  return SealOf({logged_id, 0, epoch}, HashOf(artefact, 1));
}

bool IsPossible(const std::vector<std::int32_t> &shape, std::int64_t rows) noexcept {
  // More columns than any layer has, and few enough that nothing counted from them overflows.
  constexpr std::int64_t kMostColumns = std::int64_t{1} << 24;
  constexpr std::int64_t kMostRows = std::numeric_limits<std::int32_t>::max();
  std::int64_t columns = 1;
  for (const std::int32_t side : shape) {
    if (side < 1 || side > kMostColumns) return false;
    columns *= side;
    if (columns > kMostColumns) return false;
  }
  return shape.size() == 3 && rows >= 0 && rows <= kMostRows;
}

LoggedRow FindLogged(std::string_view name) {
  const std::optional<ModelRow> model = FindModelIfAny(name);
  return WithCatalog([&](CatalogSession &catalog) {
    std::optional<LoggedRow> found;
    if (model) found = FindLoggedModel(catalog, *model);
    if (!found) found = FindLoggedName(catalog, name);
    if (found) return *found;
    ThrowNotLogged(FindModel(name).name);
  });
}

IntermediateRow FindIntermediate(const LoggedRow &logged, std::string_view layer,
                                 std::optional<std::int32_t> epoch) {
  return WithCatalog([&](CatalogSession &catalog) {
    const std::int32_t at = epoch.value_or(logged.default_epoch);
    for (std::string_view name = layer;; name.remove_prefix(2)) {
      SqlParameters parameters = Number(logged.logged_id);
      parameters.AddInteger(at).AddText(name);
      if (catalog.WriteOften(kFindIntermediate, parameters) > 0) return RowAt(catalog, logged, 0);
      // A model of one network has its layers without a number.
      if (name.size() < layer.size() || !name.starts_with("1/")) break;
    }
    ThrowNoLayer(catalog, logged, layer, at);
  });
}

std::vector<IntermediateRow> ListIntermediates(const LoggedRow &logged,
                                               std::optional<std::int32_t> epoch) {
  return WithCatalog([&](CatalogSession &catalog) {
    const std::int32_t at = epoch.value_or(logged.default_epoch);
    std::vector<IntermediateRow> rows = ListAt(catalog, logged, at);
    if (rows.empty()) ThrowNoEpoch(catalog, logged, at);
    return rows;
  });
}

std::shared_ptr<const Model> OpenSnapshot(const LoggedRow &logged, std::int32_t epoch) {
  if (logged.kind != LoggedKind::kModel) {
    throw Error(ErrorKind::kNotSupported, fmt::format("\"{}\" is no model", logged.name),
                "This needs the networks of a model.");
  }
  auto snapshot = WithCatalog([&](CatalogSession &catalog) -> std::shared_ptr<const Model> {
    SqlParameters parameters = Number(logged.logged_id);
    parameters.AddInteger(epoch);
    if (catalog.WriteOften(
            "SELECT bytes, seal FROM trails.snapshot WHERE logged_id = $1 AND epoch = $2",
            parameters) == 0) {
      ThrowNoEpoch(catalog, logged, epoch);
    }
    const std::int64_t bytes = catalog.Bigint(0, 0);
    const ChunkHash seal{catalog.Uuid(0, 1)};
    return bytes == 0 ? nullptr : ReadSnapshot(catalog, logged, epoch, bytes, seal);
  });
  if (snapshot != nullptr) return snapshot;
  const std::shared_ptr<LoadedModel> loaded = OpenModel(logged.model);
  return {loaded, &loaded->model()};
}

void RefuseRowSecurity(CatalogSession &catalog, Oid relation, Oid role) {
  SqlParameters parameters;
  parameters.AddOid(relation);
  const std::uint64_t count = catalog.WriteOften(kRelationsUnderRowSecurity, parameters);
  for (std::uint64_t row = 0; row < count; ++row) {
    const Oid guarded = catalog.ObjectId(row, 0);
    if (CallPg([=] { return check_enable_rls(guarded, role, true); }) != RLS_ENABLED) continue;
    const char *const name = CallPg([=] { return get_rel_name(guarded); });
    throw Error(
        ErrorKind::kNotSupported,
        fmt::format("row security is active for relation \"{}\"", name == nullptr ? "" : name),
        "Its policies cannot be applied to rows that are logged.",
        "A role that row security does not concern may do this.");
  }
}

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

std::vector<std::int64_t> LockOwnLogged(CatalogSession &catalog, std::string_view name) {
  SqlParameters parameters;
  std::uint64_t count = 0;
  if (FindModelIfAny(name)) {
    const ModelRow model = LockOwnModel(catalog, name);
    parameters.AddOid(model.owner).AddText(model.name);
    count = catalog.Write(
        "SELECT l.logged_id FROM trails.logged AS l JOIN trails.model AS m USING (model_id) "
        "WHERE m.owner = $1 AND m.name = $2 ORDER BY l.logged_id FOR UPDATE OF l",
        parameters);
  }
  if (count == 0) {
    SqlParameters by_name;
    by_name.AddText(name).AddOid(catalog.caller());
    count = catalog.Write(
        "SELECT logged_id FROM trails.logged WHERE logged_id = (SELECT l.logged_id "
        "FROM trails.logged AS l WHERE l.name = $1 AND pg_has_role($2, l.owner::oid, 'USAGE') "
        "ORDER BY l.owner = $2 DESC, l.logged_id LIMIT 1) FOR UPDATE",
        by_name);
  }
  if (count == 0) ThrowNotLogged(FindModel(name).name);
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < count; ++row) ids.push_back(catalog.Bigint(row, 0));
  return ids;
}

void DropIntermediateRow(CatalogSession &catalog, std::int64_t intermediate) {
  for (const Shelf shelf : {Shelf::kDurable, Shelf::kCache}) {
    DropIntermediate(catalog, shelf, intermediate);
  }
  for (const char *const statement :
       {"DELETE FROM trails.cached_statistics WHERE intermediate_id = $1",
        "DELETE FROM trails.foreign_statistics WHERE intermediate_id = $1",
        "DELETE FROM trails.query_count WHERE intermediate_id = $1",
        "DELETE FROM trails.stage_rate WHERE intermediate_id = $1",
        "DELETE FROM trails.intermediate WHERE intermediate_id = $1"}) {
    catalog.Write(statement, Number(intermediate));
  }
}

void DropLogged(CatalogSession &catalog, std::int64_t logged_id) {
  const std::uint64_t found = catalog.Write(
      "DELETE FROM trails.logged WHERE logged_id = $1 RETURNING coalesce(dataset_id, 0)",
      Number(logged_id));
  if (found == 0) return;
  const std::int64_t dataset = catalog.Bigint(0, 0);
  catalog.Write("DELETE FROM trails.snapshot WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.snapshot_part WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.pipeline_stage WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.foreign_label WHERE logged_id = $1", Number(logged_id));
  std::vector<std::int64_t> gone;
  const std::uint64_t count = catalog.Write(
      "SELECT intermediate_id FROM trails.intermediate WHERE logged_id = $1 "
      "ORDER BY intermediate_id",
      Number(logged_id));
  for (std::uint64_t row = 0; row < count; ++row) gone.push_back(catalog.Bigint(row, 0));
  // Who shares the data set meanwhile holds its row: this waits for them, and then sees them.
  if (catalog.Write("SELECT FROM trails.dataset WHERE dataset_id = $1 FOR UPDATE",
                    Number(dataset)) > 0 &&
      catalog.Write("DELETE FROM trails.dataset AS d WHERE d.dataset_id = $1 AND NOT EXISTS "
                    "(SELECT FROM trails.logged AS l WHERE l.dataset_id = d.dataset_id) "
                    "RETURNING d.intermediate_id",
                    Number(dataset)) > 0) {
    gone.push_back(catalog.Bigint(0, 0));
  }
  for (const std::int64_t intermediate : gone) DropIntermediateRow(catalog, intermediate);
}

void DropLoggedModel(CatalogSession &catalog, std::int64_t model_id) {
  if (catalog.Write("SELECT logged_id FROM trails.logged WHERE model_id = $1", Number(model_id)) >
      0) {
    DropLogged(catalog, catalog.Bigint(0, 0));
  }
}

bool MayWrite() noexcept {
  return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

}  // namespace trails::pg
