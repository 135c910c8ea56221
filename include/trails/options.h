// What a caller may choose about a selection, in plain C++.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstddef>
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

// Training-free model evaluation metrics. src/core/tfmem/direct.h has the formulas.
enum class Tfmem : std::uint8_t {
  kGradNorm,
  kGradPlain,
  kNasWot,
  kNasWotPlain,  // of the network without batch normalisation
  kNtkCondNum,
  kNtkTrace,
  kNtkTraceApprox,
  kFisher,
  kGrasp,
  kSnip,
  kSynflow,
  kWeightNorm,
  kExpressFlow,
  kJacflow,  // rank sum of nas_wot and synflow over the scored candidates
  kKnas,
  // Baselines that look at no weight: closed forms of the widths, and a random order.
  kParams,
  kFlops,
  kExpectedSynflow,
  kExpectedWeightNorm,
  kExpectedExpressFlow,
  kRandom,
};
inline constexpr std::size_t kTfmems = static_cast<std::size_t>(Tfmem::kRandom) + 1;

// What a TFMEM looks at.
enum class TfmemData : std::uint8_t { kNothing, kRows, kRowsAndTarget };
// What it costs, in the order of magnitude: a formula of the widths; a pass forward; forward and
// backward; dozens of passes.
enum class TfmemCost : std::uint8_t { kClosedForm, kForward, kBackward, kManyPasses };

struct TfmemTraits {
  std::string_view name;  // the SQL spelling
  bool higher_is_better;
  TfmemData data;
  TfmemCost cost;
  bool whole_space;         // the full-space scorer knows it; else each candidate by itself
  std::string_view source;  // paper and equation
};
const TfmemTraits &Traits(Tfmem tfmem) noexcept;

// Whether a card scores whole spaces by it, as the full-space scorer does: synflow, express_flow,
// weight_norm, nas_wot, nas_wot_plain, jacflow.
bool ScoresOnCard(Tfmem tfmem) noexcept;

// How candidates are taken from a space that is not scored as a whole. src/core/filtering/sampler.h
enum class SamplerKind : std::uint8_t {
  kWhole,  // no sampler: every candidate, or a fair sample of a space that is too large
  kSequential,
  kRandom,
  kEvolution,
  kAsyncEvolution,
  kWarmUpEvolution,
  kMoveEvolution,
  kReinforce,
};

// How the refinement phase spends training on its candidates. src/core/coordinator/strategy.h
enum class Refinement : std::uint8_t {
  kHalving,              // successive halving
  kReject,               // successive reject
  kUniform,              // every candidate equally long
  kAsynchronousHalving,  // ASHA: promotes without waiting for a rung's end
  kEvolution,            // regularised evolution on trained metrics: the papers' baseline
};

// Where the phases of a call run. src/core/placement/placement.h decides.
enum class Device : std::uint8_t {
  kAuto,    // by the cost model; on the CPU where no card can be used
  kCpu,     // no card is looked for
  kCuda,    // on the card; an error where none can be used
  kHybrid,  // the filtering phase on the CPU, the refinement phase on the card
};

// How a card multiplies the matrices of the networks it trains. Sums are float32 in all of them.
enum class Precision : std::uint8_t {
  kFp32,
  kTf32,  // factors of 10 bits behind the point
  kBf16,  // of 7
};

// Parse the SQL spelling ("auto", "binary", ... as in docs/sql-reference.md); Name gives it back.
// Throw Error(kInvalidArgument) with a HINT that lists the accepted words.
Task ParseTask(std::string_view word);
Metric ParseMetric(std::string_view word);
Encoding ParseEncoding(std::string_view word);
Tfmem ParseTfmem(std::string_view word);
SamplerKind ParseSampler(std::string_view word);
Refinement ParseRefinement(std::string_view word);  // sh, sr, uniform, asha, evolution
Device ParseDevice(std::string_view word);
Precision ParsePrecision(std::string_view word);
std::string_view Name(Task task) noexcept;
std::string_view Name(Metric metric) noexcept;
std::string_view Name(Encoding encoding) noexcept;
std::string_view Name(Tfmem tfmem) noexcept;
std::string_view Name(TfmemData data) noexcept;
std::string_view Name(TfmemCost cost) noexcept;
std::string_view Name(SamplerKind sampler) noexcept;
std::string_view Name(Refinement refinement) noexcept;
std::string_view Name(Device device) noexcept;
std::string_view Name(Precision precision) noexcept;

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

// Above this many candidates a space is not scored as a whole but by a sample of
// kSampledCandidates.
inline constexpr std::int64_t kLargestWholeSpace = 5'000'000;
inline constexpr std::int64_t kSampledCandidates = 5'000;

// A candidate that an earlier run trained on the same relation and target: what a learned filter
// knows before the first rung.
struct PastCandidate {
  std::string architecture;
  double dropout = 0;
  double standing = 0;  // its place among those trained in that run: 0 the worst, 1 the best
};

struct SelectionOptions {
  Task task = Task::kAuto;
  Metric metric = Metric::kAuto;
  Encoding encoding = Encoding::kPiecewiseLinear;
  std::vector<std::string> categorical;  // integer columns to treat as categories only
  std::vector<std::string> numeric;      // integer columns to treat as numbers only
  SearchSpace space;
  Tfmem tfmem = Tfmem::kRandom;
  std::vector<Tfmem> parts;  // scores wanted besides, in this order
  // The results of the first rung propose further candidates: model_selection's tfmem 'learned'.
  // The first of them come in the order of `tfmem`.
  bool learned = false;
  std::vector<PastCandidate> past;  // for the learned filter of a timed plan
  SamplerKind sampler = SamplerKind::kWhole;
  Refinement refinement = Refinement::kHalving;
  bool only_filter = false;  // train the best candidate of the filtering phase alone
  std::int32_t banks = 2;    // independent draws of the weights whose ranks are averaged, 1..16
  // Candidates that are reported beside the trained ones, the best by score: SelectModel only.
  std::int64_t keep_candidates = 1000;
  // Parts of the plan that the caller fixes: candidates scored (N), candidates trained (K),
  // epochs of the first rung (U). With all three fixed the plan never looks at the clock
  // (but for the deadline), so that the same seed gives the same answer.
  std::optional<std::int64_t> n;
  std::optional<std::int64_t> k;
  std::optional<std::int64_t> u;
  std::int32_t eta = 3;  // a rung keeps one in eta and trains eta times as long, >= 2
  std::optional<std::int64_t> max_epochs;  // of any candidate, >= 1
  std::optional<double> stop_at;           // a validation metric that is good enough
  std::uint64_t seed = 0;
  std::optional<double> dropout;  // of every candidate, 0..0.9; else drawn for each
  std::int32_t max_ids = 65'536;  // embedding rows of one categorical field
  // TrainCandidate: look at the validation rows after every so many passes over the training rows,
  // and keep the parameters of that moment (SelectionResult::snapshots); 0: none.
  std::int32_t snapshot_every = 0;
  std::int32_t threads = 1;  // engine threads, >= 1
  Device device = Device::kAuto;
  Precision precision = Precision::kTf32;  // of a card
  std::int64_t memory_limit_bytes = 0;     // 0: no limit

  bool plan_is_fixed() const noexcept { return n && k && u; }
};

}  // namespace trails
