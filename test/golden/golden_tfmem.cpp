// Compares the TFMEMs with the golden nets, after checking that the nets are the same ones.
//
//   golden_tfmem --golden FILE
//
// One line for each net and for each of its metrics, 'pass', 'FAIL' or 'not covered' (a metric that
// is not built yet, which is no pass); the last line counts them. Exit status: 0 when nothing
// failed and something passed, 1 otherwise, 2 when the file cannot be used.
//
// May touch: src/core, nlohmann-json, {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "core/filtering/tfmem.h"
#include "core/random.h"

namespace trails {
namespace {

using nlohmann::json;

constexpr double kSumTolerance = 1e-12;        // of the sum of absolute values
constexpr double kLogitTolerance = 1e-9;       // relative to the largest logit
constexpr double kSynflowTolerance = 1e-12;    // the golden files' README, column f64
constexpr double kWeightNormTolerance = 1e-9;  // the same
constexpr double kBatchNormEpsilon = 1e-5;     // the golden nets'

class Tally {
 public:
  void Expect(bool passed, const std::string &what, const std::string &numbers) {
    fmt::print("{} {}: {}\n", passed ? "pass" : "FAIL", what, numbers);
    ++(passed ? passed_ : failed_);
  }
  void NotCovered(const std::string &what) {
    fmt::print("not covered {}\n", what);
    ++not_covered_;
  }
  int Finish() const {
    fmt::print("{} passed, {} failed, {} not covered\n", passed_, failed_, not_covered_);
    return failed_ == 0 && passed_ > 0 ? 0 : 1;
  }

 private:
  int passed_ = 0;
  int failed_ = 0;
  int not_covered_ = 0;
};

// Many numbers that count as one check; says which of them differ.
class Agreement {
 public:
  // NaN on either side differs. `scale` is what `tolerance` is relative to.
  void Compare(double value, double expected, double tolerance, double scale,
               const std::string &what) {
    ++compared_;
    if (std::fabs(value - expected) <= tolerance * scale) return;
    ++differing_;
    fmt::print("  {} is {:.17g}, expected {:.17g}\n", what, value, expected);
  }
  void Report(Tally *tally, const std::string &what) const {
    tally->Expect(differing_ == 0 && compared_ > 0, what,
                  fmt::format("{} of {} numbers differ", differing_, compared_));
  }

 private:
  int compared_ = 0;
  int differing_ = 0;
};

// A golden net and its batch, drawn from the stream.
struct GoldenNet {
  InitialWeights weights;         // with the case's dead units
  std::vector<float> embedding;   // [nfeat, nemb]
  std::vector<std::int64_t> ids;  // [batch, nfield]
  std::vector<float> values;      // [batch, nfield]
  std::vector<std::int64_t> labels;
  std::vector<float> delta;  // [4, inputs]
  std::int64_t nfield = 0;
  std::int64_t nemb = 0;
  std::int64_t batch = 0;
};

template <typename T>
void CopyFirstRow(std::vector<T> *rows, std::int64_t columns) {
  for (std::size_t i = static_cast<std::size_t>(columns); i < rows->size(); ++i) {
    (*rows)[i] = (*rows)[i - static_cast<std::size_t>(columns)];
  }
}

void DrawBatch(const json &golden, std::uint64_t seed, GoldenNet *net) {
  const std::int64_t nfeat = golden.at("nfeat");
  const std::int64_t nout = golden.at("nout");
  RandomStream ids(seed * 1000 + 50);
  RandomStream values(seed * 1000 + 51);
  const bool ones = golden.at("values") == "one";
  for (std::int64_t row = 0; row < net->batch; ++row) {
    for (std::int64_t field = 0; field < net->nfield; ++field) {
      const std::int64_t low = field * nfeat / net->nfield;
      const std::int64_t high = (field + 1) * nfeat / net->nfield;
      net->ids.push_back(low + static_cast<std::int64_t>(
                                   std::floor(ids.Uniform() * static_cast<double>(high - low))));
      net->values.push_back(ones ? 1.0f : static_cast<float>(3 * values.Uniform() - 1));
    }
  }
  if (golden.at("rows") == "identical") {
    CopyFirstRow(&net->ids, net->nfield);
    CopyFirstRow(&net->values, net->nfield);
  }
  RandomStream labels(seed * 1000 + 52);
  for (std::int64_t row = 0; row < net->batch; ++row) {
    const auto label =
        static_cast<std::int64_t>(std::floor(labels.Uniform() * static_cast<double>(nout)));
    net->labels.push_back(golden.at("labels") == "zero" ? 0 : label);
  }
  RandomStream delta(seed * 1000 + 53);
  for (std::int64_t i = 0; i < 4 * net->nfield * net->nemb; ++i) {
    double sum = 0;
    for (int draw = 0; draw < 12; ++draw) sum += delta.Uniform();
    net->delta.push_back(static_cast<float>(sum - 6.0));
  }
}

GoldenNet DrawNet(const json &golden) {
  GoldenNet net;
  net.nfield = golden.at("nfield");
  net.nemb = golden.at("nemb");
  net.batch = golden.at("batch");
  const std::uint64_t seed = golden.at("seed");
  const std::int64_t nfeat = golden.at("nfeat");
  RandomStream embedding(seed * 1000);
  const double bound = std::sqrt(6.0 / static_cast<double>(nfeat + net.nemb));
  for (std::int64_t i = 0; i < nfeat * net.nemb; ++i) {
    net.embedding.push_back(embedding.Symmetric(bound));
  }
  net.weights =
      DrawWeights(golden.at("hidden").get<HiddenWidths>(),
                  static_cast<std::int32_t>(net.nfield * net.nemb), golden.at("nout"), seed);
  if (!golden.at("dead").is_null()) {
    const std::size_t layer = golden["dead"].at("layer").get<std::size_t>() - 1;
    const auto in = static_cast<std::size_t>(net.weights.dims[layer]);
    const std::size_t every = golden["dead"].at("every");
    for (std::size_t unit = 0; unit < net.weights.bias[layer].size(); unit += every) {
      for (std::size_t i = 0; i < in; ++i) net.weights.weight[layer][unit * in + i] = 0;
      net.weights.bias[layer][unit] = -1;
    }
  }
  DrawBatch(golden, seed, &net);
  return net;
}

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
  std::vector<std::vector<double>> rows(static_cast<std::size_t>(net.batch));
  for (std::size_t i = 0; i < net.ids.size(); ++i) {
    for (std::int64_t e = 0; e < net.nemb; ++e) {
      const auto at = static_cast<std::size_t>(net.ids[i] * net.nemb + e);
      rows[i / static_cast<std::size_t>(net.nfield)].push_back(
          static_cast<double>(net.embedding[at]) * static_cast<double>(net.values[i]));
    }
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
  const std::vector<float> first_weights(weights.weight[0].begin(), weights.weight[0].begin() + 3);
  CompareRow(&same, first_weights, check.at("W1_first3"), 0, "W1_first3");
  CompareRow(&same, FirstLogits(net, true), check.at("logits_row0_bn"), kLogitTolerance,
             "logits_row0_bn");
  CompareRow(&same, FirstLogits(net, false), check.at("logits_row0_nobn"), kLogitTolerance,
             "logits_row0_nobn");
  same.Report(tally, name + " net");
}

void CheckMetric(Tally *tally, double value, double tolerance, const json &expected,
                 const std::string &what) {
  if (expected.at("status") != "ok") {
    tally->Expect(false, what, "the golden file does not hold it to be comparable");
    return;
  }
  const double golden = expected.at("f64");
  const double difference = std::fabs(value - golden) / std::fabs(golden);
  tally->Expect(difference <= tolerance, what,
                fmt::format("{:.17g}, expected {:.17g}, relative difference {:.1e}", value, golden,
                            difference));
}

void CheckMetrics(Tally *tally, const GoldenNet &net, const json &golden, const std::string &name) {
  const json &metrics = golden.at("metrics");
  CheckMetric(tally, Synflow(net.weights), kSynflowTolerance, metrics.at("synflow").at("nobn"),
              name + " synflow nobn");
  for (const char *const variant : {"bn", "nobn"}) {
    CheckMetric(tally, WeightNorm(net.weights), kWeightNormTolerance,
                metrics.at("weight_norm").at(variant), name + " weight_norm " + variant);
  }
  for (const auto &[metric, variants] : metrics.items()) {
    if (metric == "synflow" || metric == "weight_norm") continue;
    for (const auto &[variant, expected] : variants.items()) {
      tally->NotCovered(name + " " + metric + " " + variant);
    }
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

int Run(const std::string &path) {
  std::ifstream file(path);
  if (!file) {
    fmt::print(stderr, "cannot open {}\n", path);
    return 2;
  }
  const json golden = json::parse(file);
  if (golden.at("format") != "trails-golden-tfmem-1" || golden.at("cases").empty()) {
    fmt::print(stderr, "{} holds no cases in the format trails-golden-tfmem-1\n", path);
    return 2;
  }
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
  if (argc != 3 || std::string(argv[1]) != "--golden") {
    fmt::print(stderr, "usage: golden_tfmem --golden FILE\n");
    return 2;
  }
  try {
    return trails::Run(argv[2]);
  } catch (const std::exception &error) {
    fmt::print(stderr, "cannot use {}: {}\n", argv[2], error.what());
    return 2;
  }
}
