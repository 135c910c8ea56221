#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/model_catalog.h"

extern "C" {
#include "utils/acl.h"
}

#include <vector>

#include "core/intermediates/partition.h"
#include "pg/intermediate_catalog.h"
#include "pg/named_object.h"
#include "pg/row_seal.h"

namespace trails::pg {

namespace {

[[noreturn]] void ThrowMissing(std::string_view model) {
  throw Error(ErrorKind::kUndefinedObject, fmt::format("model \"{}\" does not exist", model), {},
              "The view trails.models lists the models that you may use.");
}

ModelRow Find(CatalogSession &catalog, std::string_view model) {
  std::optional<ModelRow> row = FindNamedModel(catalog, model);
  if (!row) ThrowMissing(model);
  return *std::move(row);
}

void RequireOwned(CatalogSession &catalog, const ModelRow &row) {
  const Oid caller = catalog.caller();
  const Oid owner = row.owner;
  const char *const name = row.name.c_str();
  CallPg([=] {
    if (has_privs_of_role(caller, owner)) return;
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("must be owner of model \"%s\"", name)));
  });
}

// 0 stands for everybody.
Oid RoleOrPublic(const std::string &role) {
  if (role == "public") return InvalidOid;
  const char *const name = role.c_str();
  return CallPg([=] { return get_role_oid(name, false); });
}

// $1 owner, $2 name, $3 role.
void ChangeReaders(std::string_view model, const std::string &role, const char *update) {
  WithCatalog([&](CatalogSession &catalog) {
    const ModelRow row = LockOwnModel(catalog, model);
    SqlParameters parameters;
    parameters.AddOid(row.owner).AddText(row.name).AddOid(RoleOrPublic(role));
    catalog.Write(update, parameters);
  });
}

}  // namespace

ModelRow FindModel(std::string_view model) {
  ModelRow row = WithCatalog([&](CatalogSession &catalog) { return Find(catalog, model); });
  RequireSealed(row.is_sealed, SealedTable::kModel, row.key.model_id);
  return row;
}

std::optional<ModelRow> FindModelIfAny(std::string_view model) {
  return WithCatalog([&](CatalogSession &catalog) { return FindNamedModel(catalog, model); });
}

ModelRow FindVersion(CatalogSession &catalog, const ModelRow &newest, std::int32_t version) {
  SqlParameters parameters;
  parameters.AddOid(newest.owner).AddText(newest.name).AddInteger(version);
  // Whoever may use one version may use all.
  const std::uint64_t found = catalog.WriteOften(
      "SELECT model_id, bytes, created_at, version, versions, parts_seal, is_sealed "
      "FROM (SELECT model_id, bytes, created_at, parts_seal, seal = trails.seal_of(m) AS "
      "is_sealed, "
      "row_number() OVER (ORDER BY model_id) AS version, count(*) OVER () AS versions "
      "FROM trails.model AS m WHERE owner = $1 AND name = $2) AS numbered "
      "WHERE version = $3 OR version = versions ORDER BY version = $3 DESC",
      parameters);
  if (found == 0) ThrowMissing(newest.name);
  if (catalog.Bigint(0, 3) != version) {
    const std::int64_t versions = catalog.Bigint(0, 4);
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("version {} of model \"{}\" does not exist", version, newest.name), {},
                versions == 1 ? "There is version 1 alone."
                              : fmt::format("Its versions are 1 to {}.", versions));
  }
  ModelRow row = newest;
  row.key.model_id = catalog.Bigint(0, 0);
  row.bytes = catalog.Bigint(0, 1);
  row.key.created_at = catalog.Bigint(0, 2);
  row.parts_seal = {catalog.Uuid(0, 5)};
  row.is_sealed = catalog.Bool(0, 6);
  return row;
}

std::string ReadModelBytes(const ModelRow &row) {
  return WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(row.key.model_id);
    const std::uint64_t parts = catalog.ReadOften(
        "SELECT bytes FROM trails.model_part WHERE model_id = $1 ORDER BY part", parameters);
    std::string bytes;
    bytes.reserve(static_cast<std::size_t>(row.bytes));
    for (std::uint64_t part = 0; part < parts; ++part) catalog.AppendBytes(part, 0, &bytes);
    if (static_cast<std::int64_t>(bytes.size()) != row.bytes) {
      throw Error(ErrorKind::kCorruptData, fmt::format("model \"{}\" is incomplete", row.name),
                  fmt::format("{} bytes are stored of {}.", bytes.size(), row.bytes));
    }
    return bytes;
  });
}

ChunkHash SealOfModel(std::int64_t model_id, std::string_view artefact) {
  constexpr std::int32_t kNoEpoch = -1;
  return SealOf({model_id, 0, kNoEpoch}, HashOf(artefact, 1));
}

void RequireOwnBytes(const ModelRow &row, std::string_view artefact) {
  if (SealOfModel(row.key.model_id, artefact) == row.parts_seal) return;
  throw Error(ErrorKind::kCorruptData, fmt::format("model \"{}\" is corrupt", row.name),
              "Its bytes in trails.model_part are not those that were stored for it.");
}

ModelRow LockOwnModel(CatalogSession &catalog, std::string_view model) {
  ModelRow row = Find(catalog, model);
  LockOwnModel(catalog, row);
  return row;
}

void LockOwnModel(CatalogSession &catalog, const ModelRow &row) {
  RequireOwned(catalog, row);
  // Of two changes at once the second works on what the first has left.
  SqlParameters parameters;
  parameters.AddOid(row.owner).AddText(row.name);
  const std::uint64_t locked = catalog.Write(
      "SELECT FROM trails.model WHERE owner = $1 AND name = $2 FOR UPDATE", parameters);
  if (locked == 0) ThrowMissing(row.name);
}

void DropModel(std::string_view model, std::optional<std::int32_t> version) {
  WithCatalog([&](CatalogSession &catalog) {
    const ModelRow row = LockOwnModel(catalog, model);
    SqlParameters parameters;
    parameters.AddOid(row.owner).AddText(row.name).AddInteger(version.value_or(0));
    const std::uint64_t dropped = catalog.Write(
        "WITH numbered AS ("
        "SELECT model_id, row_number() OVER (ORDER BY model_id) AS version "
        "FROM trails.model WHERE owner = $1 AND name = $2), "
        "dropped AS (DELETE FROM trails.model WHERE model_id IN ("
        "SELECT model_id FROM numbered WHERE $3 = 0 OR version = $3) RETURNING model_id), "
        "parts AS (DELETE FROM trails.model_part WHERE model_id IN (SELECT model_id FROM dropped)) "
        "SELECT model_id FROM dropped",
        parameters);
    if (dropped == 0) {
      throw Error(
          ErrorKind::kUndefinedObject,
          fmt::format("version {} of model \"{}\" does not exist", version.value_or(0), row.name));
    }
    std::vector<std::int64_t> ids;
    for (std::uint64_t i = 0; i < dropped; ++i) ids.push_back(catalog.Bigint(i, 0));
    for (const std::int64_t id : ids) DropLoggedModel(catalog, id);
  });
}

void RenameModel(std::string_view model, std::string_view new_name) {
  if (new_name.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "name of a model must not be empty");
  }
  WithCatalog([&](CatalogSession &catalog) {
    // Else two renames at once could end in the same name.
    catalog.Write("LOCK TABLE trails.model IN SHARE UPDATE EXCLUSIVE MODE", SqlParameters());
    const ModelRow row = LockOwnModel(catalog, model);
    SqlParameters taken;
    taken.AddOid(row.owner).AddText(new_name);
    if (catalog.Write("SELECT FROM trails.model WHERE owner = $1 AND name = $2 LIMIT 1", taken) >
        0) {
      throw Error(ErrorKind::kDuplicateObject,
                  fmt::format("model \"{}\" already exists", new_name));
    }
    SqlParameters parameters;
    parameters.AddOid(row.owner).AddText(row.name).AddText(new_name);
    if (catalog.Write("SELECT model_id FROM trails.model AS m WHERE owner = $1 AND name = $2 "
                      "AND seal IS DISTINCT FROM trails.seal_of(m) AND $3 IS NOT NULL "
                      "ORDER BY model_id LIMIT 1",
                      parameters) > 0) {
      ThrowUnsealed(SealedTable::kModel, catalog.Bigint(0, 0));
    }
    const std::uint64_t renamed = catalog.Write(
        "UPDATE trails.model SET name = $3 WHERE owner = $1 AND name = $2 RETURNING model_id",
        parameters);
    std::vector<std::int64_t> ids;
    for (std::uint64_t i = 0; i < renamed; ++i) ids.push_back(catalog.Bigint(i, 0));
    for (const std::int64_t id : ids) SealRow(catalog, SealedTable::kModel, id);
  });
}

void GrantModel(std::string_view model, const std::string &role) {
  ChangeReaders(model, role,
                "UPDATE trails.model SET readers = array_append(readers, $3::regrole) "
                "WHERE owner = $1 AND name = $2 AND NOT $3 = ANY (readers::oid[])");
}

void RevokeModel(std::string_view model, const std::string &role) {
  ChangeReaders(model, role,
                "UPDATE trails.model SET readers = array_remove(readers, $3::regrole) "
                "WHERE owner = $1 AND name = $2 AND $3 = ANY (readers::oid[])");
}

}  // namespace trails::pg
