// Rows of trails.model and trails.model_part: who may use which model, and the models' bytes.
//
// Which model a name means says named_object.h. Of one owner's models of a name the newest serves.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/intermediates/chunk.h"
#include "pg/bridge.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// What tells a model from all others, also after DROP EXTENSION and CREATE EXTENSION.
struct ModelKey {
  Oid catalog = InvalidOid;     // of the table trails.model
  std::int64_t model_id = 0;    //
  std::int64_t created_at = 0;  // as timestamptz stores it

  auto operator<=>(const ModelKey &) const = default;
};

// A model that the caller may use.
struct ModelRow {
  ModelKey key;
  std::string name;
  Oid owner = InvalidOid;
  std::int64_t bytes = 0;
  ChunkHash parts_seal;    // over its bytes, see SealOfModel
  bool is_sealed = false;  // whether its row is as it was written, see row_seal.h
};

// Throws Error(kUndefinedObject) when there is none that the caller may use; PgError (42725) when
// models of several other owners have the name; Error(kCorruptData) where its row is not as it was
// written. Cost: one index look-up through a kept plan.
ModelRow FindModel(std::string_view model);
// The same, nothing where there is none, and a row that is not sealed as any other.
std::optional<ModelRow> FindModelIfAny(std::string_view model);
// Another model of the same owner and name, by its version as trails.models counts them: from 1,
// the oldest first; it may be not sealed. Throws Error(kUndefinedObject) with a HINT where there is
// no such version.
ModelRow FindVersion(CatalogSession &catalog, const ModelRow &newest, std::int32_t version);

// The stored bytes. Throws Error(kCorruptData) when a part is missing; PgError.
std::string ReadModelBytes(const ModelRow &row);

// Tells that these bytes are that model's: trails.model.parts_seal.
ChunkHash SealOfModel(std::int64_t model_id, std::string_view artefact);
// Throws Error(kCorruptData) where they are another's.
void RequireOwnBytes(const ModelRow &row, std::string_view artefact);

// A model of the caller, or of a role whose privileges the caller has, sealed or not; its rows do
// not change until the transaction ends but by this one. Throws what FindModel throws; PgError
// (42501) for another.
ModelRow LockOwnModel(CatalogSession &catalog, std::string_view model);
// The same of one that was found.
void LockOwnModel(CatalogSession &catalog, const ModelRow &row);

// These four act on a model of the caller, or of a role whose privileges the caller has.
// Throw what FindModel throws; PgError (42501) when the caller may use the model but is not its
// owner.

// Drops all versions, or one, with what was logged of them (counted from 1, oldest first;
// Error(kUndefinedObject) if there is no such version).
void DropModel(std::string_view model, std::optional<std::int32_t> version);

// Renames all versions. Throws Error(kDuplicateObject) when the owner has a model of that name,
// kInvalidArgument for an empty name, kCorruptData where one is not as it was written.
void RenameModel(std::string_view model, std::string_view new_name);

// Grants the use of all versions; role "public" stands for everybody. Granting twice is no error,
// nor is revoking what was not granted. Throw PgError (42704) for a role that does not exist.
void GrantModel(std::string_view model, const std::string &role);
void RevokeModel(std::string_view model, const std::string &role);

}  // namespace trails::pg
