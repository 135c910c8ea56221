#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/column_names.h"

#include <charconv>
#include <utility>

#include "core/space/name_hint.h"
#include "core/space/similar_word.h"
#include "pg/layer_query.h"
#include "pg/pipeline_catalog.h"

namespace trails::pg {

namespace {

std::vector<ColumnName> NamesOfStage(const LoggedRow &logged, const IntermediateRow &layer) {
  return WithCatalog([&](CatalogSession &catalog) {
    Pipeline pipeline = OpenPipeline(catalog, logged);
    const std::int32_t stage = StageOf(pipeline.stages, layer.intermediate_id);
    std::vector<ColumnName> names;
    for (StageColumn &column : pipeline.stages[static_cast<std::size_t>(stage)].columns) {
      names.push_back({std::move(column.name), std::nullopt, 0});
    }
    return names;
  });
}

// The columns that have that name: none, its position, or, where several have it, the second's.
struct Found {
  int columns = 0;
  std::int32_t position = 0;
};

Found Find(const std::vector<ColumnName> &names, std::string_view wanted) {
  Found found;
  std::int32_t position = 0;
  for (const ColumnName &column : names) {
    if (column.name == wanted) {
      ++found.columns;
      found.position = position;
    }
    ++position;
  }
  return found;
}

std::string Hint(const std::vector<ColumnName> &names, std::string_view wanted) {
  std::vector<std::string> known;
  std::vector<std::string_view> views;
  for (const ColumnName &column : names) {
    if (!column.name) continue;
    known.push_back(*column.name);
    views.push_back(*column.name);
  }
  if (known.empty()) {
    return names.size() == 1
               ? "Its column has no name; it is number 1."
               : fmt::format("Its columns have no names; they are 1 to {}.", names.size());
  }
  const std::string_view similar = MostSimilar(wanted, views);
  if (!similar.empty()) return fmt::format("Perhaps you meant \"{}\".", similar);
  return fmt::format("Its columns are {}.", ListNames(known));
}

// The position among `names`; nothing where no column is called so.
std::optional<std::int32_t> PositionOf(const std::vector<ColumnName> &names,
                                       const IntermediateQuery &query, std::string_view wanted) {
  const Found found = Find(names, wanted);
  if (found.columns > 1) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("layer \"{}\" has several columns \"{}\"", query.intermediate.layer, wanted),
        {}, "Tell which one by its number; trails.intermediate_columns lists them.");
  }
  if (found.columns == 0) return std::nullopt;
  return found.position;
}

[[noreturn]] void ThrowNoColumn(const std::vector<ColumnName> &names,
                                const IntermediateQuery &query, std::string_view wanted) {
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layer \"{}\" has no column \"{}\"", query.intermediate.layer, wanted),
              {}, Hint(names, wanted));
}

std::optional<std::int32_t> WholeNumber(const std::string &text) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::vector<ColumnName> ColumnNamesOf(const LoggedRow &logged, const IntermediateRow &layer) {
  if (layer.is_stage) return NamesOfStage(logged, layer);
  const auto columns = static_cast<std::size_t>(StoredShape(layer.scheme, layer.shape).columns());
  if (layer.is_foreign) return std::vector<ColumnName>(columns);
  const auto model = OpenSnapshot(logged, layer.epoch);
  const std::vector<Layer> layers = LayersOf(*model);
  std::vector<ColumnName> names = ColumnNamesOf(*model, layers[FindLayer(layers, layer.layer)]);
  if (names.size() == columns) return names;
  throw Error(
      ErrorKind::kCorruptData,
      fmt::format("shape or rows of intermediate {} are corrupt", layer.intermediate_id),
      fmt::format("It has {} columns, and its layer of the model {}.", columns, names.size()));
}

const std::optional<std::string> &NameOf(const std::vector<ColumnName> &names,
                                         const IntermediateQuery &query, std::int64_t column) {
  return names.at(static_cast<std::size_t>(ColumnNumber(query, column) - 1)).name;
}

std::int32_t ColumnNamed(const IntermediateQuery &query, std::string_view name) {
  const std::vector<ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  if (const auto position = PositionOf(names, query, name)) return *position;
  ThrowNoColumn(names, query, name);
}

std::int32_t ColumnArgument(const NamedArguments &args, const char *name,
                            const IntermediateQuery &query) {
  if (!args.IsText(name)) return ColumnPosition(name, args.Integer(name));
  const std::string wanted = args.Text(name);
  const std::vector<ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  if (const auto position = PositionOf(names, query, wanted)) return *position;
  if (const auto number = WholeNumber(wanted)) return ColumnPosition(name, *number);
  ThrowNoColumn(names, query, wanted);
}

}  // namespace trails::pg
