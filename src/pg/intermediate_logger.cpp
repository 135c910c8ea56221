#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_logger.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/intermediates/layers.h"
#include "pg/input_rows.h"
#include "pg/intermediate_catalog.h"
#include "pg/intermediate_reader.h"
#include "pg/logged_inputs.h"
#include "pg/model_cache.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

using SteadyClock = std::chrono::steady_clock;

// A data set on its way into the catalog.
struct NewDataset {
  std::int64_t intermediate_id = 0;
  Oid source_oid = InvalidOid;
  std::string source;
  std::vector<std::string> columns;
  std::int64_t rows = 0;
  std::string source_hash;
  std::string fingerprint;
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
}

Oid SourceOf(CatalogSession &catalog, const ModelRow &model) {
  SqlParameters parameters;
  parameters.AddBigint(model.key.model_id);
  if (catalog.WriteOften("SELECT source, source_oid FROM trails.model WHERE model_id = $1",
                         parameters) == 0) {
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("model \"{}\" was dropped meanwhile", model.name));
  }
  const std::string source = catalog.Text(0, 0);
  const Oid found = FindSource(catalog, source, catalog.ObjectId(0, 1));
  if (found != InvalidOid) return found;
  throw Error(ErrorKind::kUndefinedObject, fmt::format("relation {} does not exist", source),
              fmt::format("Model \"{}\" was trained on it.", model.name),
              "Name the relation to log with source.");
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

// Reads the source, and writes its rows under a new number.
NewDataset ReadSource(const LogRequest &request, const LoadedModel &model, Oid source) {
  NewDataset dataset;
  dataset.source_oid = source;
  WithCatalog([&](CatalogSession &catalog) {
    RefuseRowSecurity(catalog, source, catalog.caller());
    // Who logs another model with the same rows now would not see them, and keep them twice.
    SqlParameters lock;
    lock.AddInteger(static_cast<std::int32_t>(CatalogTable("dataset")));
    lock.AddInteger(static_cast<std::int32_t>(source));
    catalog.WriteOften("SELECT pg_advisory_xact_lock($1, $2)", lock);
    dataset.source = SourceName(catalog, source);
    dataset.intermediate_id = NextIntermediate(catalog);
  });
  const Fields &fields = model.model().fields;
  ScanRequest scan;
  scan.source = source;
  scan.key = request.key;
  scan.with_target = HasTarget(source, model.model());
  for (const InputColumn &column : fields.columns) dataset.columns.push_back(column.name);
  if (scan.with_target) dataset.columns.push_back(model.target().column.name);
  if (!scan.key.empty()) dataset.columns.push_back(scan.key);

  InputWriter writer(dataset.intermediate_id, fields.categorical(), fields.numeric(),
                     !scan.key.empty());
  RowHashes hashes(fields.categorical(), fields.numeric());
  ScanInputRows(model.model(), model.row.name, scan, request.sample, [&](const InputRow &row) {
    hashes.Add(row);
    writer.Put(row);
  });
  writer.Finish();
  if (writer.rows() == 0) {
    throw Error(ErrorKind::kBadData, fmt::format("relation {} has no rows", dataset.source));
  }
  dataset.rows = writer.rows();
  dataset.source_hash = hashes.any_order();
  dataset.fingerprint = hashes.in_order();
  return dataset;
}

SqlParameters DatasetParameters(const LogRequest &request, const LoadedModel &model,
                                const NewDataset &dataset) {
  const Fields &fields = model.model().fields;
  SqlParameters parameters;
  parameters.AddOid(model.row.owner).AddText(dataset.source).AddOid(dataset.source_oid);
  parameters.AddText(model.target().column.name).AddText(request.key);
  parameters.AddBigint(request.sample.value_or(0)).AddTexts(dataset.columns);
  parameters.AddBigint(dataset.rows).AddInteger(fields.categorical()).AddInteger(fields.numeric());
  parameters.AddText(dataset.source_hash).AddText(dataset.fingerprint);
  return parameters;
}

// The number of an equal data set, which then stays, or of this one, stored.
std::int64_t ShareOrInsert(CatalogSession &catalog, const LogRequest &request,
                           const LoadedModel &model, const NewDataset &dataset) {
  SqlParameters parameters = DatasetParameters(request, model, dataset);
  if (catalog.WriteOften(
          "SELECT dataset_id FROM trails.dataset WHERE owner = $1 AND source = $2 "
          "AND source_oid = $3 AND target = $4 AND key IS NOT DISTINCT FROM nullif($5, '')::name "
          "AND coalesce(sample, 0) = $6 AND columns = $7::name[] AND rows = $8 "
          "AND categorical = $9 AND numeric = $10 AND source_hash = $11 AND fingerprint = $12 "
          "ORDER BY dataset_id LIMIT 1 FOR SHARE",
          parameters) > 0) {
    const std::int64_t shared = catalog.Bigint(0, 0);
    DropIntermediate(catalog, Shelf::kDurable, dataset.intermediate_id);
    return shared;
  }
  parameters.AddBigint(dataset.intermediate_id);
  catalog.WriteOften(
      "INSERT INTO trails.dataset (owner, source, source_oid, target, key, sample, columns, rows, "
      "categorical, numeric, source_hash, fingerprint, intermediate_id, created_at) "
      "VALUES ($1, $2, $3, $4, nullif($5, '')::name, nullif($6, 0), $7::name[], $8, $9, $10, $11, "
      "$12, $13, now()) RETURNING dataset_id",
      parameters);
  const std::int64_t inserted = catalog.Bigint(0, 0);
  const Fields &fields = model.model().fields;
  IntermediateRow row;
  row.layer = "rows";
  row.shape.channels = fields.categorical() + fields.numeric() + 1 + (request.key.empty() ? 0 : 2);
  row.rows = dataset.rows;
  InsertIntermediate(catalog, dataset.intermediate_id, std::nullopt, row, 0, "encoded");
  return inserted;
}

// The catalog's rows of a model that is logged for the first time: epoch 0, all layers.
void InsertLogged(CatalogSession &catalog, const LogRequest &request, const LoadedModel &model,
                  std::int64_t dataset, std::int64_t rows) {
  SqlParameters logged;
  logged.AddOid(model.row.owner).AddBigint(model.row.key.model_id).AddBigint(dataset);
  catalog.WriteOften(
      "INSERT INTO trails.logged (owner, kind, model_id, dataset_id, created_at) "
      "VALUES ($1, 'model', $2, $3, now()) RETURNING logged_id",
      logged);
  const std::int64_t id = catalog.Bigint(0, 0);
  SqlParameters snapshot;
  snapshot.AddBigint(id).AddBigint(model.row.key.model_id);
  catalog.WriteOften(
      "INSERT INTO trails.snapshot (logged_id, epoch, valid, bytes) "
      "SELECT $1, 0, m.valid, 0 FROM trails.model AS m WHERE m.model_id = $2",
      snapshot);
  const std::string scheme = SchemeText(request.scheme.value_or(IntermediateScheme()));
  std::int32_t position = 0;
  for (const Layer &layer : LayersOf(model.model())) {
    IntermediateRow row;
    row.layer = layer.name;
    row.shape.channels = layer.columns;
    row.rows = rows;
    InsertIntermediate(catalog, NextIntermediate(catalog), id, row, position++, scheme);
  }
}

std::optional<std::int64_t> FindLoggedId(CatalogSession &catalog, const ModelRow &model) {
  SqlParameters parameters;
  parameters.AddBigint(model.key.model_id);
  if (catalog.WriteOften("SELECT logged_id FROM trails.logged WHERE model_id = $1", parameters) ==
      0) {
    return std::nullopt;
  }
  return catalog.Bigint(0, 0);
}

// Throws where the rows that are logged are not those that are asked for.
void CheckSameRows(CatalogSession &catalog, const LogRequest &request, const ModelRow &model) {
  SqlParameters parameters;
  parameters.AddBigint(model.key.model_id);
  catalog.WriteOften(
      "SELECT d.source, d.source_oid, coalesce(d.key, ''), coalesce(d.sample, 0) "
      "FROM trails.logged AS l JOIN trails.dataset AS d USING (dataset_id) WHERE l.model_id = $1",
      parameters);
  const std::string source = catalog.Text(0, 0);
  const Oid source_oid = catalog.ObjectId(0, 1);
  const std::string key = catalog.Text(0, 2);
  const std::int64_t sample = catalog.Bigint(0, 3);
  const bool is_source =
      !request.source || *request.source == FindSource(catalog, source, source_oid);
  const bool is_key = request.key.empty() || request.key == key;
  const bool is_sample = !request.sample || *request.sample == sample;
  if (is_source && is_key && is_sample) return;
  throw Error(ErrorKind::kDuplicateObject,
              fmt::format("intermediates of model \"{}\" are logged already", model.name),
              fmt::format("They are of {} rows of relation {}, with {}.",
                          sample == 0 ? "all" : std::to_string(sample), source,
                          key.empty() ? "no key" : fmt::format("key \"{}\"", key)),
              "To log others, drop these with trails.drop_intermediates first.");
}

// The layers asked for by name, as they are called; all of them where none are named.
std::vector<std::string> NamedLayers(const LogRequest &request, const Model &model) {
  const std::vector<Layer> layers = LayersOf(model);
  std::vector<std::string> names;
  if (!request.layers) {
    for (const Layer &layer : layers) names.push_back(layer.name);
    return names;
  }
  for (const std::string &asked : *request.layers) {
    const std::string &name = layers[FindLayer(layers, asked)].name;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

// Whether pooling fits, before a row is read.
void CheckScheme(const LogRequest &request, const Model &model,
                 const std::vector<std::string> &names) {
  const Scheme scheme = request.scheme.value_or(IntermediateScheme());
  const std::vector<Layer> layers = LayersOf(model);
  for (const std::string &name : names) {
    (void)StoredShape(scheme, {layers[FindLayer(layers, name)].columns});
  }
}

// The named layers of all logged epochs, by epoch and position.
std::vector<IntermediateRow> ListNamed(const LoggedRow &logged,
                                       const std::vector<std::string> &names) {
  std::vector<std::int32_t> epochs;
  WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(logged.logged_id);
    const std::uint64_t count = catalog.WriteOften(
        "SELECT epoch FROM trails.snapshot WHERE logged_id = $1 ORDER BY epoch", parameters);
    for (std::uint64_t row = 0; row < count; ++row) epochs.push_back(catalog.Integer(row, 0));
  });
  std::vector<IntermediateRow> named;
  for (const std::int32_t epoch : epochs) {
    for (IntermediateRow &row : ListIntermediates(logged, epoch)) {
      if (std::ranges::find(names, row.layer) != names.end()) named.push_back(std::move(row));
    }
  }
  return named;
}

// Another scheme makes another intermediate, so that what others store of the old one meanwhile
// is not taken for it.
void ReplaceScheme(CatalogSession &catalog, const LoggedRow &logged, const IntermediateRow &row,
                   const Scheme &scheme) {
  SqlParameters parameters;
  parameters.AddBigint(row.intermediate_id);
  if (catalog.WriteOften("SELECT position FROM trails.intermediate WHERE intermediate_id = $1",
                         parameters) == 0) {
    return;
  }
  const std::int32_t position = catalog.Integer(0, 0);
  DropIntermediateRow(catalog, row.intermediate_id);
  InsertIntermediate(catalog, NextIntermediate(catalog), logged.logged_id, row, position,
                     SchemeText(scheme));
}

std::vector<LoggedLayer> Describe(const std::vector<IntermediateRow> &rows, double seconds) {
  std::vector<LoggedLayer> layers;
  WithCatalog([&](CatalogSession &catalog) {
    for (const IntermediateRow &row : rows) {
      LoggedLayer layer;
      layer.epoch = row.epoch;
      layer.layer = row.layer;
      layer.columns = StoredShape(row.scheme, row.shape).columns();
      layer.rows = row.rows;
      layer.scheme = row.scheme;
      layer.seconds = seconds / static_cast<double>(rows.size());
      const auto groups = StoredGroups(catalog, Shelf::kCache, row.intermediate_id);
      for (const StoredGroup &group : groups) layer.bytes += group.bytes;
      layer.stored = static_cast<std::int32_t>(groups.size()) ==
                     (layer.columns + kPartitionColumns - 1) / kPartitionColumns;
      layers.push_back(std::move(layer));
    }
  });
  return layers;
}

}  // namespace

std::vector<LoggedLayer> LogIntermediates(const LogRequest &request) {
  const auto start = SteadyClock::now();
  const bool is_logged = WithCatalog([&](CatalogSession &catalog) {
    return FindLoggedId(catalog, LockOwnModel(catalog, request.model)).has_value();
  });
  const std::shared_ptr<LoadedModel> model = OpenModel(request.model);
  const std::vector<std::string> names = NamedLayers(request, model->model());
  if (request.scheme || !is_logged) CheckScheme(request, model->model(), names);
  if (is_logged) {
    WithCatalog([&](CatalogSession &catalog) { CheckSameRows(catalog, request, model->row); });
  } else {
    const Oid source = request.source ? *request.source : WithCatalog([&](CatalogSession &catalog) {
      return SourceOf(catalog, model->row);
    });
    const NewDataset dataset = ReadSource(request, *model, source);
    WithCatalog([&](CatalogSession &catalog) {
      const std::int64_t id = ShareOrInsert(catalog, request, *model, dataset);
      InsertLogged(catalog, request, *model, id, dataset.rows);
    });
  }
  const LoggedRow logged = FindLogged(request.model);
  std::vector<IntermediateRow> layers = ListNamed(logged, names);
  if (is_logged && request.scheme) {
    WithCatalog([&](CatalogSession &catalog) {
      for (const IntermediateRow &layer : layers) {
        if (layer.scheme != *request.scheme) {
          ReplaceScheme(catalog, logged, layer, *request.scheme);
        }
      }
    });
    layers = ListNamed(logged, names);
  }
  MaterialiseLayers(logged, layers, false);
  return Describe(layers, std::chrono::duration<double>(SteadyClock::now() - start).count());
}

bool SourceChanged(const std::string &model) {
  const LoggedRow logged = FindLogged(model);
  if (logged.kind != LoggedKind::kModel) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("\"{}\" is no model", model));
  }
  if (logged.dataset.source_oid == InvalidOid) {
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("relation {} does not exist", logged.dataset.source));
  }
  ScanRequest scan;
  scan.source = logged.dataset.source_oid;
  std::optional<std::int64_t> sample;
  std::string hash;
  WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(logged.dataset.dataset_id);
    catalog.WriteOften(
        "SELECT source_hash, coalesce(key, ''), coalesce(sample, 0) FROM trails.dataset "
        "WHERE dataset_id = $1",
        parameters);
    hash = catalog.Text(0, 0);
    scan.key = catalog.Text(0, 1);
    if (catalog.Bigint(0, 2) != 0) sample = catalog.Bigint(0, 2);
  });
  const std::shared_ptr<LoadedModel> loaded = OpenModel(logged.model);
  scan.with_target = HasTarget(scan.source, loaded->model());
  RowHashes hashes(logged.dataset.categorical, logged.dataset.numeric);
  ScanInputRows(loaded->model(), loaded->row.name, scan, sample,
                [&](const InputRow &row) { hashes.Add(row); });
  return hashes.any_order() != hash;
}

}  // namespace trails::pg
