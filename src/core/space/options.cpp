// Words of the SQL surface for the enumerations of trails/options.h.
//
// May touch: include/trails and {fmt}.
#include "trails/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "core/space/similar_word.h"
#include "trails/error.h"

namespace trails {
namespace {

// In the order of the enumerators, whose values are the indices.
constexpr std::array<std::string_view, 4> kTaskWords{"auto", "binary", "multiclass", "regression"};
constexpr std::array<std::string_view, 7> kMetricWords{"auto", "auc", "logloss", "accuracy",
                                                       "rmse", "mae", "r2"};
constexpr std::array<std::string_view, 2> kEncodingWords{"piecewise_linear", "trails"};
constexpr std::array<std::string_view, 5> kRefinementWords{"sh", "sr", "uniform", "asha",
                                                           "evolution"};
constexpr std::array<std::string_view, 8> kSamplerWords{
    "whole",           "sequential",        "random",         "evolution",
    "async_evolution", "warm_up_evolution", "move_evolution", "reinforce"};
constexpr std::array<std::string_view, 4> kDeviceWords{"auto", "cpu", "cuda", "hybrid"};
constexpr std::array<std::string_view, 3> kPrecisionWords{"fp32", "tf32", "bf16"};
constexpr std::array<std::string_view, 3> kDataWords{"nothing", "rows", "rows_and_target"};
constexpr std::array<std::string_view, 4> kCostWords{"closed_form", "forward", "backward",
                                                     "many_passes"};

// Two directions are less than proven. grasp: the literature ranks it both ways; on our tables the
// signed score correlates with the metric by -0.29 .. 0.04 (docs/benchmarks.md), so that lower is
// better, weakly. grad_plain: no correlation was found on tables (0.02 .. 0.04).
constexpr std::array<TfmemTraits, kTfmems> kTfmemTraits{{
    {"grad_norm", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Abdelfattah et al. 2021, section 3.2; Xing et al. 2024, table 3"},
    {"grad_plain", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Abdelfattah et al. 2021, equation 1, synflow's product under the training loss"},
    {"nas_wot", true, TfmemData::kRows, TfmemCost::kForward, true,
     "Mellor et al. 2021, section 3, the log-determinant of the kernel of activation patterns"},
    {"nas_wot_plain", true, TfmemData::kRows, TfmemCost::kForward, true,
     "nas_wot without batch normalisation, as in the JacFlow of Xing et al. 2024"},
    {"ntk_cond_num", false, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Chen et al. 2021 (TE-NAS), section 3.1, the condition number of the neural tangent kernel"},
    {"ntk_trace", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Shu et al. 2022 (NASI), section 3, the trace norm of the neural tangent kernel"},
    {"ntk_trace_approx", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Shu et al. 2022 (NASI), section 3.3, the trace norm from the gradient of one mini-batch"},
    {"fisher", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Turner et al. 2020 (BlockSwap), equation 1"},
    {"grasp", false, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Wang et al. 2020 (GraSP); Abdelfattah et al. 2021, equation 1"},
    {"snip", true, TfmemData::kRowsAndTarget, TfmemCost::kBackward, true,
     "Lee et al. 2019 (SNIP); Abdelfattah et al. 2021, equation 1"},
    {"synflow", true, TfmemData::kNothing, TfmemCost::kForward, true,
     "Tanaka et al. 2020 (SynFlow); Abdelfattah et al. 2021, equation 1"},
    {"weight_norm", true, TfmemData::kNothing, TfmemCost::kForward, true,
     "Xing et al. 2024, the sum of the Frobenius norms of the weights"},
    {"express_flow", true, TfmemData::kNothing, TfmemCost::kForward, true,
     "Xing et al. 2024 (ATLAS, arXiv 2403.10318), ExpressFlow, trajectory and width weighted"},
    {"jacflow", true, TfmemData::kRows, TfmemCost::kForward, true,
     "Xing et al. 2024, section 3.2, the sum of the ranks of nas_wot and synflow"},
    {"knas", true, TfmemData::kRowsAndTarget, TfmemCost::kManyPasses, false,
     "Xu et al. 2021 (KNAS), the mean of the gradients' Gram matrix"},
    {"params", true, TfmemData::kNothing, TfmemCost::kClosedForm, true,
     "baseline, the number of trainable parameters outside the embedding"},
    {"flops", true, TfmemData::kNothing, TfmemCost::kClosedForm, true,
     "baseline, floating-point operations of the matrix products of one row"},
    {"expected_synflow", true, TfmemData::kNothing, TfmemCost::kClosedForm, true,
     "baseline, synflow expected over initial weights, from the widths alone"},
    {"expected_weight_norm", true, TfmemData::kNothing, TfmemCost::kClosedForm, true,
     "baseline, weight_norm expected over initial weights, from the widths alone"},
    {"expected_express_flow", true, TfmemData::kNothing, TfmemCost::kClosedForm, true,
     "baseline, express_flow expected over initial weights, from the widths alone"},
    {"random", true, TfmemData::kNothing, TfmemCost::kClosedForm, true, "baseline, a random order"},
}};
constexpr auto kTfmemWords = [] {
  std::array<std::string_view, kTfmems> words;
  for (std::size_t i = 0; i < kTfmems; ++i) words[i] = kTfmemTraits[i].name;
  return words;
}();

static_assert(kTaskWords[static_cast<std::size_t>(Task::kRegression)] == "regression");
static_assert(kMetricWords[static_cast<std::size_t>(Metric::kR2)] == "r2");
static_assert(kEncodingWords[static_cast<std::size_t>(Encoding::kTrails)] == "trails");
static_assert(kRefinementWords[static_cast<std::size_t>(Refinement::kEvolution)] == "evolution");
static_assert(kDeviceWords[static_cast<std::size_t>(Device::kHybrid)] == "hybrid");
static_assert(kPrecisionWords[static_cast<std::size_t>(Precision::kBf16)] == "bf16");
static_assert(kSamplerWords[static_cast<std::size_t>(SamplerKind::kReinforce)] == "reinforce");
static_assert(kDataWords[static_cast<std::size_t>(TfmemData::kRowsAndTarget)] == "rows_and_target");
static_assert(kCostWords[static_cast<std::size_t>(TfmemCost::kManyPasses)] == "many_passes");
static_assert(kTfmemTraits[static_cast<std::size_t>(Tfmem::kJacflow)].name == "jacflow");
static_assert(kTfmemTraits[static_cast<std::size_t>(Tfmem::kRandom)].name == "random");

template <typename Enum, std::size_t count>
Enum Parse(std::string_view what, const std::array<std::string_view, count> &words,
           std::string_view word) {
  for (std::size_t i = 0; i < count; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  const std::string_view similar = MostSimilar(word, words);
  throw Error(ErrorKind::kInvalidArgument, fmt::format("unrecognized {}: \"{}\"", what, word), {},
              fmt::format("{}Available values: {}.",
                          similar.empty() ? std::string()
                                          : fmt::format("Perhaps you meant \"{}\". ", similar),
                          fmt::join(words, ", ")));
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
Refinement ParseRefinement(std::string_view word) {
  return Parse<Refinement>("refinement", kRefinementWords, word);
}
Device ParseDevice(std::string_view word) {
  return Parse<Device>("device", kDeviceWords, word);
}
Precision ParsePrecision(std::string_view word) {
  return Parse<Precision>("precision", kPrecisionWords, word);
}

SamplerKind ParseSampler(std::string_view word) {
  return Parse<SamplerKind>("sampler", kSamplerWords, word);
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
std::string_view Name(TfmemData data) noexcept {
  return kDataWords[static_cast<std::size_t>(data)];
}
std::string_view Name(TfmemCost cost) noexcept {
  return kCostWords[static_cast<std::size_t>(cost)];
}
std::string_view Name(Refinement refinement) noexcept {
  return kRefinementWords[static_cast<std::size_t>(refinement)];
}
std::string_view Name(Device device) noexcept {
  return kDeviceWords[static_cast<std::size_t>(device)];
}
std::string_view Name(Precision precision) noexcept {
  return kPrecisionWords[static_cast<std::size_t>(precision)];
}

std::string_view Name(SamplerKind sampler) noexcept {
  return kSamplerWords[static_cast<std::size_t>(sampler)];
}

const TfmemTraits &Traits(Tfmem tfmem) noexcept {
  return kTfmemTraits[static_cast<std::size_t>(tfmem)];
}

bool ScoresOnCard(Tfmem tfmem) noexcept {
  switch (tfmem) {
    case Tfmem::kSynflow:
    case Tfmem::kExpressFlow:
    case Tfmem::kWeightNorm:
    case Tfmem::kNasWot:
    case Tfmem::kNasWotPlain:
    case Tfmem::kJacflow: return true;
    default: return false;
  }
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
