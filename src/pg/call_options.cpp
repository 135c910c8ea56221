#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/call_options.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/data/target.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

// Positions of trails.model_selection's arguments.
enum SelectionArgument : int {
  kSource,
  kTarget,
  kBudget,
  kFeatures,
  kExclude,
  kSplit,
  kGroupBy,
  kTask,
  kMetric,
  kCategorical,
  kNumerical,
  kEncoding,
  kSpace,
  kTfmem,
  kN,
  kK,
  kU,
  kStopAt,
  kModelName,
  kSeed,
  kOptions,
};

constexpr double kMaxBudgetSeconds = 30.0 * 86'400;
constexpr std::int32_t kMinMaxIds = 2;
constexpr std::int32_t kMaxMaxIds = 1'000'000;
constexpr double kMaxDropout = 0.9;
constexpr const char *kOptionsHint = "Options are \"dropout\", \"max_ids\" and \"threads\".";

// DatumGetName cannot be used: it writes a type that trails::Name hides.
const char *NameOf(Datum datum) {
  return NameStr(*reinterpret_cast<const NameData *>(DatumGetPointer(datum)));
}

bool IsNull(FunctionCallInfo fcinfo, int position) {
  return fcinfo->args[position].isnull;
}

void RequireValue(FunctionCallInfo fcinfo, int position, const char *name) {
  if (!IsNull(fcinfo, position)) return;
  CallPg([=] {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("argument \"%s\" must not be null", name)));
  });
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

std::optional<std::vector<std::string>> NamesArgument(FunctionCallInfo fcinfo, int position,
                                                      const char *name) {
  if (IsNull(fcinfo, position)) return std::nullopt;
  ArrayType *const array = OneDimension(fcinfo, position, name);
  Datum *elements = nullptr;
  int count = 0;
  CallPg([&] {
    deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elements, nullptr,
                      &count);
  });
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.emplace_back(NameOf(elements[i]));
  return names;
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

void ReadBudget(FunctionCallInfo fcinfo, SelectionCall *call) {
  RequireValue(fcinfo, kBudget, "budget");
  call->budget = *DatumGetIntervalP(fcinfo->args[kBudget].value);
  call->budget_seconds = static_cast<double>(call->budget.time) / USECS_PER_SEC +
                         86'400.0 * (call->budget.day + 30.0 * call->budget.month);
  if (call->budget_seconds <= 0) {
    throw Error(ErrorKind::kInvalidArgument, "budget must be positive", {},
                "Give the wall time for everything, such as '60 s' or '5 min'.");
  }
  if (call->budget_seconds > kMaxBudgetSeconds) {
    throw Error(ErrorKind::kInvalidArgument, "budget must not be above 30 days");
  }
}

void ReadPlan(FunctionCallInfo fcinfo, SelectionOptions *options) {
  options->n = PositiveArgument(fcinfo, kN, "n");
  options->k = PositiveArgument(fcinfo, kK, "k");
  options->u = PositiveArgument(fcinfo, kU, "u");
  if (options->n && options->k && *options->k > *options->n) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"k\" must not be above \"n\"",
                fmt::format("k is {}, n is {}: more candidates to train than to score.",
                            *options->k, *options->n));
  }
}

// One value of the options, which must be a number of this type and range; `words` names it.
template <typename T>
T NumberOption(const std::string &key, const JsonbValue &value, T low, T high, const char *words) {
  T number{};
  bool parsed = false;
  if (value.type == jbvNumeric) {
    const Numeric numeric = value.val.numeric;
    const char *const text = CallPg([=] {
      return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(numeric)));
    });
    const char *const end = text + std::strlen(text);
    const auto [stopped, failure] = std::from_chars(text, end, number);
    parsed = failure == std::errc() && stopped == end;
  }
  if (!parsed || number < low || number > high) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("option \"{}\" must be {} from {} to {}", key, words, low, high), {},
                kOptionsHint);
  }
  return number;
}

std::int32_t WholeOption(const std::string &key, const JsonbValue &value, std::int32_t low,
                         std::int32_t high) {
  return NumberOption(key, value, low, high, "a whole number");
}

void ReadOptions(FunctionCallInfo fcinfo, SelectionOptions *options) {
  options->threads = EngineThreads();
  if (IsNull(fcinfo, kOptions)) return;
  const Datum datum = fcinfo->args[kOptions].value;
  Jsonb *const json = CallPg([=] { return DatumGetJsonbP(datum); });
  if (!JB_ROOT_IS_OBJECT(json)) {
    throw Error(ErrorKind::kInvalidArgument, "options must be a JSON object", {}, kOptionsHint);
  }
  JsonbIterator *iterator = CallPg([=] { return JsonbIteratorInit(&json->root); });
  JsonbValue item;
  std::string key;
  for (;;) {
    const JsonbIteratorToken token =
        CallPg([&] { return JsonbIteratorNext(&iterator, &item, true); });
    if (token == WJB_DONE) return;
    if (token == WJB_KEY) key.assign(item.val.string.val, item.val.string.len);
    if (token != WJB_VALUE) continue;
    if (key == "threads") {
      options->threads = WholeOption(key, item, 1, EngineThreads());
    } else if (key == "max_ids") {
      options->max_ids = WholeOption(key, item, kMinMaxIds, kMaxMaxIds);
    } else if (key == "dropout") {
      options->dropout = NumberOption(key, item, 0.0, kMaxDropout, "a number");
    } else {
      throw Error(ErrorKind::kInvalidArgument, fmt::format("unknown option \"{}\"", key), {},
                  kOptionsHint);
    }
  }
}

void CheckFeatures(const std::vector<std::string> &names, const char *argument, bool as_number,
                   const ResolvedRequest &resolved) {
  for (const std::string &name : names) {
    const auto found = std::ranges::find(resolved.features, name, &ResolvedColumn::name);
    if (found == resolved.features.end()) {
      throw Error(ErrorKind::kUndefinedColumn,
                  fmt::format("column \"{}\" in \"{}\" is not a feature", name, argument));
    }
    if (as_number && found->kind == ColumnKind::kText) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("column \"{}\" in \"{}\" is not a number", name, argument),
                  fmt::format("Its type is {}.", found->sql_type),
                  "Cast the column to a number in a view.");
    }
  }
}

}  // namespace

std::string TextArgument(FunctionCallInfo fcinfo, int position, const char *name) {
  RequireValue(fcinfo, position, name);
  const Datum value = fcinfo->args[position].value;
  const text *const plain = CallPg([=] { return DatumGetTextPP(value); });
  return {VARDATA_ANY(plain), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(plain))};
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

SelectionCall ReadSelectionCall(FunctionCallInfo fcinfo) {
  SelectionCall call;
  SelectionOptions &options = call.options;
  call.request.relation = RelationArgument(fcinfo, kSource, "source");
  call.request.target = NameArgument(fcinfo, kTarget, "target");
  if (call.request.target.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"target\" must not be an empty name");
  }
  ReadBudget(fcinfo, &call);
  call.request.features = NamesArgument(fcinfo, kFeatures, "features");
  call.request.exclude = NamesArgument(fcinfo, kExclude, "exclude").value_or(call.request.exclude);
  if (call.request.features && !call.request.exclude.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"features\" and \"exclude\" cannot be given together", {},
                "Leave the columns to exclude out of the features.");
  }
  call.request.split = OptionalName(fcinfo, kSplit, "split");
  call.request.group = OptionalName(fcinfo, kGroupBy, "group_by");
  if (!call.request.split.empty() && !call.request.group.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "arguments \"split\" and \"group_by\" cannot be given together",
                "A split column decides by itself where each row goes.");
  }
  options.task = ParseTask(TextArgument(fcinfo, kTask, "task"));
  options.metric = ParseMetric(TextArgument(fcinfo, kMetric, "metric"));
  if (options.task != Task::kAuto) (void)ResolveMetric(options.metric, options.task);
  options.categorical =
      NamesArgument(fcinfo, kCategorical, "categorical").value_or(options.categorical);
  options.numeric = NamesArgument(fcinfo, kNumerical, "numerical").value_or(options.numeric);
  options.encoding = ParseEncoding(TextArgument(fcinfo, kEncoding, "encoding"));
  call.space = TextArgument(fcinfo, kSpace, "space");
  options.tfmem = ParseTfmem(TextArgument(fcinfo, kTfmem, "tfmem"));
  ReadPlan(fcinfo, &options);
  if (!IsNull(fcinfo, kStopAt)) {
    options.stop_at = DatumGetFloat8(fcinfo->args[kStopAt].value);
    if (!std::isfinite(*options.stop_at)) {
      throw Error(ErrorKind::kInvalidArgument, "argument \"stop_at\" must be a finite number");
    }
  }
  call.model_name = OptionalName(fcinfo, kModelName, "model_name");
  RequireValue(fcinfo, kSeed, "seed");
  const std::int64_t seed = DatumGetInt64(fcinfo->args[kSeed].value);
  if (seed < 0) throw Error(ErrorKind::kInvalidArgument, "argument \"seed\" must not be negative");
  options.seed = static_cast<std::uint64_t>(seed);
  ReadOptions(fcinfo, &options);
  return call;
}

void CheckOptionsFit(const SelectionOptions &options, const ResolvedRequest &resolved) {
  CheckFeatures(options.categorical, "categorical", false, resolved);
  CheckFeatures(options.numeric, "numerical", true, resolved);
  for (const std::string &name : options.categorical) {
    if (std::ranges::find(options.numeric, name) != options.numeric.end()) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("column \"{}\" is both in \"categorical\" and in \"numerical\"", name), {},
          "Leave it out of both to use it as a number and as a category.");
    }
  }
}

}  // namespace trails::pg
