#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_catalog.h"

extern "C" {
#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/acl.h"
}

#include <limits>
#include <list>
#include <utility>

#include "core/model/artefact.h"
#include "core/space/name_hint.h"
#include "core/space/similar_word.h"
#include "pg/engine_call.h"
#include "pg/model_cache.h"
#include "pg/row_seal.h"
#include "pg/source_rights.h"

namespace trails::pg {

namespace {

// What FindLogged asks; $2 is the caller. Privileges on the columns do when there are none on the
// whole relation; a column that is gone nobody may read.
constexpr const char *kFindByModel =
    "SELECT l.logged_id, l.kind, l.owner::oid, l.model_id, l.dataset_id, d.intermediate_id, "
    "d.source, r.relation, d.rows, d.categorical, d.numeric, "
    "coalesce(d.key, ''), r.relation IS NULL OR has_table_privilege($2, r.relation, 'SELECT') "
    "OR NOT EXISTS (SELECT FROM unnest(d.columns) AS c(name) WHERE NOT coalesce("
    "(SELECT has_column_privilege($2, r.relation, a.attnum, 'SELECT') FROM pg_attribute AS a "
    "WHERE a.attrelid = r.relation AND a.attname = c.name AND NOT a.attisdropped), false)), "
    "l.seal = trails.seal_of(l), d.dataset_id IS NOT NULL, s.is_sealed, coalesce(d.split, false) "
    "FROM trails.logged AS l LEFT JOIN trails.dataset AS d ON d.dataset_id = l.dataset_id, "
    "LATERAL (SELECT d.seal = trails.seal_of(d) AS is_sealed) AS s, "
    "LATERAL (SELECT coalesce((SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n "
    "ON n.oid = c.relnamespace WHERE c.oid = d.source_oid "
    "AND format('%I.%I', n.nspname, c.relname) = d.source), "
    "(SELECT c.oid FROM pg_class AS c "
    "WHERE c.oid = CASE WHEN s.is_sealed THEN to_regclass(d.source) END "
    "AND pg_has_role(c.relowner, l.owner::oid, 'USAGE'))) "
    "AS relation) AS r "
    "WHERE l.model_id = $1";
// The versions of $1's models named $2 that are logged, and how many versions there are.
constexpr const char *kLoggedVersions =
    "SELECT v.version, v.versions FROM (SELECT model_id, row_number() OVER (ORDER BY model_id) AS "
    "version, count(*) OVER () AS versions FROM trails.model WHERE owner = $1 AND name = $2) AS v "
    "JOIN trails.logged AS l USING (model_id) ORDER BY v.version";
constexpr const char *kListIntermediates =
    "SELECT intermediate_id, epoch, layer, shape, rows, scheme, seal = trails.seal_of(i), position "
    "FROM trails.intermediate AS i WHERE logged_id = $1 AND epoch = $2 ORDER BY position";
constexpr const char *kFindIntermediate =
    "SELECT intermediate_id, epoch, layer, shape, rows, scheme, seal = trails.seal_of(i) "
    "FROM trails.intermediate AS i WHERE logged_id = $1 AND epoch = $2 AND layer = $3";

// What $1 may ask for by name, as far as $1 owns it.
constexpr const char *kOwnNames =
    "SELECT DISTINCT coalesce(m.name, l.name)::text FROM trails.logged AS l "
    "LEFT JOIN trails.model AS m USING (model_id) WHERE pg_has_role($1, l.owner::oid, 'USAGE') "
    "AND coalesce(m.name, l.name) IS NOT NULL ORDER BY 1";

SqlParameters Number(std::int64_t number) {
  SqlParameters parameters;
  parameters.AddBigint(number);
  return parameters;
}

std::vector<std::string> TextsOf(const CatalogSession &catalog, std::uint64_t count) {
  std::vector<std::string> texts;
  for (std::uint64_t row = 0; row < count; ++row) texts.push_back(catalog.Text(row, 0));
  return texts;
}

bool HasPrivilegesOf(CatalogSession &catalog, Oid owner) {
  const Oid caller = catalog.caller();
  return CallPg([=] { return has_privs_of_role(caller, owner); });
}

// A logged model, and whether the caller has SELECT on what was logged of its source.
struct FoundModel {
  LoggedRow logged;
  bool may_select = false;
  bool is_sealed = false;          // its row
  bool has_dataset = false;        // its data set's row is there
  bool is_dataset_sealed = false;  // as it was written, and possible

  bool is_sound() const noexcept { return is_sealed && has_dataset && is_dataset_sealed; }
};

void RequireSound(const FoundModel &found) {
  const DatasetRow &dataset = found.logged.dataset;
  RequireSealed(found.is_sealed, SealedTable::kLogged, found.logged.logged_id);
  if (!found.has_dataset) {
    ThrowMissingRow(SealedTable::kDataset, dataset.dataset_id, "A model was logged with its rows.");
  }
  RequireSealed(found.is_dataset_sealed, SealedTable::kDataset, dataset.dataset_id);
}

void CheckSource(CatalogSession &catalog, const FoundModel &found) {
  const Oid relation = found.logged.dataset.source_oid;
  if (relation != InvalidOid) {
    if (!found.may_select) {
      ThrowNoSelect(catalog, Described(found.logged), found.logged.dataset.dataset_id, relation);
    }
    RefuseRowSecurity(catalog, relation, catalog.caller());
  } else if (!HasPrivilegesOf(catalog, found.logged.owner)) {
    ThrowSourceIsGone(Described(found.logged), found.logged.dataset.source);
  }
}

std::optional<FoundModel> FindLoggedModel(CatalogSession &catalog, const ModelRow &model) {
  SqlParameters parameters = Number(model.key.model_id);
  parameters.AddOid(catalog.caller());
  if (catalog.WriteOften(kFindByModel, parameters) == 0) return std::nullopt;
  FoundModel found;
  LoggedRow &logged = found.logged;
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
  dataset.key = catalog.Text(0, 11);
  found.may_select = catalog.Bool(0, 12);
  found.is_sealed = catalog.Bool(0, 13);
  found.has_dataset = catalog.Bool(0, 14);
  found.is_dataset_sealed = catalog.Bool(0, 15) && IsPossible({1, 1, 1}, dataset.rows) &&
                            dataset.categorical >= 0 && dataset.numeric >= 0;
  dataset.has_split = catalog.Bool(0, 16);
  return found;
}

// Of a pipeline or a foreign model.
LoggedRow LoggedRowOf(const NamedObject &object) {
  LoggedRow logged;
  logged.logged_id = object.logged_id;
  logged.kind = object.kind;
  logged.name = object.name;
  logged.owner = object.owner;
  logged.default_epoch = object.default_epoch;
  return logged;
}

[[noreturn]] void ThrowUnknown(CatalogSession &catalog, std::string_view name) {
  SqlParameters caller;
  caller.AddOid(catalog.caller());
  const std::vector<std::string> known = TextsOf(catalog, catalog.WriteOften(kOwnNames, caller));
  const std::string_view similar =
      MostSimilar(name, std::vector<std::string_view>(known.begin(), known.end()));
  std::string hint;
  if (!similar.empty()) hint = fmt::format("Perhaps you meant \"{}\". ", similar);
  hint += "The view trails.intermediates lists what is logged.";
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("model, pipeline or foreign model \"{}\" does not exist", name), {},
              hint);
}

NamedObject FindKnown(CatalogSession &catalog, std::string_view name) {
  std::optional<NamedObject> object = FindNamed(catalog, name);
  if (!object) ThrowUnknown(catalog, name);
  return *std::move(object);
}

// version: the one that was asked for; none: the one that serves.
[[noreturn]] void ThrowNotLogged(CatalogSession &catalog, const ModelRow &model,
                                 std::optional<std::int32_t> version) {
  SqlParameters parameters;
  parameters.AddOid(model.owner).AddText(model.name);
  const std::uint64_t count = catalog.WriteOften(kLoggedVersions, parameters);
  if (count == 0) {
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("intermediates of model \"{}\" are not logged", model.name), {},
                "Log them with trails.log_intermediates.");
  }
  std::vector<std::string> versions;
  for (std::uint64_t row = 0; row < count; ++row) {
    versions.push_back(std::to_string(catalog.Bigint(row, 0)));
  }
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("version {} of model \"{}\" is not logged",
                          version ? *version : catalog.Bigint(0, 1), model.name),
              {},
              fmt::format("Logged {}. Others can be logged with trails.log_intermediates.",
                          count == 1 ? "is version " + versions.front()
                                     : "are versions " + ListNames(versions)));
}

[[noreturn]] void ThrowNoVersions(const LoggedRow &logged) {
  throw Error(ErrorKind::kInvalidArgument, Described(logged) + " has no versions", {},
              "Leave version NULL.");
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
  RequireSealed(catalog.Bool(row, 6), SealedTable::kIntermediate, found.intermediate_id);
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

// What is said of rows of trails.intermediate that were deleted.
[[noreturn]] void ThrowNoRows(const std::string &message) {
  throw Error(ErrorKind::kCorruptData, message,
              "Rows of trails.intermediate that were logged are gone.",
              "trails.check_store names all that is corrupt.");
}

std::vector<IntermediateRow> ListAt(CatalogSession &catalog, const LoggedRow &logged,
                                    std::int32_t epoch) {
  SqlParameters parameters = Number(logged.logged_id);
  parameters.AddInteger(epoch);
  const std::uint64_t count = catalog.WriteOften(kListIntermediates, parameters);
  std::vector<IntermediateRow> rows;
  bool has_all = true;
  for (std::uint64_t row = 0; row < count; ++row) {
    rows.push_back(RowAt(catalog, logged, row));
    has_all = has_all && catalog.Integer(row, 7) == static_cast<std::int32_t>(row);
  }
  // A model is logged with all its layers, of which the loss is the last.
  const bool is_model = logged.kind == LoggedKind::kModel;
  if (is_model && count > 0 && !(has_all && rows.back().layer == "loss")) {
    ThrowNoRows(fmt::format("layers of epoch {} of {} are missing", epoch, Described(logged)));
  }
  return rows;
}

[[noreturn]] void ThrowGone(const LoggedRow &logged) {
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("what was logged of \"{}\" does not exist any more", logged.name),
              "It was dropped by another session.");
}

[[noreturn]] void ThrowNoEpoch(CatalogSession &catalog, const LoggedRow &logged,
                               std::int32_t epoch) {
  const std::vector<std::string> epochs = TextsOf(
      catalog,
      catalog.WriteOften("SELECT format(CASE WHEN s.passes IS NULL THEN '%s' WHEN s.passes = 1 "
                         "THEN '%s (1 pass)' ELSE '%s (%s passes)' END, "
                         "i.epoch, trim_scale(round(s.passes::numeric, 2))) "
                         "FROM (SELECT DISTINCT epoch FROM trails.intermediate "
                         "WHERE logged_id = $1) AS i LEFT JOIN trails.snapshot AS s "
                         "ON s.logged_id = $1 AND s.epoch = i.epoch ORDER BY i.epoch",
                         Number(logged.logged_id)));
  if (epochs.empty()) {
    // Dropped, it would be gone too.
    if (catalog.WriteOften("SELECT FROM trails.logged WHERE logged_id = $1",
                           Number(logged.logged_id)) > 0) {
      ThrowNoRows(fmt::format("layers of {} are missing", Described(logged)));
    }
    ThrowGone(logged);
  }
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("epoch {} of {} is not logged", epoch, Described(logged)), {},
              fmt::format("Logged epochs are {}.", ListNames(epochs)));
}

[[noreturn]] void ThrowNoLayer(CatalogSession &catalog, const LoggedRow &logged,
                               std::string_view layer, std::int32_t epoch) {
  const std::vector<IntermediateRow> rows = ListAt(catalog, logged, epoch);
  if (rows.empty()) ThrowNoEpoch(catalog, logged, epoch);
  std::vector<std::string> names;
  for (const IntermediateRow &row : rows) names.push_back(row.layer);
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("{} has no layer \"{}\"", Described(logged), layer), {},
              fmt::format("Its layers are {}.", ListNames(names)));
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
                     std::string_view artefact, const std::stop_token &stop) {
  try {
    if (SealOfParameters(logged.logged_id, epoch, artefact) != seal) {
      throw Error(ErrorKind::kCorruptData, "parameters are not those that were logged");
    }
    return ReadArtefact(artefact, stop);
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
  auto model = std::make_shared<const Model>(RunOnBytes(bytes, [&](const std::stop_token &stop) {
    return ReadParameters(logged, epoch, seal, artefact, stop);
  }));
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

std::string Described(const LoggedRow &logged) {
  switch (logged.kind) {
    case LoggedKind::kPipeline: return fmt::format("pipeline \"{}\"", logged.name);
    case LoggedKind::kForeign: return fmt::format("foreign model \"{}\"", logged.name);
    case LoggedKind::kModel: break;
  }
  std::string text = fmt::format("model \"{}\"", logged.name);
  return logged.version == 0 ? text : fmt::format("version {} of {}", logged.version, text);
}

void RequireModel(const LoggedRow &logged, const std::string &why, const std::string &hint) {
  if (logged.kind == LoggedKind::kModel) return;
  throw Error(ErrorKind::kNotSupported, fmt::format("\"{}\" is no model", logged.name),
              fmt::format("It is a {}. {}",
                          logged.kind == LoggedKind::kPipeline ? "pipeline" : "foreign model", why),
              hint);
}

void RequireModel(std::string_view name, const std::string &why, const std::string &hint) {
  const std::optional<NamedObject> found =
      WithCatalog([&](CatalogSession &catalog) { return FindNamed(catalog, name); });
  if (!found || found->kind == LoggedKind::kModel) return;
  RequireModel(LoggedRowOf(*found), why, hint);
}

LoggedRow FindLogged(std::string_view name, std::optional<std::int32_t> version) {
  return WithCatalog([&](CatalogSession &catalog) {
    const NamedObject object = FindKnown(catalog, name);
    if (object.kind != LoggedKind::kModel) {
      RequireSealed(object.is_sealed, SealedTable::kLogged, object.logged_id);
      LoggedRow logged = LoggedRowOf(object);
      if (version) ThrowNoVersions(logged);
      return logged;
    }
    const ModelRow model = version ? FindVersion(catalog, object.model, *version) : object.model;
    RequireSealed(model.is_sealed, SealedTable::kModel, model.key.model_id);
    std::optional<FoundModel> found = FindLoggedModel(catalog, model);
    if (!found) ThrowNotLogged(catalog, model, version);
    RequireSound(*found);
    found->logged.version = version.value_or(0);
    CheckSource(catalog, *found);
    return std::move(found->logged);
  });
}

std::vector<std::int64_t> ListGrantedLogged() {
  // As the caller: row security shows the models that they may use.
  const std::vector<ModelRow> models = WithCatalogAsCaller([](CatalogSession &catalog) {
    const std::uint64_t count =
        catalog.Read("SELECT model_id FROM trails.model WHERE NOT pg_has_role(owner::oid, 'USAGE')",
                     SqlParameters());
    std::vector<ModelRow> granted(count);
    for (std::uint64_t row = 0; row < count; ++row) {
      granted[row].key.model_id = catalog.Bigint(row, 0);
    }
    return granted;
  });
  return WithCatalog([&](CatalogSession &catalog) {
    std::vector<std::int64_t> logged;
    for (const ModelRow &model : models) {
      const std::optional<FoundModel> found = FindLoggedModel(catalog, model);
      if (!found || !found->may_select || !found->is_sound()) continue;
      const Oid relation = found->logged.dataset.source_oid;
      if (relation == InvalidOid ||
          FindGuarded(catalog, relation, catalog.caller()) != InvalidOid) {
        continue;
      }
      logged.push_back(found->logged.logged_id);
    }
    return logged;
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
      // A model of one network has its layers without a number; the last two are of no network.
      if (name.size() < layer.size() || !name.starts_with("1/")) break;
      if (name == "1/prediction" || name == "1/loss") break;
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
  RequireModel(logged, "This needs the networks of a model.");
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
    if (bytes != 0) return ReadSnapshot(catalog, logged, epoch, bytes, seal);
    if (epoch == 0) return nullptr;
    throw Error(ErrorKind::kCorruptData,
                fmt::format("epoch {} of \"{}\" has no parameters", epoch, logged.name));
  });
  if (snapshot != nullptr) return snapshot;
  const std::shared_ptr<LoadedModel> loaded = OpenModel(logged.model);
  return {loaded, &loaded->model()};
}

std::vector<std::int64_t> LockOwnLogged(CatalogSession &catalog, std::string_view name,
                                        std::optional<std::int32_t> version) {
  const NamedObject object = FindKnown(catalog, name);
  std::uint64_t count = 0;
  if (object.kind == LoggedKind::kModel) {
    LockOwnModel(catalog, object.model);
    const ModelRow model = version ? FindVersion(catalog, object.model, *version) : object.model;
    SqlParameters parameters;
    parameters.AddOid(model.owner).AddText(model.name);
    parameters.AddBigint(version ? model.key.model_id : 0);
    count = catalog.Write(
        "SELECT l.logged_id FROM trails.logged AS l JOIN trails.model AS m USING (model_id) "
        "WHERE m.owner = $1 AND m.name = $2 AND (m.model_id = $3 OR $3 = 0) "
        "ORDER BY l.logged_id FOR UPDATE OF l",
        parameters);
    if (count == 0) ThrowNotLogged(catalog, model, version);
  } else {
    const LoggedRow logged = LoggedRowOf(object);
    if (version) ThrowNoVersions(logged);
    count = catalog.Write("SELECT logged_id FROM trails.logged WHERE logged_id = $1 FOR UPDATE",
                          Number(logged.logged_id));
    if (count == 0) ThrowGone(logged);
  }
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < count; ++row) ids.push_back(catalog.Bigint(row, 0));
  return ids;
}

bool MayWrite() noexcept {
  return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

}  // namespace trails::pg
