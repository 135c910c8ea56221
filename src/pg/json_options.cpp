#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/json_options.h"

extern "C" {
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
}

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "pg/arguments.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

constexpr std::int32_t kMaxBanks = 16;
constexpr std::int32_t kMinMaxIds = 2;
constexpr std::int32_t kMaxMaxIds = 1'000'000;
constexpr double kMaxDropout = 0.9;

const char *Hint(OptionSet set) {
  switch (set) {
    case OptionSet::kSelection:
      return "Options are \"banks\", \"dropout\", \"keep_candidates\", \"max_ids\" and "
             "\"threads\".";
    case OptionSet::kFiltering: return "Options are \"banks\", \"max_ids\" and \"threads\".";
    case OptionSet::kScoring: return "Options are \"max_ids\" and \"threads\".";
  }
  return "";
}

// One key and its value.
struct Option {
  std::string key;
  JsonbValue value;
  OptionSet set;

  // The value, which must be a number of this type and range; `words` names it.
  template <typename T>
  T Number(T low, T high, const char *words) const {
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
                  Hint(set));
    }
    return number;
  }
  template <typename T>
  T Whole(T low, T high) const {
    return Number<T>(low, high, "a whole number");
  }
};

void Read(const Option &option, SelectionOptions *options) {
  const std::string_view key = option.key;
  const bool selects = option.set == OptionSet::kSelection;
  if (key == "threads") {
    options->threads = option.Whole(1, EngineThreads());
  } else if (key == "max_ids") {
    options->max_ids = option.Whole(kMinMaxIds, kMaxMaxIds);
  } else if (key == "banks" && option.set != OptionSet::kScoring) {
    options->banks = option.Whole(1, kMaxBanks);
  } else if (key == "dropout" && selects) {
    options->dropout = option.Number(0.0, kMaxDropout, "a number");
  } else if (key == "keep_candidates" && selects) {
    options->keep_candidates = option.Whole<std::int64_t>(0, kLargestWholeSpace);
  } else {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("unknown option \"{}\"", key), {},
                Hint(option.set));
  }
}

}  // namespace

void ReadJsonOptions(FunctionCallInfo fcinfo, int position, OptionSet set,
                     SelectionOptions *options) {
  options->threads = EngineThreads();
  if (IsNull(fcinfo, position)) return;
  const Datum datum = fcinfo->args[position].value;
  Jsonb *const json = CallPg([=] { return DatumGetJsonbP(datum); });
  if (!JB_ROOT_IS_OBJECT(json)) {
    throw Error(ErrorKind::kInvalidArgument, "options must be a JSON object", {}, Hint(set));
  }
  JsonbIterator *iterator = CallPg([=] { return JsonbIteratorInit(&json->root); });
  JsonbValue item;
  std::string key;
  for (;;) {
    const JsonbIteratorToken token =
        CallPg([&] { return JsonbIteratorNext(&iterator, &item, true); });
    if (token == WJB_DONE) return;
    if (token == WJB_KEY) key.assign(item.val.string.val, item.val.string.len);
    if (token == WJB_VALUE) Read(Option{key, item, set}, options);
  }
}

}  // namespace trails::pg
