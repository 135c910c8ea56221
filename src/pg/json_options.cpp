#include <fmt/format.h>  // before PostgreSQL redefines fprintf
#include <fmt/ranges.h>

#include "pg/json_options.h"

extern "C" {
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
}

#include <charconv>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/space/similar_word.h"
#include "pg/arguments.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

constexpr std::int32_t kMaxBanks = 16;
constexpr std::int32_t kMinMaxIds = 2;
constexpr std::int32_t kMaxMaxIds = 1'000'000;
constexpr std::int64_t kMaxMaxEpochs = 1'000'000;
constexpr std::int32_t kMinEta = 2;
constexpr std::int32_t kMaxEta = 16;
constexpr double kMaxDropout = 0.9;
constexpr std::int32_t kMaxLog = 1'000;

std::string Hint(OptionSet set);

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
  bool Truth() const {
    if (value.type != jbvBool) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("option \"{}\" must be true or false", key), {}, Hint(set));
    }
    return value.val.boolean;
  }
  std::string Word() const {
    if (value.type != jbvString) {
      throw Error(ErrorKind::kInvalidArgument, fmt::format("option \"{}\" must be a string", key),
                  {}, Hint(set));
    }
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
  }
};

// Whether to log the model that is kept; a number logs the training's epochs too.
void ReadLog(const Option &option, SourceCall *call) {
  call->log = true;
  if (option.value.type == jbvBool) {
    call->log = option.Truth();
  } else if (option.set == OptionSet::kTraining) {
    call->options.snapshot_every = option.Number(1, kMaxLog, "true, false or a whole number");
  } else {
    throw Error(ErrorKind::kInvalidArgument, "option \"log\" must be true or false", {},
                "The model that is kept is logged. Epochs of a training can be logged by "
                "trails.train alone.");
  }
}

void ReadLogKey(const Option &option, SourceCall *call) {
  call->request.key = option.Word();
  if (call->request.key.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "option \"log_key\" must not be an empty name", {},
                "Name the column whose values name one row each.");
  }
}

// What only says how to log.
void CheckLogOptions(const SourceCall &call) {
  if (call.log) return;
  const char *const needless = call.log_scheme             ? "log_scheme"
                               : !call.request.key.empty() ? "log_key"
                                                           : nullptr;
  if (needless == nullptr) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("option \"{}\" needs option \"log\"", needless),
              "Without it nothing of the model is logged.", "Add \"log\": true.");
}

// A call of one phase has nothing to divide.
void ReadDevice(const Option &option, SourceCall *call) {
  call->options.device = ParseDevice(option.Word());
  if (call->options.device != Device::kHybrid || option.set == OptionSet::kSelection) return;
  const bool filters = option.set == OptionSet::kFiltering;
  throw Error(ErrorKind::kInvalidArgument, "option \"device\" must be auto, cpu or cuda",
              fmt::format("Device \"hybrid\" divides the two phases of a selection; this call has "
                          "only the {} phase.",
                          filters ? "filtering" : "refinement"),
              filters ? "Give \"cpu\", where \"hybrid\" filters."
                      : "Give \"cuda\", where \"hybrid\" refines.");
}

// What the setting means for a call.
Device DeviceOf(OptionSet set, Device setting) {
  if (set == OptionSet::kScoring) return Device::kCpu;  // by the definitions, which have no kernels
  if (setting != Device::kHybrid || set == OptionSet::kSelection) return setting;
  return set == OptionSet::kFiltering ? Device::kCpu : Device::kCuda;
}

constexpr int SetOf(std::initializer_list<OptionSet> sets) {
  int bits = 0;
  for (const OptionSet set : sets) bits |= static_cast<int>(set);
  return bits;
}

constexpr int kSelects = SetOf({OptionSet::kSelection});
constexpr int kStores = SetOf({OptionSet::kSelection, OptionSet::kTraining});
constexpr int kScoresBanks = SetOf({OptionSet::kSelection, OptionSet::kFiltering});
constexpr int kRefines = SetOf({OptionSet::kSelection, OptionSet::kRefinement});
constexpr int kTrains =
    SetOf({OptionSet::kSelection, OptionSet::kRefinement, OptionSet::kTraining});
constexpr int kPlaces = SetOf(
    {OptionSet::kSelection, OptionSet::kRefinement, OptionSet::kTraining, OptionSet::kFiltering});
constexpr int kAll = ~0;

struct KnownOption {
  std::string_view key;
  int sets;  // the functions that know it
  void (*read)(const Option &option, SourceCall *call);
};

// In the order of the alphabet.
constexpr KnownOption kKnownOptions[] = {
    {"banks", kScoresBanks,
     [](const Option &option, SourceCall *call) {
       call->options.banks = option.Whole(1, kMaxBanks);
     }},
    {"device", kPlaces, ReadDevice},
    {"dropout", kTrains,
     [](const Option &option, SourceCall *call) {
       call->options.dropout = option.Number(0.0, kMaxDropout, "a number");
     }},
    {"eta", kRefines,
     [](const Option &option, SourceCall *call) {
       call->options.eta = option.Whole(kMinEta, kMaxEta);
     }},
    {"history", kSelects,
     [](const Option &option, SourceCall *call) { call->history = option.Truth(); }},
    {"keep_candidates", kSelects,
     [](const Option &option, SourceCall *call) {
       call->options.keep_candidates = option.Whole<std::int64_t>(0, kLargestWholeSpace);
     }},
    {"log", kStores, ReadLog},
    {"log_key", kStores, ReadLogKey},
    {"log_scheme", kStores,
     [](const Option &option, SourceCall *call) { call->log_scheme = ParseScheme(option.Word()); }},
    {"max_epochs", kRefines,
     [](const Option &option, SourceCall *call) {
       call->options.max_epochs = option.Whole<std::int64_t>(1, kMaxMaxEpochs);
     }},
    {"max_ids", kAll,
     [](const Option &option, SourceCall *call) {
       call->options.max_ids = option.Whole(kMinMaxIds, kMaxMaxIds);
     }},
    {"only_filter", kSelects,
     [](const Option &option, SourceCall *call) { call->options.only_filter = option.Truth(); }},
    {"precision", kTrains,
     [](const Option &option, SourceCall *call) {
       call->options.precision = ParsePrecision(option.Word());
     }},
    {"threads", kAll,
     [](const Option &option, SourceCall *call) {
       call->options.threads = option.Whole(1, EngineThreads());
     }},
};

std::vector<std::string_view> KeysOf(OptionSet set) {
  std::vector<std::string_view> keys;
  for (const KnownOption &known : kKnownOptions) {
    if ((known.sets & static_cast<int>(set)) != 0) keys.push_back(known.key);
  }
  return keys;
}

std::string Hint(OptionSet set) {
  std::vector<std::string> keys;
  for (const std::string_view key : KeysOf(set)) keys.push_back(fmt::format("\"{}\"", key));
  const std::string last = keys.back();
  keys.pop_back();
  return fmt::format("Options are {} and {}.", fmt::join(keys, ", "), last);
}

void Read(const Option &option, SourceCall *call) {
  for (const KnownOption &known : kKnownOptions) {
    if (known.key != option.key || (known.sets & static_cast<int>(option.set)) == 0) continue;
    known.read(option, call);
    return;
  }
  const std::string_view similar = MostSimilar(option.key, KeysOf(option.set));
  throw Error(
      ErrorKind::kInvalidArgument, fmt::format("unknown option \"{}\"", option.key), {},
      (similar.empty() ? std::string() : fmt::format("Perhaps you meant \"{}\". ", similar)) +
          Hint(option.set));
}

}  // namespace

void ReadJsonOptions(FunctionCallInfo fcinfo, int position, OptionSet set, SourceCall *call) {
  call->options.threads = EngineThreads();
  call->options.device = DeviceOf(set, DefaultDevice());
  call->options.precision = CudaPrecision();
  if (IsNull(fcinfo, position)) return;
  const Datum datum = fcinfo->args[position].value;
  Jsonb *const json = CallPg([=] { return DatumGetJsonbP(datum); });
  if (!JB_ROOT_IS_OBJECT(json)) {
    throw Error(ErrorKind::kInvalidArgument, "options must be a JSON object", {}, Hint(set));
  }
  JsonbIterator *iterator = CallPg([=] { return JsonbIteratorInit(&json->root); });
  JsonbValue item;
  std::string key;
  bool names_precision = false;
  for (;;) {
    const JsonbIteratorToken token =
        CallPg([&] { return JsonbIteratorNext(&iterator, &item, true); });
    if (token == WJB_DONE) break;
    if (token == WJB_KEY) key.assign(item.val.string.val, item.val.string.len);
    if (token == WJB_VALUE) {
      Read(Option{key, item, set}, call);
      names_precision = names_precision || key == "precision";
    }
  }
  CheckLogOptions(*call);
  if (names_precision && call->options.device == Device::kCpu) {
    throw Error(ErrorKind::kInvalidArgument, "option \"precision\" needs a CUDA device",
                "Device \"cpu\", of the options or of trails.device, computes in float32.",
                "Leave it out, or give another \"device\".");
  }
}

}  // namespace trails::pg
