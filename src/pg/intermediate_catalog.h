// Who may read which intermediate, and what is known of it: trails.logged, dataset, snapshot and
// intermediate.
//
// Reading an intermediate shows rows of the source, so the caller must be able to use the model and
// to SELECT what was read of the relation that was logged; it is refused while row security filters
// that relation, or one below a view, for the caller. The relation is found by its oid while it has
// the name that it had then; else, as after a restore, by that name where its owner has the
// privileges of who logged it, so that nobody gets at the rows by a relation of the same name. A
// relation that was renamed, or dropped, leaves what was logged to its owner.
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
#include "pg/model_catalog.h"
#include "pg/named_object.h"
#include "pg/partition_fetch.h"

namespace trails::pg {

// The encoded rows that a model was logged with. Columns of its input intermediate, in this order:
// the ids of the categorical fields (4 bytes each), the values of the numeric ones (4), the label
// (8, double, NaN for none), the key as text where one was given (8: position in the block's text,
// see logged_inputs.h), the part of the split (1) where it is known.
struct DatasetRow {
  std::int64_t dataset_id = 0;
  std::int64_t intermediate_id = 0;  // of the inputs, on the durable shelf
  std::string source;                // schema and name, as they were, quoted for SQL
  Oid source_oid = InvalidOid;       // of the relation that has that name today, if any
  std::int64_t rows = 0;
  std::int32_t categorical = 0;
  std::int32_t numeric = 0;
  std::string key;         // column that names a row; empty: none
  bool has_split = false;  // it is known which rows were trained on

  bool has_key() const noexcept { return !key.empty(); }
};

// Something that was logged: a model, a pipeline, activations of a foreign model.
struct LoggedRow {
  std::int64_t logged_id = 0;
  LoggedKind kind = LoggedKind::kModel;
  std::string name;
  std::int32_t version = 0;  // of a model, where it was asked for; 0: the one that serves
  Oid owner = InvalidOid;
  std::int64_t model_id = 0;       // kModel
  ModelRow model;                  // kModel
  std::int32_t default_epoch = 0;  // 0 of a model: itself; else the last one
  DatasetRow dataset;              // kModel
};

// One layer at one epoch.
struct IntermediateRow {
  std::int64_t intermediate_id = 0;
  std::int32_t epoch = 0;
  std::string layer;
  Shape shape;  // of the values as computed; StoredShape(scheme, shape) is what is given out
  std::int64_t rows = 0;
  Scheme scheme;
  bool is_foreign = false;  // all of it is on the durable shelf, and it cannot be computed again
  bool is_stage = false;    // of a pipeline: pipeline_catalog.h says what its scheme stands for

  // Its rows have ids that are no positions.
  bool has_row_ids() const noexcept { return is_foreign || is_stage; }
  Shelf shelf() const noexcept { return is_foreign ? Shelf::kDurable : Shelf::kCache; }
};

// Whether an intermediate can have that shape and so many rows: few enough of both that nothing
// counted from them overflows.
bool IsPossible(const std::vector<std::int32_t> &shape, std::int64_t rows) noexcept;

// 'version 1 of model "m"', 'model "m"', 'pipeline "p"', 'foreign model "net"': for messages.
std::string Described(const LoggedRow &logged);

// Throws Error(kNotSupported) for a pipeline or foreign model: its DETAIL says what it is and why a
// model is needed, `hint` what to do instead.
void RequireModel(const LoggedRow &logged, const std::string &why, const std::string &hint = {});
// The same of what the name means; nothing where nothing has it.
void RequireModel(std::string_view name, const std::string &why, const std::string &hint = {});

// Finds what was logged of a version of a model (FindVersion; none: of the one that serves), or
// under the name of a pipeline or a foreign model, which have no versions, for reading. What the
// name means says named_object.h. Throws what FindNamed and FindVersion throw;
// Error(kUndefinedObject) for a name that nothing has, with a HINT of a similar one, and for a
// model that is not logged, with a HINT that lists the versions that are, or says how to log it;
// Error(kInvalidArgument) for a version of what is no model; PgError (42501) whose DETAIL names the
// columns without SELECT on the source, or when the source is gone and the caller does not own what
// was logged; Error(kNotSupported) under row security; Error(kCorruptData) where a row that says
// what was logged is not as it was written.
LoggedRow FindLogged(std::string_view name, std::optional<std::int32_t> version);

// The models' logged_id that others own and that the caller may ask for: what FindLogged would not
// refuse, of all versions. Cost: that of FindLogged for each granted model.
std::vector<std::int64_t> ListGrantedLogged();

// The layer of that name at `epoch`, logged.default_epoch for none.
// Throws Error(kUndefinedObject) with a HINT that lists layers, or the epochs that are logged, ten
// of them; Error(kCorruptData) where its row is not as it was written.
IntermediateRow FindIntermediate(const LoggedRow &logged, std::string_view layer,
                                 std::optional<std::int32_t> epoch);
// All layers at that epoch, in their order.
std::vector<IntermediateRow> ListIntermediates(const LoggedRow &logged,
                                               std::optional<std::int32_t> epoch);

// The parameters of a logged epoch, decoded; kept for the session: those of the model itself as
// model_cache.h keeps models, the last used of other epochs within kSnapshotCacheBytes.
// Throws Error(kCorruptData), also for those of another epoch; Error(kUndefinedObject);
// Error(kNotSupported) for what is no model.
inline constexpr std::int64_t kSnapshotCacheBytes = std::int64_t{128} << 20;
std::shared_ptr<const Model> OpenSnapshot(const LoggedRow &logged, std::int32_t epoch);

// Tells that these parameters are of that epoch of what was logged: trails.snapshot.seal.
ChunkHash SealOfParameters(std::int64_t logged_id, std::int32_t epoch, std::string_view artefact);

// What the caller logged under the name: of one version of a model, of all of them for none, or a
// pipeline or foreign model. No other transaction changes it until this one ends. Throws as
// FindLogged; PgError (42501) for who is not its owner.
std::vector<std::int64_t> LockOwnLogged(CatalogSession &catalog, std::string_view name,
                                        std::optional<std::int32_t> version);

// Drops what was logged under that number, its data set too where nothing else was logged with it.
// Partitions stay until CollectGarbage.
void DropLogged(CatalogSession &catalog, std::int64_t logged_id);
// The same of a model; nothing happens where none of it was logged.
void DropLoggedModel(CatalogSession &catalog, std::int64_t model_id);
// One intermediate, and what is stored of it. Throws PgError.
void DropIntermediateRow(CatalogSession &catalog, std::int64_t intermediate);

// True where this transaction may write: neither read-only, nor on a standby, nor in a parallel
// worker.
bool MayWrite() noexcept;

}  // namespace trails::pg
