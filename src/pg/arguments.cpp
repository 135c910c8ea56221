#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/arguments.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

namespace trails::pg {

namespace {

constexpr double kMaxBudgetSeconds = 30.0 * 86'400;

// DatumGetName cannot be used: it writes a type that trails::Name hides.
const char *NameOf(Datum datum) {
  return NameStr(*reinterpret_cast<const NameData *>(DatumGetPointer(datum)));
}

std::string TextOf(Datum datum) {
  const text *const plain = CallPg([=] { return DatumGetTextPP(datum); });
  return {VARDATA_ANY(plain), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(plain))};
}

ArrayType *OneDimension(FunctionCallInfo fcinfo, int position, const char *name) {
  const Datum value = fcinfo->args[position].value;
  ArrayType *const array = CallPg([=] { return DatumGetArrayTypeP(value); });
  if (ARR_NDIM(array) > 1 || CallPg([=] { return array_contains_nulls(array); })) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"{}\" must be a one-dimensional array without nulls", name));
  }
  return array;
}

// The elements of an array of names or texts.
template <typename Convert>
std::vector<std::string> Strings(FunctionCallInfo fcinfo, int position, const char *name,
                                 Oid element, Convert convert) {
  ArrayType *const array = OneDimension(fcinfo, position, name);
  Datum *elements = nullptr;
  int count = 0;
  CallPg([&] {
    int16 length = 0;
    bool by_value = false;
    char align = 0;
    get_typlenbyvalalign(element, &length, &by_value, &align);
    deconstruct_array(array, element, length, by_value, align, &elements, nullptr, &count);
  });
  std::vector<std::string> strings;
  for (int i = 0; i < count; ++i) strings.push_back(convert(elements[i]));
  return strings;
}

}  // namespace

bool IsNull(FunctionCallInfo fcinfo, int position) noexcept {
  return fcinfo->args[position].isnull;
}

void RequireValue(FunctionCallInfo fcinfo, int position, const char *name) {
  if (!IsNull(fcinfo, position)) return;
  CallPg([=] {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("argument \"%s\" must not be null", name)));
  });
}

std::string TextArgument(FunctionCallInfo fcinfo, int position, const char *name) {
  RequireValue(fcinfo, position, name);
  return TextOf(fcinfo->args[position].value);
}

std::string NameArgument(FunctionCallInfo fcinfo, int position, const char *name) {
  RequireValue(fcinfo, position, name);
  return NameOf(fcinfo->args[position].value);
}

std::int32_t IntegerArgument(FunctionCallInfo fcinfo, int position, const char *name) {
  RequireValue(fcinfo, position, name);
  return DatumGetInt32(fcinfo->args[position].value);
}

Oid RelationArgument(FunctionCallInfo fcinfo, int position, const char *name) {
  RequireValue(fcinfo, position, name);
  return DatumGetObjectId(fcinfo->args[position].value);
}

std::vector<std::int32_t> IntegersArgument(FunctionCallInfo fcinfo, int position,
                                           const char *name) {
  RequireValue(fcinfo, position, name);
  ArrayType *const array = OneDimension(fcinfo, position, name);
  const int count = ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
  const auto *const first = reinterpret_cast<const std::int32_t *>(ARR_DATA_PTR(array));
  return {first, first + count};
}

std::uint64_t SeedArgument(FunctionCallInfo fcinfo, int position) {
  RequireValue(fcinfo, position, "seed");
  const std::int64_t seed = DatumGetInt64(fcinfo->args[position].value);
  if (seed < 0) throw Error(ErrorKind::kInvalidArgument, "argument \"seed\" must not be negative");
  return static_cast<std::uint64_t>(seed);
}

std::string OptionalName(FunctionCallInfo fcinfo, int position, const char *name) {
  if (IsNull(fcinfo, position)) return {};
  std::string text = NameArgument(fcinfo, position, name);
  if (text.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"{}\" must not be an empty name", name));
  }
  return text;
}

std::optional<std::vector<std::string>> NamesArgument(FunctionCallInfo fcinfo, int position,
                                                      const char *name) {
  if (IsNull(fcinfo, position)) return std::nullopt;
  return Strings(fcinfo, position, name, NAMEOID,
                 [](Datum element) { return std::string(NameOf(element)); });
}

std::optional<std::vector<std::string>> TextsArgument(FunctionCallInfo fcinfo, int position,
                                                      const char *name) {
  if (IsNull(fcinfo, position)) return std::nullopt;
  return Strings(fcinfo, position, name, TEXTOID, TextOf);
}

std::optional<std::int64_t> PositiveArgument(FunctionCallInfo fcinfo, int position,
                                             const char *name) {
  if (IsNull(fcinfo, position)) return std::nullopt;
  const std::int32_t value = DatumGetInt32(fcinfo->args[position].value);
  if (value < 1) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("argument \"{}\" must be positive", name),
                fmt::format("It is {}.", value));
  }
  return value;
}

std::optional<Budget> BudgetArgument(FunctionCallInfo fcinfo, int position) {
  if (IsNull(fcinfo, position)) return std::nullopt;
  Budget budget;
  budget.interval = *DatumGetIntervalP(fcinfo->args[position].value);
  budget.seconds = static_cast<double>(budget.interval.time) / USECS_PER_SEC +
                   86'400.0 * (budget.interval.day + 30.0 * budget.interval.month);
  if (budget.seconds <= 0) {
    throw Error(ErrorKind::kInvalidArgument, "budget must be positive", {},
                "Give the wall time for everything, such as '60 s' or '5 min'.");
  }
  if (budget.seconds > kMaxBudgetSeconds) {
    throw Error(ErrorKind::kInvalidArgument, "budget must not be above 30 days");
  }
  return budget;
}

}  // namespace trails::pg
