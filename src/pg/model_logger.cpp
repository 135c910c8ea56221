#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/model_logger.h"

extern "C" {
#include "catalog/pg_type.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <string_view>

#include "core/intermediates/row_keys.h"
#include "core/model/artefact.h"
#include "pg/catalog.h"
#include "pg/input_rows.h"
#include "pg/intermediate_catalog.h"
#include "pg/logged_inputs.h"
#include "pg/model_split.h"
#include "pg/partition_store.h"
#include "pg/row_seal.h"
#include "pg/source_rights.h"

namespace trails::pg {

namespace {

// A data set on its way into the catalog.
struct NewDataset {
  std::int64_t intermediate_id = 0;
  std::string source;
  std::vector<std::string> columns;
  std::int64_t rows = 0;
  std::string source_hash;
  std::string fingerprint;
  std::string encoder;
  std::string features;
  bool has_split = false;
};

std::int64_t NextIntermediate(CatalogSession &catalog) {
  catalog.WriteOften("SELECT nextval('trails.intermediate_intermediate_id_seq')", SqlParameters());
  return catalog.Bigint(0, 0);
}

// The sequence gave the number already, since rows are written under it before this.
void InsertIntermediate(CatalogSession &catalog, std::int64_t intermediate,
                        std::optional<std::int64_t> logged, const IntermediateRow &row,
                        std::int32_t position, const std::string &scheme) {
  SqlParameters parameters;
  parameters.AddBigint(intermediate).AddBigint(logged.value_or(0)).AddInteger(row.epoch);
  parameters.AddText(row.layer).AddInteger(position).AddInteger(row.shape.channels);
  parameters.AddInteger(row.shape.height).AddInteger(row.shape.width).AddBigint(row.rows);
  parameters.AddText(scheme);
  catalog.WriteOften(
      "INSERT INTO trails.intermediate (intermediate_id, logged_id, epoch, layer, position, shape, "
      "rows, scheme) OVERRIDING SYSTEM VALUE VALUES ($1, nullif($2, 0), $3, $4, $5, "
      "ARRAY[$6, $7, $8], $9, $10)",
      parameters);
  SealRow(catalog, SealedTable::kIntermediate, intermediate);
}

// All layers of an epoch, in their order.
void InsertLayers(CatalogSession &catalog, std::int64_t logged, std::int32_t epoch,
                  const std::vector<Layer> &layers, std::int64_t rows, const Scheme &scheme) {
  std::vector<std::string> names;
  std::vector<std::string> schemes;
  std::vector<std::int32_t> columns;
  for (const Layer &layer : layers) {
    names.push_back(layer.name);
    schemes.push_back(SchemeText(SchemeOf(layer, scheme)));
    columns.push_back(layer.columns);
  }
  SqlParameters parameters;
  parameters.AddBigint(logged).AddInteger(epoch).AddBigint(rows).AddTexts(schemes).AddTexts(names);
  parameters.AddArray(INT4OID, columns, IntegerElement);
  const std::uint64_t inserted = catalog.WriteOften(
      "INSERT INTO trails.intermediate (logged_id, epoch, layer, position, shape, rows, scheme) "
      "SELECT $1, $2, l.layer, l.place - 1, ARRAY[l.columns, 1, 1], $3, l.scheme "
      "FROM unnest($4, $5, $6) WITH ORDINALITY AS l(scheme, layer, columns, place) "
      "ORDER BY l.place RETURNING intermediate_id",
      parameters);
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < inserted; ++row) ids.push_back(catalog.Bigint(row, 0));
  for (const std::int64_t id : ids) SealRow(catalog, SealedTable::kIntermediate, id);
}

std::string SourceName(CatalogSession &catalog, Oid relation) {
  SqlParameters parameters;
  parameters.AddOid(relation);
  catalog.WriteOften(
      "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n "
      "ON n.oid = c.relnamespace WHERE c.oid = $1",
      parameters);
  return catalog.Text(0, 0);
}

void CheckForInterrupts() {
  CallPg([] { CHECK_FOR_INTERRUPTS(); });
}

// Says so where a key names fewer rows than there are.
void TellOfPoorKey(const std::string &key, RowKeys *keys) {
  const std::int64_t repeated = keys->CountRepeated(CheckForInterrupts);
  if (keys->nulls() == 0 && repeated == 0) return;
  Tell({NoticeLevel::kNotice, fmt::format("key \"{}\" does not name every logged row", key),
        fmt::format("Of {} rows {} have no value, and {} share theirs with others.", keys->rows(),
                    keys->nulls(), repeated),
        "Rows without a key of their own cannot be told apart by it, and are left out where models "
        "are compared by keys."});
}

void AddMissing(const std::vector<std::string> &names, std::vector<std::string> *to) {
  for (const std::string &name : names) {
    if (std::ranges::find(*to, name) == to->end()) to->push_back(name);
  }
}

// Reads the source, and writes its rows under a new number.
NewDataset ReadSource(const StoredModel &model, const RowsToLog &rows) {
  NewDataset dataset;
  WithCatalog([&](CatalogSession &catalog) {
    RefuseRowSecurity(catalog, rows.source, catalog.caller());
    // Who logs another model with the same rows now would not see them, and keep them twice.
    SqlParameters lock;
    lock.AddInteger(static_cast<std::int32_t>(CatalogTable("dataset")));
    lock.AddInteger(static_cast<std::int32_t>(rows.source));
    catalog.WriteOften("SELECT pg_advisory_xact_lock($1, $2)", lock);
    dataset.source = SourceName(catalog, rows.source);
    dataset.intermediate_id = NextIntermediate(catalog);
  });
  const Fields &fields = model.model.fields;
  ScanRequest scan;
  scan.source = rows.source;
  scan.key = rows.key;
  scan.with_target = HasTarget(rows.source, model.model);
  for (const InputColumn &column : fields.columns) dataset.columns.push_back(column.name);
  if (scan.with_target) dataset.columns.push_back(model.model.target.column.name);
  if (!scan.key.empty()) dataset.columns.push_back(scan.key);
  if (scan.with_target) scan.split = SplitRuleFor(model.model_id, model.name, scan.source);
  dataset.has_split = scan.split.has_value();
  if (scan.split) AddMissing(scan.split->columns(), &dataset.columns);

  InputWriter writer(dataset.intermediate_id, fields.categorical(), fields.numeric(),
                     !scan.key.empty(), dataset.has_split);
  RowHashes hashes(fields.categorical(), fields.numeric());
  RowKeys keys;
  ScanInputRows(model.model, model.name, scan, rows.sample, [&](const InputRow &row) {
    hashes.Add(row);
    if (!scan.key.empty()) keys.Add(row.key);
    writer.Put(row);
  });
  writer.Finish();
  if (!scan.key.empty()) TellOfPoorKey(scan.key, &keys);
  if (writer.rows() == 0) {
    throw Error(ErrorKind::kBadData, fmt::format("relation {} has no rows", dataset.source));
  }
  dataset.rows = writer.rows();
  dataset.source_hash = hashes.any_order();
  dataset.fingerprint = hashes.in_order();
  dataset.encoder = EncoderHash(fields);
  dataset.features = hashes.features();
  return dataset;
}

SqlParameters DatasetParameters(const StoredModel &model, const RowsToLog &rows,
                                const NewDataset &dataset) {
  const Fields &fields = model.model.fields;
  SqlParameters parameters;
  parameters.AddOid(model.owner).AddText(dataset.source).AddOid(rows.source);
  parameters.AddText(model.model.target.column.name).AddText(rows.key);
  parameters.AddBigint(rows.sample.value_or(0)).AddTexts(dataset.columns);
  parameters.AddBigint(dataset.rows).AddInteger(fields.categorical()).AddInteger(fields.numeric());
  parameters.AddText(dataset.source_hash).AddText(dataset.fingerprint);
  parameters.AddBool(dataset.has_split);
  return parameters;
}

// The number of an equal data set, which then stays, or of this one, stored.
std::int64_t ShareOrInsert(CatalogSession &catalog, const StoredModel &model, const RowsToLog &rows,
                           const NewDataset &dataset) {
  SqlParameters parameters = DatasetParameters(model, rows, dataset);
  if (catalog.WriteOften(
          "SELECT dataset_id FROM trails.dataset AS d WHERE seal = trails.seal_of(d) "
          "AND owner = $1 AND source = $2 "
          "AND source_oid = $3 AND target = $4 AND key IS NOT DISTINCT FROM nullif($5, '')::name "
          "AND coalesce(sample, 0) = $6 AND columns = $7::name[] AND rows = $8 "
          "AND categorical = $9 AND numeric = $10 AND source_hash = $11 AND fingerprint = $12 "
          "AND split = $13 "
          "ORDER BY dataset_id LIMIT 1 FOR SHARE",
          parameters) > 0) {
    const std::int64_t shared = catalog.Bigint(0, 0);
    DropIntermediate(catalog, Shelf::kDurable, dataset.intermediate_id);
    return shared;
  }
  parameters.AddText(dataset.encoder).AddText(dataset.features);
  parameters.AddBigint(dataset.intermediate_id);
  catalog.WriteOften(
      "INSERT INTO trails.dataset (owner, source, source_oid, target, key, sample, columns, rows, "
      "categorical, numeric, source_hash, fingerprint, split, encoder, features, intermediate_id, "
      "created_at) VALUES ($1, $2, $3, $4, nullif($5, '')::name, nullif($6, 0), $7::name[], $8, "
      "$9, $10, $11, $12, $13, $14, $15, $16, now()) RETURNING dataset_id",
      parameters);
  const std::int64_t inserted = catalog.Bigint(0, 0);
  SealRow(catalog, SealedTable::kDataset, inserted);
  const Fields &fields = model.model.fields;
  IntermediateRow row;
  row.layer = "rows";
  row.shape.channels = fields.categorical() + fields.numeric() + 1 + (rows.key.empty() ? 0 : 2) +
                       (dataset.has_split ? 1 : 0);
  row.rows = dataset.rows;
  InsertIntermediate(catalog, dataset.intermediate_id, std::nullopt, row, 0, "encoded");
  return inserted;
}

void InsertSnapshotParts(CatalogSession &catalog, std::int64_t logged, std::int32_t epoch,
                         std::string_view artefact) {
  std::int32_t part = 0;
  for (std::size_t at = 0; at < artefact.size(); at += kModelPartBytes, ++part) {
    SqlParameters parameters;
    parameters.AddBigint(logged).AddInteger(epoch).AddInteger(part);
    parameters.AddBytes(artefact.substr(at, kModelPartBytes));
    catalog.WriteOften(
        "INSERT INTO trails.snapshot_part (logged_id, epoch, part, bytes) VALUES ($1, $2, $3, $4)",
        parameters);
    void *const bytes = DatumGetPointer(parameters.values().back());
    CallPg([=] { pfree(bytes); });
  }
}

void InsertSnapshot(CatalogSession &catalog, std::int64_t logged, std::int32_t epoch,
                    const Snapshot &snapshot) {
  SqlParameters parameters;
  parameters.AddBigint(logged).AddInteger(epoch).AddDouble(snapshot.epoch);
  parameters.AddDouble(snapshot.train_loss).AddDouble(snapshot.metric);
  parameters.AddBigint(static_cast<std::int64_t>(snapshot.artefact.size()));
  parameters.AddUuid(SealOfParameters(logged, epoch, snapshot.artefact).bytes);
  catalog.WriteOften(
      "INSERT INTO trails.snapshot (logged_id, epoch, passes, train_loss, valid, bytes, seal) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      parameters);
  InsertSnapshotParts(catalog, logged, epoch, snapshot.artefact);
}

}  // namespace

Scheme SchemeOf(const Layer &layer, const Scheme &scheme) noexcept {
  switch (layer.kind) {
    case LayerKind::kEmbedding:
    case LayerKind::kBefore:
    case LayerKind::kHidden: return scheme;
    case LayerKind::kLogits:
    case LayerKind::kPrediction:
    case LayerKind::kLoss: break;
  }
  return {SchemeKind::kF32};
}

LoggedDataset LogRows(const StoredModel &model, const RowsToLog &rows) {
  const NewDataset dataset = ReadSource(model, rows);
  return WithCatalog([&](CatalogSession &catalog) {
    return LoggedDataset{ShareOrInsert(catalog, model, rows, dataset), dataset.rows};
  });
}

std::int64_t InsertLogged(CatalogSession &catalog, const StoredModel &model,
                          const LoggedDataset &dataset, const Scheme &scheme) {
  SqlParameters logged;
  logged.AddOid(model.owner).AddBigint(model.model_id).AddBigint(dataset.dataset_id);
  catalog.WriteOften(
      "INSERT INTO trails.logged (owner, kind, model_id, dataset_id, created_at) "
      "VALUES ($1, 'model', $2, $3, now()) RETURNING logged_id",
      logged);
  const std::int64_t id = catalog.Bigint(0, 0);
  SealRow(catalog, SealedTable::kLogged, id);
  SqlParameters snapshot;
  snapshot.AddBigint(id).AddBigint(model.model_id);
  catalog.WriteOften(
      "INSERT INTO trails.snapshot (logged_id, epoch, valid, bytes) "
      "SELECT $1, 0, m.valid, 0 FROM trails.model AS m WHERE m.model_id = $2",
      snapshot);
  InsertLayers(catalog, id, 0, LayersOf(model.model), dataset.rows, scheme);
  return id;
}

void ReplaceScheme(CatalogSession &catalog, std::int64_t logged, const IntermediateRow &row,
                   const Scheme &scheme) {
  SqlParameters parameters;
  parameters.AddBigint(row.intermediate_id);
  if (catalog.WriteOften("SELECT position FROM trails.intermediate WHERE intermediate_id = $1",
                         parameters) == 0) {
    return;
  }
  const std::int32_t position = catalog.Integer(0, 0);
  DropIntermediateRow(catalog, row.intermediate_id);
  InsertIntermediate(catalog, NextIntermediate(catalog), logged, row, position, SchemeText(scheme));
}

void CheckTrainingLog(Oid source, const Scheme &scheme) {
  (void)StoredShape(scheme, {1});
  WithCatalog(
      [&](CatalogSession &catalog) { RefuseRowSecurity(catalog, source, catalog.caller()); });
}

double LoggingSeconds(double reading_seconds, std::int64_t rows, std::int64_t columns) {
  constexpr double kFixedSeconds = 0.01;
  constexpr double kReadingTimes = 2;  // a cursor's rows cost twice those of a receiver
  constexpr double kSecondsPerRow = 2.5e-6;
  constexpr double kSecondsPerValue = 60e-9;
  return kFixedSeconds + kReadingTimes * reading_seconds +
         static_cast<double>(rows) *
             (kSecondsPerRow + static_cast<double>(columns) * kSecondsPerValue);
}

double SnapshotSeconds(const std::vector<Snapshot> &snapshots) noexcept {
  constexpr double kSecondsPerByte = 1e-8;
  double seconds = 0;
  for (const Snapshot &snapshot : snapshots) {
    seconds += static_cast<double>(snapshot.artefact.size()) * kSecondsPerByte;
  }
  return seconds;
}

void LogTraining(const TrainingLog &log, const SelectionResult &result) {
  const Model kept = ReadArtefact(result.artefact);
  const StoredModel model{kept, log.model_id, log.name, CallPg([] { return GetUserId(); })};
  RowsToLog rows;
  rows.source = log.source;
  rows.key = log.key;
  const LoggedDataset dataset = LogRows(model, rows);
  WithCatalog([&](CatalogSession &catalog) {
    const std::int64_t logged = InsertLogged(catalog, model, dataset, log.scheme);
    if (result.snapshots.empty()) return;
    // The kept model may be the mean of several networks, an epoch's is one.
    const std::vector<Layer> layers = LayersOf(ReadArtefact(result.snapshots.front().artefact));
    std::int32_t epoch = 0;
    for (const Snapshot &snapshot : result.snapshots) {
      InsertSnapshot(catalog, logged, ++epoch, snapshot);
      InsertLayers(catalog, logged, epoch, layers, dataset.rows, log.scheme);
    }
  });
}

}  // namespace trails::pg
