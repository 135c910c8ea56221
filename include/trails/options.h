// What a caller may choose about a selection, in plain C++.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trails {

enum class Task : std::uint8_t { kAuto, kBinary, kMulticlass, kRegression };
enum class Metric : std::uint8_t { kAuto, kAuc, kLogLoss, kAccuracy, kRmse, kMae, kR2 };
enum class Encoding : std::uint8_t {
  kPiecewiseLinear,  // numbers as value + cumulative piecewise-linear slots; the default
  kTrails,           // the papers' plain form: value x embedding, one slot a field
};
enum class Tfmem : std::uint8_t { kSynflow, kWeightNorm, kParams, kRandom };

// Parse the SQL spelling ("auto", "binary", ... as in docs/sql-reference.md); Name gives it back.
// Throw Error(kInvalidArgument) with a HINT that lists the accepted words.
Task ParseTask(std::string_view word);
Metric ParseMetric(std::string_view word);
Encoding ParseEncoding(std::string_view word);
Tfmem ParseTfmem(std::string_view word);
std::string_view Name(Task task) noexcept;
std::string_view Name(Metric metric) noexcept;
std::string_view Name(Encoding encoding) noexcept;
std::string_view Name(Tfmem tfmem) noexcept;

// True where a larger metric is a better model (auc, accuracy, r2).
bool HigherIsBetter(Metric metric) noexcept;

// A space of multi-layer perceptrons: min_layers..max_layers hidden layers, each of one of
// `widths` units. tabular: 1..4 layers of 8 widths, 4,680 candidates.
struct SearchSpace {
  std::string name;
  std::vector<std::int32_t> widths;  // ascending, distinct, each 1..4096
  std::int32_t min_layers = 1;       // 1..8
  std::int32_t max_layers = 4;       // min_layers..8
};

// Candidates scored (N) where the caller does not fix it, if the space has as many.
inline constexpr std::int64_t kDefaultScored = 5'000;

struct SelectionOptions {
  Task task = Task::kAuto;
  Metric metric = Metric::kAuto;
  Encoding encoding = Encoding::kPiecewiseLinear;
  std::vector<std::string> categorical;  // integer columns to treat as categories only
  std::vector<std::string> numeric;      // integer columns to treat as numbers only
  SearchSpace space;
  Tfmem tfmem = Tfmem::kRandom;
  // Parts of the plan that the caller fixes: candidates scored (N), candidates trained (K),
  // epochs of the first rung (U). With all three fixed the plan never looks at the clock
  // (but for the deadline), so that the same seed gives the same answer.
  std::optional<std::int64_t> n;
  std::optional<std::int64_t> k;
  std::optional<std::int64_t> u;
  std::optional<double> stop_at;  // a validation metric that is good enough
  std::uint64_t seed = 0;
  std::optional<double> dropout;        // of every candidate, 0..0.9; else drawn for each
  std::int32_t max_ids = 65'536;        // embedding rows of one categorical field
  std::int32_t threads = 1;             // engine threads, >= 1
  std::int64_t memory_limit_bytes = 0;  // 0: no limit

  bool plan_is_fixed() const noexcept { return n && k && u; }
};

}  // namespace trails
