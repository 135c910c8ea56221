// Initial weights, and the TFMEMs that are arithmetic on weights or widths.
//
// May touch: src/core/space, src/core/random.h, include/trails.
#include "core/filtering/tfmem.h"

#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

// The golden files' tags: a tensor's stream is that of seed * kTags + tag.
constexpr std::uint64_t kTags = 1000;
constexpr std::uint64_t kWeightTag = 10;  // + layer
constexpr std::uint64_t kBiasTag = 30;    // + layer
constexpr std::uint64_t kPerturbationTag = 53;

constexpr std::uint64_t kOwnWeightsPurpose = 0x77656967;  // "weig"; the banks follow

// Inputs and hidden widths: the fan-ins of all layers.
std::vector<double> FanIns(const HiddenWidths &hidden, std::int32_t inputs) {
  std::vector<double> fan_ins{static_cast<double>(inputs)};
  fan_ins.insert(fan_ins.end(), hidden.begin(), hidden.end());
  return fan_ins;
}

double Flops(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs) {
  double products = 0;
  double fan_in = inputs;
  for (const std::int32_t width : hidden) {
    products += fan_in * width;
    fan_in = width;
  }
  return 2 * (products + fan_in * outputs);
}

// The flow that all four rows of ones are expected to bring to all outputs.
double ExpectedFlow(const std::vector<double> &fan_ins, std::int32_t outputs) {
  double flow = kOnesRows * static_cast<double>(outputs);
  for (const double fan_in : fan_ins) flow *= std::sqrt(1.5 * fan_in);
  return flow;
}

double ExpectedWeightNorm(const HiddenWidths &hidden, std::int32_t outputs) {
  double norm = std::sqrt(2.0 * outputs);
  for (const std::int32_t width : hidden) norm += std::sqrt(2.0 * width);
  return norm;
}

double ExpectedExpressFlow(const std::vector<double> &fan_ins, std::int32_t outputs) {
  double common = 0, own = 1;
  double weighted = 0, total = 0;
  for (std::size_t layer = 1; layer < fan_ins.size(); ++layer) {
    const double variance = common + own;
    common = 1.5 * (fan_ins[layer - 1] * common + own);
    own = 0.5 * variance;
    const double width = fan_ins[layer];
    const double length = std::sqrt(kOnesRows * width * (common + own));
    weighted += width / length;
    total += 1 / length;
  }
  return ExpectedFlow(fan_ins, outputs) * weighted / total;
}

// A seed of the candidate's own.
std::uint64_t SeedOf(const HiddenWidths &hidden, std::uint64_t seed) noexcept {
  for (const std::int32_t width : hidden) {
    seed = RandomStream::ForPurpose(seed, static_cast<std::uint64_t>(width)).Next();
  }
  return seed;
}

double RandomScore(const HiddenWidths &hidden, std::uint64_t seed) noexcept {
  return RandomStream(SeedOf(hidden, seed)).Uniform();
}

}  // namespace

std::vector<float> DrawPerturbation(std::int32_t inputs, std::uint64_t seed) {
  RandomStream stream(seed * kTags + kPerturbationTag);
  std::vector<float> perturbation(static_cast<std::size_t>(kOnesRows) *
                                  static_cast<std::size_t>(inputs));
  for (float &entry : perturbation) {
    double sum = 0;
    for (int draw = 0; draw < 12; ++draw) sum += stream.Uniform();
    entry = static_cast<float>(sum - 6.0);
  }
  return perturbation;
}

InitialWeights DrawWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed) {
  InitialWeights weights;
  weights.dims.push_back(inputs);
  weights.dims.insert(weights.dims.end(), hidden.begin(), hidden.end());
  weights.dims.push_back(outputs);
  for (std::size_t layer = 1; layer < weights.dims.size(); ++layer) {
    const std::int32_t fan_in = weights.dims[layer - 1];
    const double weight_bound = std::sqrt(6.0 / fan_in);
    const double bias_bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    RandomStream weight_stream(seed * kTags + kWeightTag + layer);
    RandomStream bias_stream(seed * kTags + kBiasTag + layer);
    std::vector<double> bias(static_cast<std::size_t>(weights.dims[layer]));
    std::vector<double> weight(bias.size() * static_cast<std::size_t>(fan_in));
    for (double &entry : weight) entry = weight_stream.Symmetric(weight_bound);
    for (double &entry : bias) entry = bias_stream.Symmetric(bias_bound);
    weights.weight.push_back(std::move(weight));
    weights.bias.push_back(std::move(bias));
  }
  return weights;
}

InitialWeights OwnWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                          std::uint64_t seed, std::int32_t bank) {
  const std::uint64_t purpose = kOwnWeightsPurpose + static_cast<std::uint64_t>(bank);
  return DrawWeights(hidden, inputs, outputs,
                     SeedOf(hidden, RandomStream::ForPurpose(seed, purpose).Next()));
}

double Synflow(const InitialWeights &weights) {
  const std::size_t layers = weights.weight.size();
  std::vector<double> flow(static_cast<std::size_t>(weights.dims[0]), static_cast<double>(layers));
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const auto layers_above = static_cast<double>(layers - layer - 1);
    std::vector<double> next;
    const double *weight = weights.weight[layer].data();
    for (const double bias : weights.bias[layer]) {
      double sum = layers_above * std::fabs(bias);
      for (const double from : flow) sum += std::fabs(*weight++) * from;
      next.push_back(sum);
    }
    flow = std::move(next);
  }
  return kOnesRows * std::accumulate(flow.begin(), flow.end(), 0.0);
}

double WeightNorm(const InitialWeights &weights) {
  double norm = 0;
  for (const std::vector<double> &layer : weights.weight) {
    double squares = 0;
    for (const double weight : layer) squares += weight * weight;
    norm += std::sqrt(squares);
  }
  return norm;
}

double ClosedFormScore(Tfmem tfmem, const HiddenWidths &hidden, std::int32_t inputs,
                       std::int32_t outputs, std::uint64_t seed) {
  switch (tfmem) {
    case Tfmem::kParams: return static_cast<double>(CountParameters(hidden, inputs, outputs));
    case Tfmem::kFlops: return Flops(hidden, inputs, outputs);
    case Tfmem::kExpectedSynflow:
      return static_cast<double>(hidden.size() + 1) * ExpectedFlow(FanIns(hidden, inputs), outputs);
    case Tfmem::kExpectedWeightNorm: return ExpectedWeightNorm(hidden, outputs);
    case Tfmem::kExpectedExpressFlow: return ExpectedExpressFlow(FanIns(hidden, inputs), outputs);
    case Tfmem::kRandom: return RandomScore(hidden, seed);
    default: throw Error(ErrorKind::kInternal, "not a closed form: " + std::string(Name(tfmem)));
  }
}

}  // namespace trails
