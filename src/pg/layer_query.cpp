#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/layer_query.h"

#include "pg/stage_source.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
}

#include <algorithm>
#include <limits>

namespace trails::pg {

namespace {

constexpr int kMostNumbers = 1 << 24;  // as many as a layer has columns

[[noreturn]] void ThrowBelowOne(const char *name, std::int64_t value) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("argument \"{}\" must be positive", name),
              fmt::format("It is {}; columns and rows count from 1.", value));
}

std::int64_t Position(const char *name, std::int64_t value) {
  if (value < 1) ThrowBelowOne(name, value);
  return value - 1;
}

std::int64_t PositionOfRow(const char *name, std::int64_t id, const RowIds &ids) {
  return ids.are_positions() ? Position(name, id) : ids.PositionOf(id);
}

// An array of integer or bigint, in the order given; nothing for NULL.
std::optional<std::vector<std::int64_t>> NumbersArgument(const NamedArguments &args,
                                                         const char *name, Oid element) {
  if (args.IsNull(name)) return std::nullopt;
  const Datum value = args.fcinfo()->args[args.position(name)].value;
  ArrayType *const array = CallPg([=] { return DatumGetArrayTypeP(value); });
  if (ARR_NDIM(array) > 1 || CallPg([=] { return array_contains_nulls(array); })) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"{}\" must be a one-dimensional array without nulls", name));
  }
  const int count = ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
  if (count > kMostNumbers) {
    throw Error(ErrorKind::kLimit, fmt::format("argument \"{}\" has too many elements", name),
                fmt::format("It has {}, and the most are {}.", count, kMostNumbers));
  }
  std::vector<std::int64_t> numbers;
  numbers.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    numbers.push_back(element == INT8OID
                          ? reinterpret_cast<const std::int64_t *>(ARR_DATA_PTR(array))[i]
                          : reinterpret_cast<const std::int32_t *>(ARR_DATA_PTR(array))[i]);
  }
  return numbers;
}

}  // namespace

std::vector<std::int64_t> EachOnce(const std::vector<std::int64_t> &positions, std::int64_t count) {
  std::vector<bool> is_asked(static_cast<std::size_t>(count));
  std::int64_t outside = std::numeric_limits<std::int64_t>::max();
  std::int64_t all = 0;
  for (const std::int64_t position : positions) {
    if (position >= count) {
      outside = std::min(outside, position);
    } else if (!is_asked[static_cast<std::size_t>(position)]) {
      is_asked[static_cast<std::size_t>(position)] = true;
      ++all;
    }
  }
  std::vector<std::int64_t> each;
  each.reserve(static_cast<std::size_t>(all) + 1);
  for (std::int64_t position = 0; position < count && std::ssize(each) < all; ++position) {
    if (is_asked[static_cast<std::size_t>(position)]) each.push_back(position);
  }
  if (outside != std::numeric_limits<std::int64_t>::max()) each.push_back(outside);
  return each;
}

std::optional<std::int32_t> EpochArgument(const NamedArguments &args, const char *name) {
  return args.OptionalInteger(name);
}

IntermediateQuery LayerQuery(const NamedArguments &args, const LoggedRow &logged,
                             std::string_view layer, std::optional<std::int32_t> epoch) {
  IntermediateQuery query;
  query.precision = args.Bool("exact") ? Precision::kExact : Precision::kStored;
  query.strategy = ParseStrategy(args.Text("strategy"));
  query.logged = logged;
  query.intermediate = FindIntermediate(logged, layer, epoch);
  return query;
}

LoggedRow LoggedArgument(const NamedArguments &args, const std::string &suffix) {
  return FindLogged(args.Text(("model" + suffix).c_str()),
                    args.OptionalInteger(("version" + suffix).c_str()));
}

IntermediateQuery LayerQuery(const NamedArguments &args, const std::string &suffix) {
  const std::string layer = args.Text(("layer" + suffix).c_str());
  return LayerQuery(args, LoggedArgument(args, suffix), layer,
                    EpochArgument(args, ("epoch" + suffix).c_str()));
}

IntermediateQuery ExactQuery(const NamedArguments &args) {
  IntermediateQuery query;
  query.precision = Precision::kExact;
  query.logged = LoggedArgument(args);
  query.intermediate = FindIntermediate(query.logged, args.Text("layer"), EpochArgument(args));
  return query;
}

IntermediateQuery NumbersQuery(const NamedArguments &args) {
  IntermediateQuery query = LayerQuery(args);
  if (query.intermediate.is_stage) query.columns = NumberColumns(query);
  return query;
}

void AskExactly(IntermediateQuery *query) {
  query->precision = Precision::kExact;
  const Scheme &scheme = query->intermediate.scheme;
  if (query->strategy != Strategy::kRead || scheme.kind == SchemeKind::kF32) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("layer \"{}\" cannot be read from the store", query->intermediate.layer),
              fmt::format("Its scheme, {}, does not keep exact values, which are what is counted.",
                          SchemeText(scheme)),
              "Leave the strategy to 'auto', or log the layer again with scheme 'f32'.");
}

std::int64_t ColumnsOf(const IntermediateQuery &query) {
  if (!query.columns.empty()) return static_cast<std::int64_t>(query.columns.size());
  return StoredShape(query.intermediate.scheme, query.intermediate.shape).columns();
}

std::int32_t ColumnNumber(const IntermediateQuery &query, std::int64_t column) {
  return query.columns.empty() ? static_cast<std::int32_t>(column) + 1
                               : query.columns.at(static_cast<std::size_t>(column)) + 1;
}

IntermediateQuery OtherLayer(const IntermediateQuery &query, std::string_view layer) {
  IntermediateQuery other = query;
  other.columns.clear();
  other.intermediate = FindIntermediate(query.logged, layer, query.intermediate.epoch);
  return other;
}

std::int32_t ColumnPosition(const char *name, std::int32_t number) {
  return static_cast<std::int32_t>(Position(name, number));
}

std::int64_t RowArgument(const NamedArguments &args, const char *name, const RowIds &ids) {
  return PositionOfRow(name, args.Bigint(name), ids);
}

std::optional<std::vector<std::int64_t>> ColumnsArgument(const NamedArguments &args,
                                                         const char *name) {
  auto numbers = NumbersArgument(args, name, INT4OID);
  if (!numbers) return std::nullopt;
  for (std::int64_t &number : *numbers) number = Position(name, number);
  return numbers;
}

std::optional<std::vector<std::int64_t>> RowsArgument(const NamedArguments &args, const char *name,
                                                      const RowIds &ids) {
  auto numbers = NumbersArgument(args, name, INT8OID);
  if (!numbers) return std::nullopt;
  if (!ids.are_positions()) return ids.PositionsOf(*numbers);
  for (std::int64_t &number : *numbers) number = Position(name, number);
  return numbers;
}

std::int32_t CountArgument(const NamedArguments &args, const char *name, std::int32_t most) {
  const std::int32_t count = args.Integer(name);
  if (count >= 1 && count <= most) return count;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("argument \"{}\" must be between 1 and {}", name, most),
              fmt::format("It is {}.", count));
}

std::vector<float> ReadRow(IntermediateQuery query, std::int64_t row) {
  query.rows = {row};
  std::vector<float> values;
  ReadIntermediate(query, [&](const ColumnBlock &block) {
    values.assign(block.values, block.values + block.columns);
  });
  return values;
}

std::vector<float> ReadColumn(IntermediateQuery query, std::int32_t column) {
  query.columns = {column};
  std::vector<float> values;
  ReadIntermediate(query, [&](const ColumnBlock &block) {
    const std::span<const float> part = block.column(0);
    values.insert(values.end(), part.begin(), part.end());
  });
  return values;
}

}  // namespace trails::pg
