// Words of the SQL surface for the enumerations of trails/options.h.
//
// May touch: include/trails and {fmt}.
#include "trails/options.h"

#include <fmt/format.h>

#include <array>

#include "trails/error.h"

namespace trails {
namespace {

// In the order of the enumerators, whose values are the indices.
constexpr std::array<std::string_view, 4> kTaskWords{"auto", "binary", "multiclass", "regression"};
constexpr std::array<std::string_view, 7> kMetricWords{"auto", "auc", "logloss", "accuracy",
                                                       "rmse", "mae", "r2"};
constexpr std::array<std::string_view, 2> kEncodingWords{"piecewise_linear", "trails"};
constexpr std::array<std::string_view, 4> kTfmemWords{"synflow", "weight_norm", "params", "random"};

static_assert(kTaskWords[static_cast<std::size_t>(Task::kRegression)] == "regression");
static_assert(kMetricWords[static_cast<std::size_t>(Metric::kR2)] == "r2");
static_assert(kEncodingWords[static_cast<std::size_t>(Encoding::kTrails)] == "trails");
static_assert(kTfmemWords[static_cast<std::size_t>(Tfmem::kRandom)] == "random");

template <typename Enum, std::size_t count>
Enum Parse(std::string_view what, const std::array<std::string_view, count> &words,
           std::string_view word) {
  for (std::size_t i = 0; i < count; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  std::string known;
  for (const std::string_view each : words) {
    if (!known.empty()) known += ", ";
    known += each;
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("unrecognized {}: \"{}\"", what, word), {},
              "Available values: " + known + ".");
}

}  // namespace

Task ParseTask(std::string_view word) {
  return Parse<Task>("task", kTaskWords, word);
}
Metric ParseMetric(std::string_view word) {
  return Parse<Metric>("metric", kMetricWords, word);
}
Encoding ParseEncoding(std::string_view word) {
  return Parse<Encoding>("encoding", kEncodingWords, word);
}
Tfmem ParseTfmem(std::string_view word) {
  return Parse<Tfmem>("TFMEM", kTfmemWords, word);
}

std::string_view Name(Task task) noexcept {
  return kTaskWords[static_cast<std::size_t>(task)];
}
std::string_view Name(Metric metric) noexcept {
  return kMetricWords[static_cast<std::size_t>(metric)];
}
std::string_view Name(Encoding encoding) noexcept {
  return kEncodingWords[static_cast<std::size_t>(encoding)];
}
std::string_view Name(Tfmem tfmem) noexcept {
  return kTfmemWords[static_cast<std::size_t>(tfmem)];
}

bool HigherIsBetter(Metric metric) noexcept {
  switch (metric) {
    case Metric::kAuc:
    case Metric::kAccuracy:
    case Metric::kR2: return true;
    case Metric::kAuto:
    case Metric::kLogLoss:
    case Metric::kRmse:
    case Metric::kMae: return false;
  }
  return false;
}

}  // namespace trails
