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
#include "pg/model_logger.h"
#include "pg/model_split.h"
#include "pg/settings.h"
#include "pg/source_rights.h"

namespace trails::pg {

namespace {

using SteadyClock = std::chrono::steady_clock;

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
  throw Error(
      ErrorKind::kDuplicateObject,
      fmt::format("intermediates of model \"{}\" are logged already", model.name),
      fmt::format("They are of {} rows of relation {}, with {}.",
                  sample == 0 ? "all" : std::to_string(sample), source,
                  key.empty() ? "no key" : fmt::format("key \"{}\"", key)),
      "To log others, drop these with trails.drop_intermediates first. Epochs that a training "
      "logged go with them, and cannot be logged again.");
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

// What the first call gives the layers that it does not name.
Scheme FirstScheme(const LogRequest &request) {
  const bool is_for_all = !request.layers || request.layers->empty();
  return is_for_all && request.scheme ? *request.scheme : IntermediateScheme();
}

// Whether pooling fits, before a row is read.
void CheckSchemes(const LogRequest &request, const Model &model,
                  const std::vector<std::string> &names, bool is_logged) {
  const std::vector<Layer> layers = LayersOf(model);
  if (request.scheme) {
    for (const std::string &name : names) {
      (void)StoredShape(*request.scheme, {layers[FindLayer(layers, name)].columns});
    }
  }
  if (is_logged) return;
  for (const Layer &layer : layers) {
    (void)StoredShape(SchemeOf(layer, FirstScheme(request)), {layer.columns});
  }
}

// Before a row is read: a model that is not logged has but itself.
void CheckEpochs(const LogRequest &request) {
  for (const std::int32_t epoch : request.epochs.value_or(std::vector<std::int32_t>())) {
    if (epoch == 0) continue;
    throw Error(ErrorKind::kUndefinedObject,
                fmt::format("epoch {} of model \"{}\" is not logged", epoch, request.model),
                "Epochs of a training can be logged by the training alone.",
                "Give option \"log\" to trails.train.");
  }
}

// Those asked for, or all that are logged; ascending.
std::vector<std::int32_t> NamedEpochs(const LogRequest &request, const LoggedRow &logged) {
  std::vector<std::int32_t> epochs;
  if (request.epochs) {
    epochs = *request.epochs;
    std::ranges::sort(epochs);
    const auto repeated = std::ranges::unique(epochs);
    epochs.erase(repeated.begin(), repeated.end());
    return epochs;
  }
  WithCatalog([&](CatalogSession &catalog) {
    SqlParameters parameters;
    parameters.AddBigint(logged.logged_id);
    const std::uint64_t count = catalog.WriteOften(
        "SELECT epoch FROM trails.snapshot WHERE logged_id = $1 ORDER BY epoch", parameters);
    for (std::uint64_t row = 0; row < count; ++row) epochs.push_back(catalog.Integer(row, 0));
  });
  return epochs;
}

// The named layers of the named epochs, by epoch and position.
std::vector<IntermediateRow> ListNamed(const LogRequest &request, const LoggedRow &logged,
                                       const std::vector<std::string> &names) {
  std::vector<IntermediateRow> named;
  for (const std::int32_t epoch : NamedEpochs(request, logged)) {
    for (IntermediateRow &row : ListIntermediates(logged, epoch)) {
      if (std::ranges::find(names, row.layer) != names.end()) named.push_back(std::move(row));
    }
  }
  return named;
}

// The first call: the rows, and the model itself as epoch 0.
void LogFirst(const LogRequest &request, const LoadedModel &loaded) {
  CheckEpochs(request);
  const StoredModel model{loaded.model(), loaded.row.key.model_id, loaded.row.name,
                          loaded.row.owner};
  RowsToLog rows;
  rows.source = request.source ? *request.source : WithCatalog([&](CatalogSession &catalog) {
    return SourceOf(catalog, loaded.row);
  });
  rows.key = request.key;
  rows.sample = request.sample;
  const LoggedDataset dataset = LogRows(model, rows);
  WithCatalog([&](CatalogSession &catalog) {
    InsertLogged(catalog, model, dataset, FirstScheme(request));
  });
}

// Gives the layers the scheme asked for; where none are named, each by SchemeOf.
void ReplaceSchemes(const LogRequest &request, const LoggedRow &logged, const Model &model,
                    const std::vector<IntermediateRow> &rows) {
  const std::vector<Layer> layers = LayersOf(model);
  WithCatalog([&](CatalogSession &catalog) {
    for (const IntermediateRow &row : rows) {
      const Scheme scheme = request.layers
                                ? *request.scheme
                                : SchemeOf(layers[FindLayer(layers, row.layer)], *request.scheme);
      if (row.scheme != scheme) ReplaceScheme(catalog, logged.logged_id, row, scheme);
    }
  });
}

// A column that the rows were read from and that is there no more; empty for none.
std::string MissingColumn(const ScanRequest &scan, const Model &model) {
  std::vector<std::string> names;
  for (const InputColumn &column : model.fields.columns) names.push_back(column.name);
  if (!scan.key.empty()) names.push_back(scan.key);
  if (scan.split) {
    for (const std::string &name : scan.split->columns()) names.push_back(name);
  }
  for (const std::string &name : names) {
    const char *const column = name.c_str();
    const Oid relation = scan.source;
    if (CallPg([=] { return get_attnum(relation, column); }) == InvalidAttrNumber) return name;
  }
  return {};
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
  bool is_logged = false;
  ModelRow row;
  RequireModel(request.model, "It was logged already, and has no layers that can be run.");
  WithCatalog([&](CatalogSession &catalog) {
    row = LockOwnModel(catalog, request.model);
    if (request.version) row = FindVersion(catalog, row, *request.version);
    is_logged = FindLoggedId(catalog, row).has_value();
  });
  const std::shared_ptr<LoadedModel> model = OpenModel(row);
  const std::vector<std::string> names = NamedLayers(request, model->model());
  CheckSchemes(request, model->model(), names, is_logged);
  if (is_logged) {
    WithCatalog([&](CatalogSession &catalog) { CheckSameRows(catalog, request, model->row); });
  } else {
    LogFirst(request, *model);
  }
  const LoggedRow logged = FindLogged(request.model, request.version);
  std::vector<IntermediateRow> layers = ListNamed(request, logged, names);
  if (request.scheme) {
    ReplaceSchemes(request, logged, model->model(), layers);
    layers = ListNamed(request, logged, names);
  }
  MaterialiseLayers(logged, layers, false);
  return Describe(layers, std::chrono::duration<double>(SteadyClock::now() - start).count());
}

bool SourceChanged(const std::string &model, std::optional<std::int32_t> version) {
  const LoggedRow logged = FindLogged(model, version);
  const bool is_pipeline = logged.kind == LoggedKind::kPipeline;
  RequireModel(logged,
               is_pipeline ? "Its source is looked at once, when it is logged."
                           : "It was logged without a source.",
               is_pipeline ? fmt::format("Compare the relation with trails.pipeline_rows('{}', 0), "
                                         "its rows as they were.",
                                         logged.name)
                           : std::string());
  if (logged.dataset.source_oid == InvalidOid) {
    Tell({NoticeLevel::kNotice,
          fmt::format("relation {} does not exist any more", logged.dataset.source),
          {},
          {}});
    return true;
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
  if (logged.dataset.has_split) scan.split = FindSplitRule(logged.model_id);
  const std::shared_ptr<LoadedModel> loaded = OpenModel(logged.model);
  if (const std::string column = MissingColumn(scan, loaded->model()); !column.empty()) {
    Tell({NoticeLevel::kNotice,
          fmt::format("column \"{}\" of relation {} does not exist any more", column,
                      logged.dataset.source),
          {},
          {}});
    return true;
  }
  scan.with_target = HasTarget(scan.source, loaded->model());
  if (!scan.with_target) scan.split.reset();
  RowHashes hashes(logged.dataset.categorical, logged.dataset.numeric);
  ScanInputRows(loaded->model(), loaded->row.name, scan, sample,
                [&](const InputRow &row) { hashes.Add(row); });
  return hashes.any_order() != hash;
}

}  // namespace trails::pg
