// SQL surface of the models' upkeep: drop, rename, grant, revoke.
//
// May touch: src/pg and include/trails. Never Torch.
#include <optional>

#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/model_catalog.h"

using trails::pg::NameArgument;
using trails::pg::TextArgument;

// trails.drop_model(model text, version integer)
TRAILS_PG_FUNCTION(trails_drop_model) {
  std::optional<std::int32_t> version;
  if (!PG_ARGISNULL(1)) {
    version = PG_GETARG_INT32(1);
    if (*version < 1) {
      throw trails::Error(trails::ErrorKind::kInvalidArgument,
                          "argument \"version\" must be positive", {},
                          "The view trails.models lists the versions.");
    }
  }
  trails::pg::DropModel(TextArgument(fcinfo, 0, "model"), version);
  PG_RETURN_VOID();
}

// trails.rename_model(model text, new_name name)
TRAILS_PG_FUNCTION(trails_rename_model) {
  trails::pg::RenameModel(TextArgument(fcinfo, 0, "model"), NameArgument(fcinfo, 1, "new_name"));
  PG_RETURN_VOID();
}

// trails.grant_model(model text, role name)
TRAILS_PG_FUNCTION(trails_grant_model) {
  trails::pg::GrantModel(TextArgument(fcinfo, 0, "model"), NameArgument(fcinfo, 1, "role"));
  PG_RETURN_VOID();
}

// trails.revoke_model(model text, role name)
TRAILS_PG_FUNCTION(trails_revoke_model) {
  trails::pg::RevokeModel(TextArgument(fcinfo, 0, "model"), NameArgument(fcinfo, 1, "role"));
  PG_RETURN_VOID();
}
