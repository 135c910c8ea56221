// Who may read which intermediate, and what is known of it: trails.logged, dataset, snapshot and
// intermediate.
//
// Reading an intermediate shows rows of the source, so the caller must be able to use the model and
// to SELECT from the relation that was logged; it is refused while row security filters that
// relation for the caller.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/intermediates/scheme.h"
#include "core/model/model.h"
#include "pg/catalog_session.h"

namespace trails::pg {

enum class LoggedKind : std::uint8_t { kModel, kPipeline, kForeign };

// The encoded rows that a model was logged with. Columns of its input intermediate, in this order:
// the ids of the categorical fields (4 bytes each), the values of the numeric ones (4), the label
// (8, double, NaN for none), the key as text where one was given (8: position in the block's text,
// see logged_inputs.h).
struct DatasetRow {
  std::int64_t dataset_id = 0;
  std::int64_t intermediate_id = 0;  // of the inputs, on the durable shelf
  std::string source;                // schema and name, as they were
  Oid source_oid = InvalidOid;
  std::int64_t rows = 0;
  std::int32_t categorical = 0;
  std::int32_t numeric = 0;
  bool has_key = false;
};

// Something that was logged: a model, a pipeline, activations of a foreign model.
struct LoggedRow {
  std::int64_t logged_id = 0;
  LoggedKind kind = LoggedKind::kModel;
  std::string name;
  Oid owner = InvalidOid;
  std::int64_t model_id = 0;  // kModel
  std::int32_t last_epoch = 0;
  DatasetRow dataset;  // kModel
};

// One layer at one epoch.
struct IntermediateRow {
  std::int64_t intermediate_id = 0;
  std::int32_t epoch = 0;
  std::string layer;
  Shape shape;  // of the values as computed; StoredShape(scheme, shape) is what is given out
  std::int64_t rows = 0;
  Scheme scheme;
};

// Finds what was logged under the model's name, or the name of a pipeline or a foreign model, for
// reading. Throws what FindModel throws; Error(kUndefinedObject) with a HINT to log it first;
// PgError (42501) without SELECT on the source, or when the source is gone and the caller does not
// own what was logged; Error(kNotSupported) under row security.
LoggedRow FindLogged(std::string_view name);

// The layer of that name at `epoch`, the last one for none.
// Throws Error(kUndefinedObject) with a HINT that lists layers, or the epochs that are logged.
IntermediateRow FindIntermediate(const LoggedRow &logged, std::string_view layer,
                                 std::optional<std::int32_t> epoch);
// All layers at that epoch, in their order.
std::vector<IntermediateRow> ListIntermediates(const LoggedRow &logged,
                                               std::optional<std::int32_t> epoch);

// The parameters of a logged epoch, decoded; kept for the session as model_cache.h keeps models.
// Throws Error(kCorruptData), Error(kUndefinedObject).
std::shared_ptr<const Model> OpenSnapshot(const LoggedRow &logged, std::int32_t epoch);

// True where this transaction may write: neither read-only, nor on a standby, nor in a parallel
// worker.
bool MayWrite() noexcept;

}  // namespace trails::pg
