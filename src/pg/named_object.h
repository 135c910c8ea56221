// What a name means: which model, pipeline or foreign model a caller asks for by it. The one place
// where that is decided.
//
// 1. The caller's own object whose whole name is the text.
// 2. Else the one of which the text is 'owner.name'.
// 3. Else another role's whose whole name is the text.
// Only what the caller may use counts: own models and granted ones, pipelines and foreign models of
// the caller and of roles whose privileges the caller has. Two of a step, neither of them the
// caller's, are ambiguous. So nobody takes the name of another's object by granting one of that
// name. Of one owner a model comes before a pipeline; it is what is meant, logged or not.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pg/catalog_session.h"
#include "pg/model_catalog.h"

namespace trails::pg {

enum class LoggedKind : std::uint8_t { kModel, kPipeline, kForeign };

struct NamedObject {
  LoggedKind kind = LoggedKind::kModel;
  ModelRow model;  // kModel: its newest version; the members below are of the others
  std::int64_t logged_id = 0;
  std::string name;
  Oid owner = InvalidOid;
  bool is_sealed = false;          // its row of trails.logged
  std::int32_t default_epoch = 0;  // the last one
};

// Nothing where nothing has the name; sealed or not. Throws PgError (42725) where it is ambiguous.
// Cost: one index look-up through a kept plan, in trails.model alone or in trails.logged too; of a
// name with a dot that is not the caller's own, a scan of them.
std::optional<ModelRow> FindNamedModel(CatalogSession &catalog, std::string_view name);
std::optional<NamedObject> FindNamed(CatalogSession &catalog, std::string_view name);

// Throws Error(kDuplicateObject) where the caller has a model of that name, which would be found
// instead of the new one. what: 'pipeline', for the message.
void RefuseOwnModelName(CatalogSession &catalog, std::string_view name, const char *what);

}  // namespace trails::pg
