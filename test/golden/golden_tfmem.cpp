// Compares the TFMEMs with the golden nets, after checking that the nets are the same ones.
//
//   golden_tfmem --golden FILE
//
// One line for each net, and for each of its metrics, variants (with and without batch
// normalisation) and precisions, 'pass' or 'FAIL'; the last line counts them. What the file holds
// to be unstable or invalid must have no score. Exit status: 0 when nothing failed and something
// passed, 1 otherwise, 2 when the file cannot be used.
//
// May touch: src/core, test/golden, nlohmann-json, {fmt}.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "core/filtering/trie_pass.h"
#include "core/random.h"
#include "core/tfmem/direct.h"
#include "golden_file.h"
#include "golden_net.h"
#include "tally.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr double kSumTolerance = 1e-12;     // of the sum of absolute values
constexpr double kLogitTolerance = 1e-9;    // relative to the largest logit
constexpr double kBatchNormEpsilon = 1e-5;  // the golden nets'

// The golden files' README: relative, in double and in float.
struct MetricTolerance {
  const char *metric;
  double in_double;
  double in_float;
};
constexpr MetricTolerance kTolerances[] = {
    {"grad_norm", 1e-9, 1e-4}, {"grad_plain", 1e-9, 1e-3},   {"snip", 1e-9, 1e-4},
    {"grasp", 1e-8, 1e-3},     {"fisher", 1e-9, 1e-4},       {"weight_norm", 1e-9, 1e-5},
    {"ntk_trace", 1e-9, 1e-4}, {"ntk_cond_num", 1e-9, 1e-2}, {"ntk_trace_approx", 1e-9, 1e-4},
    {"nas_wot", 1e-10, 1e-10}, {"synflow", 1e-12, 1e-5},     {"express_flow", 1e-8, 1e-4},
    {"knas", 1e-8, 1e-3}};
// A float net may have a unit on the wrong side of 0 when a pre-activation is nearer than this;
// then nas_wot may be off by this much a row.
constexpr double kNearZero = 1e-5;
constexpr double kFlippedUnit = 0.01;

// [units] of one layer over the batch: batch mean and biased variance taken out of each unit.
void NormaliseOverBatch(std::vector<std::vector<double>> *rows) {
  const auto batch = static_cast<double>(rows->size());
  for (std::size_t unit = 0; unit < rows->front().size(); ++unit) {
    double mean = 0, variance = 0;
    for (const auto &row : *rows) mean += row[unit] / batch;
    for (const auto &row : *rows) variance += (row[unit] - mean) * (row[unit] - mean) / batch;
    for (auto &row : *rows)
      row[unit] = (row[unit] - mean) / std::sqrt(variance + kBatchNormEpsilon);
  }
}

// The logits of row 0, in double.
std::vector<double> FirstLogits(const GoldenNet &net, bool batch_norm) {
  const std::vector<double> inputs = net.Inputs();
  const std::ptrdiff_t width = net.nfield * net.nemb;
  std::vector<std::vector<double>> rows;
  for (auto row = inputs.begin(); row != inputs.end(); row += width) {
    rows.emplace_back(row, row + width);
  }
  const std::size_t layers = net.weights.weight.size();
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (std::vector<double> &row : rows) {
      std::vector<double> next(net.weights.bias[layer].begin(), net.weights.bias[layer].end());
      for (std::size_t unit = 0; unit < next.size(); ++unit) {
        for (std::size_t i = 0; i < row.size(); ++i) {
          next[unit] +=
              static_cast<double>(net.weights.weight[layer][unit * row.size() + i]) * row[i];
        }
      }
      row = std::move(next);
    }
    if (layer + 1 == layers) break;
    if (batch_norm) NormaliseOverBatch(&rows);
    for (auto &row : rows) {
      for (double &unit : row) unit = std::max(unit, 0.0);
    }
  }
  return rows.front();
}

template <typename T>
void CompareSum(Agreement *net, const std::vector<T> &values, const json &expected,
                const std::string &what) {
  double sum = 0, scale = 1;
  for (const T value : values) {
    sum += static_cast<double>(value);
    scale += std::fabs(static_cast<double>(value));
  }
  net->Compare(sum, expected, kSumTolerance, scale, what);
}

// The first numbers of a row; a row of another length differs.
template <typename T>
void CompareRow(Agreement *net, const std::vector<T> &row, const json &expected, double tolerance,
                const std::string &what) {
  const auto numbers = expected.get<std::vector<double>>();
  double scale = 0;
  for (const double number : numbers) scale = std::max(scale, std::fabs(number));
  net->Compare(static_cast<double>(row.size()), static_cast<double>(numbers.size()), 0, 1,
               what + " length");
  for (std::size_t i = 0; i < std::min(row.size(), numbers.size()); ++i) {
    net->Compare(static_cast<double>(row[i]), numbers[i], tolerance, scale,
                 fmt::format("{}[{}]", what, i));
  }
}

// The net is the golden one: sums of everything drawn, first entries, logits.
void CheckNet(Tally *tally, const GoldenNet &net, const json &golden, const std::string &name) {
  const json &check = golden.at("check");
  const InitialWeights &weights = net.weights;
  Agreement same;
  CompareSum(&same, net.embedding, check.at("sum_embedding"), "sum_embedding");
  CompareSum(&same, net.ids, check.at("sum_ids"), "sum_ids");
  CompareSum(&same, net.values, check.at("sum_values"), "sum_values");
  CompareSum(&same, net.labels, check.at("sum_labels"), "sum_labels");
  CompareSum(&same, net.delta, check.at("sum_delta"), "sum_delta");
  for (std::size_t layer = 0; layer < weights.weight.size(); ++layer) {
    CompareSum(&same, weights.weight[layer], check.at("sum_W").at(layer),
               fmt::format("sum_W{}", layer + 1));
    CompareSum(&same, weights.bias[layer], check.at("sum_b").at(layer),
               fmt::format("sum_b{}", layer + 1));
  }
  const std::vector<std::int64_t> first_ids(net.ids.begin(), net.ids.begin() + net.nfield);
  CompareRow(&same, first_ids, check.at("ids_row0"), 0, "ids_row0");
  const std::vector<double> first_weights(weights.weight[0].begin(), weights.weight[0].begin() + 3);
  CompareRow(&same, first_weights, check.at("W1_first3"), 0, "W1_first3");
  CompareRow(&same, FirstLogits(net, true), check.at("logits_row0_bn"), kLogitTolerance,
             "logits_row0_bn");
  CompareRow(&same, FirstLogits(net, false), check.at("logits_row0_nobn"), kLogitTolerance,
             "logits_row0_nobn");
  same.Report(tally, name + " net");
}

// One metric of one net in one variant, as the file has it and as it is computed.
struct Comparison {
  std::string what;
  double value = 0;
  double relative = 0;  // tolerances; either will do
  double absolute = 0;
};

void CheckScore(Tally *tally, const Comparison &is, const json &expected,
                const std::string &status) {
  if (status != "ok") {
    tally->Expect(is.value == kInvalidScore, is.what,
                  fmt::format("{:.17g}, expected no score ({})", is.value, status));
    return;
  }
  const double golden = expected;
  const double difference = std::fabs(is.value - golden);
  const double relative = golden == 0 ? difference : difference / std::fabs(golden);
  // Where the file has 0 the score must be 0: no tolerance is relative to it.
  tally->Expect(difference <= std::max(is.relative * std::fabs(golden), is.absolute), is.what,
                fmt::format("{:.17g}, expected {:.17g}, relative difference {:.1e}", is.value,
                            golden, relative));
}

ScoringBatch BatchOf(const GoldenNet &net) {
  ScoringBatch batch;
  batch.rows = static_cast<std::int32_t>(net.batch);
  batch.inputs = net.weights.dims.front();
  batch.outputs = net.weights.dims.back();
  const std::vector<double> inputs = net.Inputs();
  batch.x.assign(inputs.begin(), inputs.end());
  batch.labels.assign(net.labels.begin(), net.labels.end());
  return batch;
}

double Score(Tfmem tfmem, const GoldenNet &net, bool batch_norm, bool double_precision) {
  DirectOptions options;
  options.double_precision = double_precision;
  options.batch_norm = batch_norm;
  options.perturbation = net.delta;
  options.inputs = net.Inputs();
  if (tfmem == Tfmem::kNasWot && !batch_norm) tfmem = Tfmem::kNasWotPlain;
  return DirectScore(tfmem, net.weights, BatchOf(net), options);
}

// A metric that this program does not know is an error: nothing of the file is passed over.
void CheckVariant(Tally *tally, const GoldenNet &net, const json &check, const std::string &name,
                  const std::string &metric, const std::string &variant, const json &expected) {
  const auto *const tolerance =
      std::find_if(std::begin(kTolerances), std::end(kTolerances),
                   [&metric](const MetricTolerance &each) { return each.metric == metric; });
  const bool known = tolerance != std::end(kTolerances) && (variant == "bn" || variant == "nobn");
  if (!known) {
    tally->Expect(false, fmt::format("{} {} {}", name, metric, variant), "not known here");
    return;
  }
  const bool batch_norm = variant == "bn";
  for (const bool in_double : {true, false}) {
    Comparison is;
    is.what = fmt::format("{} {} {} {}", name, metric, variant, in_double ? "f64" : "f32");
    is.value = Score(ParseTfmem(metric), net, batch_norm, in_double);
    is.relative = in_double ? tolerance->in_double : tolerance->in_float;
    const bool may_flip = check.value("min_abs_preactivation_" + variant, 1.0) < kNearZero;
    if (metric == "nas_wot" && !in_double && may_flip) {
      is.absolute = kFlippedUnit * static_cast<double>(net.batch);
    }
    CheckScore(tally, is, expected.at("f64"), expected.at("status"));
  }
}

// JacFlow is a rank sum over many nets, so that a net has its parts alone.
void CheckJacflow(Tally *tally, const GoldenNet &net, const std::string &name,
                  const json &expected) {
  CheckScore(tally,
             {name + " jacflow nobn, its synflow", Score(Tfmem::kSynflow, net, false, true), 1e-12},
             expected.at("synflow"), "ok");
  CheckScore(tally,
             {name + " jacflow nobn, its nas_wot", Score(Tfmem::kNasWot, net, false, true), 1e-10},
             expected.at("nas_wot"), expected.at("status"));
  CheckScore(tally, {name + " jacflow nobn, of one net", Score(Tfmem::kJacflow, net, false, true)},
             nullptr, "a rank sum");
}

void CheckMetrics(Tally *tally, const GoldenNet &net, const json &golden, const std::string &name) {
  const json &metrics = golden.at("metrics");
  for (const auto &[metric, variants] : metrics.items()) {
    for (const auto &[variant, expected] : variants.items()) {
      if (metric == "jacflow") {
        CheckJacflow(tally, net, name, expected);
      } else {
        CheckVariant(tally, net, golden.at("check"), name, metric, variant, expected);
      }
    }
  }
  if (metrics.contains("synflow")) {
    CheckScore(tally, {name + " synflow nobn in closed form", Synflow(net.weights), 1e-12},
               metrics["synflow"].at("nobn").at("f64"), "ok");
  }
  if (metrics.contains("weight_norm")) {
    CheckScore(tally, {name + " weight_norm bn in closed form", WeightNorm(net.weights), 1e-9},
               metrics["weight_norm"].at("bn").at("f64"), "ok");
  }
}

void CheckStream(Tally *tally) {
  constexpr std::uint64_t kExpected[] = {0x22118258a9d111a0, 0x346edce5f713f8ed, 0x1e9a57bc80e6721d,
                                         0x2d160e7e5c3f42ca, 0x81c2e6dc980d78eb};
  RandomStream stream(12345);
  int differing = 0;
  for (const std::uint64_t expected : kExpected) differing += stream.Next() != expected;
  tally->Expect(differing == 0, "stream of seed 12345",
                fmt::format("{} of {} numbers differ", differing, std::size(kExpected)));
}

int Run(const json &golden) {
  Tally tally;
  CheckStream(&tally);
  for (const json &each : golden["cases"]) {
    const std::string name = each.at("name");
    const GoldenNet net = DrawNet(each);
    CheckNet(&tally, net, each, name);
    CheckMetrics(&tally, net, each, name);
  }
  return tally.Finish();
}

}  // namespace
}  // namespace trails

int main(int argc, char **argv) {
  at::set_num_threads(1);  // as in the engine: networks this small gain nothing from more
  return trails::WithGoldenFile(argc, argv, "tfmem", "cases", trails::Run);
}
