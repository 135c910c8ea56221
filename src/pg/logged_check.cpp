#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/logged_check.h"

extern "C" {
#include "miscadmin.h"
}

#include <limits>
#include <optional>
#include <string>

#include "core/intermediates/row_choice.h"
#include "core/model/artefact.h"
#include "pg/input_rows.h"
#include "pg/logged_inputs.h"
#include "pg/memory_scope.h"
#include "pg/model_catalog.h"

namespace trails::pg {

namespace {

// A data set, and the hashes over its rows.
struct Hashed {
  DatasetRow dataset;
  std::string in_order;
  std::string any_order;
  std::string features;
};

std::vector<Hashed> ListDatasets(CatalogSession &catalog) {
  const MemoryScope memory;
  const std::uint64_t count = catalog.Read(
      "SELECT dataset_id, intermediate_id, rows, categorical, numeric, coalesce(key, ''), "
      "fingerprint, source_hash, features, split FROM trails.dataset ORDER BY dataset_id",
      SqlParameters());
  std::vector<Hashed> datasets;
  for (std::uint64_t row = 0; row < count; ++row) {
    Hashed hashed;
    hashed.dataset.dataset_id = catalog.Bigint(row, 0);
    hashed.dataset.intermediate_id = catalog.Bigint(row, 1);
    hashed.dataset.rows = catalog.Bigint(row, 2);
    hashed.dataset.categorical = catalog.Integer(row, 3);
    hashed.dataset.numeric = catalog.Integer(row, 4);
    hashed.dataset.key = catalog.Text(row, 5);
    hashed.in_order = catalog.Text(row, 6);
    hashed.any_order = catalog.Text(row, 7);
    hashed.features = catalog.Text(row, 8);
    hashed.dataset.has_split = catalog.Bool(row, 9);
    datasets.push_back(std::move(hashed));
  }
  return datasets;
}

RowHashes HashRows(CatalogSession &catalog, const DatasetRow &dataset) {
  const RowChoice rows(dataset.rows, {});
  LoggedInputs inputs(catalog, dataset, rows.blocks());
  RowHashes hashes(dataset.categorical, dataset.numeric);
  InputBlock block;
  for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
    inputs.Read(i, &block);
    inputs.ReadKeys(i, &block);
    inputs.ReadParts(i, &block);
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const auto at = static_cast<std::size_t>(row);
      InputRow input;
      input.ids = block.ids.data() + row * dataset.categorical;
      input.values = block.values.data() + row * dataset.numeric;
      input.label = block.labels[at];
      if (block.keys[at]) input.key = *block.keys[at];
      input.part = block.parts[at];
      hashes.Add(input);
    }
  }
  return hashes;
}

// What is wrong with the data set: problem and sentence; nothing where its rows are as they were.
std::optional<std::pair<const char *, std::string>> Defect(CatalogSession &catalog,
                                                           const Hashed &hashed) {
  // What is thrown leaves the scopes inside this one open.
  const MemoryScope memory;
  const std::int64_t id = hashed.dataset.dataset_id;
  try {
    const RowHashes hashes = HashRows(catalog, hashed.dataset);
    if (hashes.in_order() == hashed.in_order && hashes.any_order() == hashed.any_order &&
        hashes.features() == hashed.features) {
      return std::nullopt;
    }
    return std::pair("wrong fingerprint",
                     fmt::format("The rows of data set {} are not those that were logged.", id));
  } catch (const Error &error) {
    if (error.kind() == ErrorKind::kUndefinedObject) return std::nullopt;  // dropped meanwhile
    if (error.kind() != ErrorKind::kCorruptData) throw;
    return std::pair("wrong rows or columns",
                     fmt::format("Data set {}: {}: {}", id, error.what(), error.detail()));
  }
}

// What the catalog says of the rows that a model was logged with, from column `first` on:
// dataset_id, categorical, numeric, encoder; the first NULL where it was not logged.
struct LoggedWith {
  std::int64_t dataset_id = 0;
  std::int32_t categorical = 0;
  std::int32_t numeric = 0;
  std::string encoder;

  LoggedWith(const CatalogSession &catalog, int first)
      : dataset_id(catalog.Bigint(0, first)),
        categorical(catalog.Integer(0, first + 1)),
        numeric(catalog.Integer(0, first + 2)),
        encoder(catalog.Text(0, first + 3)) {}
};

// What is wrong with a model, or with the rows that it was logged with: problem and sentence.
std::optional<std::pair<const char *, std::string>> Defect(std::string_view artefact,
                                                           bool is_own_seal,
                                                           const LoggedWith &rows) {
  try {
    const Fields fields = ReadArtefact(artefact).fields;
    if (!is_own_seal) return std::pair("wrong parameters", "They are not those that were stored.");
    if (rows.dataset_id == 0) return std::nullopt;
    if (fields.categorical() == rows.categorical && fields.numeric() == rows.numeric &&
        EncoderHash(fields) == rows.encoder) {
      return std::nullopt;
    }
    return std::pair("wrong encoder",
                     fmt::format("Data set {} is not encoded as they want it.", rows.dataset_id));
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    return std::pair("corrupt parameters", fmt::format("{}: {}", error.what(), error.detail()));
  }
}

std::string JoinedParts(CatalogSession &catalog, std::uint64_t parts) {
  std::string artefact;
  for (std::uint64_t part = 0; part < parts; ++part) catalog.AppendBytes(part, 0, &artefact);
  return artefact;
}

}  // namespace

std::vector<StoreProblem> CheckParameters(CatalogSession &catalog) {
  std::vector<StoreProblem> problems;
  std::int64_t logged = std::numeric_limits<std::int64_t>::min();
  std::int32_t epoch = 0;
  for (;;) {
    const MemoryScope memory;
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
    SqlParameters after;
    after.AddBigint(logged).AddInteger(epoch);
    if (catalog.ReadOften(
            "SELECT s.logged_id, s.epoch, s.bytes, s.seal, d.dataset_id, d.categorical, d.numeric, "
            "d.encoder FROM trails.snapshot AS s LEFT JOIN trails.logged USING (logged_id) "
            "LEFT JOIN trails.dataset AS d USING (dataset_id) WHERE s.bytes > 0 "
            "AND (s.logged_id, s.epoch) > ($1, $2) ORDER BY s.logged_id, s.epoch LIMIT 1",
            after) == 0) {
      return problems;
    }
    logged = catalog.Bigint(0, 0);
    epoch = catalog.Integer(0, 1);
    const std::int64_t bytes = catalog.Bigint(0, 2);
    const ChunkHash seal{catalog.Uuid(0, 3)};
    const LoggedWith rows(catalog, 4);
    SqlParameters snapshot;
    snapshot.AddBigint(logged).AddInteger(epoch);
    const std::string artefact = JoinedParts(
        catalog, catalog.ReadOften("SELECT bytes FROM trails.snapshot_part WHERE logged_id = $1 "
                                   "AND epoch = $2 ORDER BY part",
                                   snapshot));
    if (static_cast<std::int64_t>(artefact.size()) != bytes) continue;  // named by a rule
    const bool is_own = SealOfParameters(logged, epoch, artefact) == seal;
    if (const auto defect = Defect(artefact, is_own, rows)) {
      problems.push_back(
          {defect->first, "catalog", -1, -1, -1, -1,
           fmt::format("Of epoch {} of what was logged as {}: {}", epoch, logged, defect->second)});
    }
  }
}

std::vector<StoreProblem> CheckModels(CatalogSession &catalog) {
  std::vector<StoreProblem> problems;
  std::int64_t model = std::numeric_limits<std::int64_t>::min();
  for (;;) {
    const MemoryScope memory;
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
    SqlParameters after;
    after.AddBigint(model);
    if (catalog.ReadOften(
            "SELECT m.model_id, m.bytes, m.parts_seal, d.dataset_id, d.categorical, d.numeric, "
            "d.encoder FROM trails.model AS m LEFT JOIN trails.logged USING (model_id) "
            "LEFT JOIN trails.dataset AS d USING (dataset_id) WHERE m.model_id > $1 "
            "ORDER BY m.model_id LIMIT 1",
            after) == 0) {
      return problems;
    }
    model = catalog.Bigint(0, 0);
    const std::int64_t bytes = catalog.Bigint(0, 1);
    const ChunkHash seal{catalog.Uuid(0, 2)};
    const LoggedWith rows(catalog, 3);
    SqlParameters number;
    number.AddBigint(model);
    const std::string artefact = JoinedParts(
        catalog,
        catalog.ReadOften("SELECT bytes FROM trails.model_part WHERE model_id = $1 ORDER BY part",
                          number));
    const auto report = [&](const char *problem, const std::string &detail) {
      problems.push_back(
          {problem, "catalog", -1, -1, -1, -1, fmt::format("Of model {}: {}", model, detail)});
    };
    if (static_cast<std::int64_t>(artefact.size()) != bytes) {
      report("incomplete parameters",
             fmt::format("{} bytes are stored of {}.", artefact.size(), bytes));
    } else if (const auto defect = Defect(artefact, SealOfModel(model, artefact) == seal, rows)) {
      report(defect->first, defect->second);
    }
  }
}

std::vector<StoreProblem> CheckDatasets(CatalogSession &catalog,
                                        const std::set<std::int64_t> &named) {
  std::vector<StoreProblem> problems;
  for (const Hashed &hashed : ListDatasets(catalog)) {
    const std::int64_t intermediate = hashed.dataset.intermediate_id;
    if (named.contains(intermediate)) continue;
    if (const auto defect = Defect(catalog, hashed)) {
      problems.push_back({defect->first, "durable", intermediate, -1, -1, -1, defect->second});
    }
  }
  return problems;
}

}  // namespace trails::pg
