// Enters a model into the catalog of intermediates: the rows that its layers are of, its epochs,
// its layers. Computes nothing of them.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/intermediates/scheme.h"
#include "core/model/model.h"
#include "pg/bridge.h"
#include "pg/catalog_session.h"
#include "pg/intermediate_catalog.h"
#include "trails/result.h"

namespace trails::pg {

// A model that is stored. `model` must outlive it.
struct StoredModel {
  const Model &model;
  std::int64_t model_id = 0;
  std::string name;
  Oid owner = InvalidOid;
};

// Which rows of which relation.
struct RowsToLog {
  Oid source = InvalidOid;
  std::string key;                     // column that names a row; empty: none
  std::optional<std::int64_t> sample;  // see ScanInputRows
};

// The scheme that a layer has where nobody names one for it: `scheme` for embeddings and hidden
// layers; f32 for logits, predictions and losses, which are few numbers and are what answers are
// read off.
Scheme SchemeOf(const Layer &layer, const Scheme &scheme) noexcept;

struct LoggedDataset {
  std::int64_t dataset_id = 0;
  std::int64_t rows = 0;
};

// Reads the rows in one scan under the caller's rights and keeps them encoded; an equal data set of
// the same owner and source is shared. A NOTICE tells of a key that does not name every row. Throws
// Error(kNotSupported) under row security, Error(kBadData) for a relation without rows, what
// ScanInputRows and InputWriter throw. Cost: some 2 us a row, and as much for 20 columns. Memory:
// with a key 24 bytes a row.
LoggedDataset LogRows(const StoredModel &model, const RowsToLog &rows);

// A model that was not logged before: epoch 0, the model itself, with all its layers by SchemeOf.
// Returns its logged_id. Throws PgError. Cost: under 1 ms.
std::int64_t InsertLogged(CatalogSession &catalog, const StoredModel &model,
                          const LoggedDataset &dataset, const Scheme &scheme);

// Another scheme makes another intermediate, so that what others store of the old one meanwhile is
// not taken for it. Nothing happens where it is gone. Throws PgError.
void ReplaceScheme(CatalogSession &catalog, std::int64_t logged, const IntermediateRow &row,
                   const Scheme &scheme);

// What option "log" of trails.train and trails.model_selection asks for.
struct TrainingLog {
  std::int64_t model_id = 0;  // as it was just stored, by this very command
  std::string name;           // of the model, which is the caller's
  Oid source = InvalidOid;    // that it was trained on
  std::string key;            // as in RowsToLog
  Scheme scheme;              // see SchemeOf
};

// What can be known before a row is read: throws Error(kInvalidArgument) for a scheme that no layer
// of a perceptron has, Error(kNotSupported) where row security filters the source for the caller.
void CheckTrainingLog(Oid source, const Scheme &scheme);

// What LogTraining takes but for result.snapshots, for which the engine itself leaves time: an
// estimate from what reading the same rows and columns took.
double LoggingSeconds(double reading_seconds, std::int64_t rows, std::int64_t columns);
// What they take: 10 ms a MB.
double SnapshotSeconds(const std::vector<Snapshot> &snapshots) noexcept;

// Logs the rows, read again as this command's snapshot shows them, and each of result.snapshots as
// an epoch, numbered from 1. Statistics come with the first query. Throws what LogRows throws.
// Cost: LoggingSeconds and SnapshotSeconds.
void LogTraining(const TrainingLog &log, const SelectionResult &result);

}  // namespace trails::pg
