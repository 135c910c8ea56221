// The flows of whole spaces against the definitions of synflow and express_flow, one candidate at
// a time, forward and backward, in long double on the bank's own numbers.
#include "core/filtering/flow_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/filtering/weight_norm.h"
#include "forced_targets.h"
#include "trails/error.h"

namespace trails {
namespace {

using Real = long double;  // express_flow's definition subtracts: 1e-5 of its size remains
using Vector = std::vector<Real>;

constexpr double kTolerance = 1e-12;
constexpr std::uint64_t kPerturbationSeed = 77;

struct AbsoluteLayer {
  std::vector<Vector> weight;  // [out][in]
  Vector bias;
};
using AbsoluteNetwork = std::vector<AbsoluteLayer>;

// |W_l| and |b_l| of a candidate, scaled in long double.
AbsoluteNetwork AbsoluteSlice(const WeightBank &bank, const HiddenWidths &widths) {
  AbsoluteNetwork network;
  const std::vector<std::int32_t> &slots = bank.grid().slot_of_unit();
  std::int32_t fan_in = bank.inputs();
  for (std::size_t l = 0; l <= widths.size(); ++l) {
    const bool last = l == widths.size();
    const std::int32_t number = last ? bank.output_layer() : static_cast<std::int32_t>(l + 1);
    const std::int32_t rows = last ? bank.outputs() : widths[l];
    AbsoluteLayer layer;
    for (std::int32_t r = 0; r < rows; ++r) {
      const std::int32_t row = last ? r : slots[static_cast<std::size_t>(r)];
      Vector weights;
      for (std::int32_t k = 0; k < fan_in; ++k) {
        const std::int32_t column = l == 0 ? k : slots[static_cast<std::size_t>(k)];
        const std::ptrdiff_t at =
            (std::ptrdiff_t{row / 16} * bank.padded_columns(number) + column) * 16 + row % 16;
        weights.push_back(std::sqrt(Real{6} / fan_in) *
                          std::fabs(static_cast<Real>(bank.forward_panel(number)[at])));
      }
      layer.weight.push_back(std::move(weights));
      layer.bias.push_back(std::fabs(static_cast<Real>(bank.bias(number)[row])) /
                           std::sqrt(static_cast<Real>(fan_in)));
    }
    network.push_back(std::move(layer));
    fan_in = rows;
  }
  return network;
}

// The input of every layer, and the outputs: [0] is x.
std::vector<Vector> Forward(const AbsoluteNetwork &network, Vector x) {
  std::vector<Vector> activations = {std::move(x)};
  for (const AbsoluteLayer &layer : network) {
    Vector next = layer.bias;
    for (std::size_t r = 0; r < next.size(); ++r) {
      for (std::size_t k = 0; k < layer.weight[r].size(); ++k) {
        next[r] += layer.weight[r][k] * activations.back()[k];
      }
    }
    activations.push_back(std::move(next));
  }
  return activations;
}

// The derivative of the sum of the outputs by the same.
std::vector<Vector> Backward(const AbsoluteNetwork &network) {
  std::vector<Vector> gradients = {Vector(network.back().bias.size(), 1)};
  for (auto layer = network.rbegin(); layer != network.rend(); ++layer) {
    Vector before(layer->weight.front().size());
    for (std::size_t r = 0; r < layer->weight.size(); ++r) {
      for (std::size_t k = 0; k < before.size(); ++k) {
        before[k] += layer->weight[r][k] * gradients.back()[r];
      }
    }
    gradients.push_back(std::move(before));
  }
  std::reverse(gradients.begin(), gradients.end());
  return gradients;
}

struct Scores {
  double synflow;
  double express_flow;
  double weight_norm;
};

Scores ByDefinition(const AbsoluteNetwork &network, const std::vector<float> &perturbation) {
  const std::size_t inputs = network.front().weight.front().size();
  const std::size_t hidden = network.size() - 1;
  const std::vector<Vector> clean = Forward(network, Vector(inputs, 1));
  const std::vector<Vector> gradients = Backward(network);

  Real synflow = 0;
  Real norms = 0;
  for (std::size_t l = 0; l < network.size(); ++l) {
    Real squares = 0;
    for (std::size_t r = 0; r < network[l].weight.size(); ++r) {
      for (std::size_t k = 0; k < network[l].weight[r].size(); ++k) {
        const Real weight = network[l].weight[r][k];
        synflow += 4 * weight * clean[l][k] * gradients[l + 1][r];  // four equal rows
        squares += weight * weight;
      }
    }
    norms += std::sqrt(squares);
  }

  Vector squared_lengths(hidden);
  Vector flows(hidden);
  for (std::size_t row = 0; row < 4; ++row) {
    Vector x(inputs, 1);
    for (std::size_t i = 0; i < inputs; ++i) x[i] += perturbation[row * inputs + i] * 1e-5f;
    const std::vector<Vector> moved = Forward(network, std::move(x));
    for (std::size_t l = 0; l < hidden; ++l) {
      for (std::size_t unit = 0; unit < moved[l + 1].size(); ++unit) {
        const Real distance = (moved[l + 1][unit] - clean[l + 1][unit]) / 1e-5;
        squared_lengths[l] += distance * distance;
        flows[l] += moved[l + 1][unit] * gradients[l + 1][unit];
      }
    }
  }
  Real weighted = 0;
  Real total = 0;
  for (std::size_t l = 0; l < hidden; ++l) {
    const Real inverse = 1 / (std::sqrt(squared_lengths[l]) + 1e-6);
    weighted += inverse * static_cast<Real>(network[l].weight.size()) * flows[l];
    total += inverse;
  }
  return {.synflow = static_cast<double>(synflow),
          .express_flow = static_cast<double>(weighted / total),
          .weight_norm = static_cast<double>(norms)};
}

void ScoreEveryPair(const FlowPass &pass, const SearchSpace &space, const Interrupt &interrupt) {
  const auto scratch = pass.NewScratch();
  const auto widths = static_cast<std::int32_t>(space.widths.size());
  for (std::int32_t first = widths - 1; first >= 0; --first) {
    if (space.min_layers == 1) pass.Score(first, -1, scratch.get(), interrupt);
    for (std::int32_t second = 0; second < widths && space.max_layers > 1; ++second) {
      pass.Score(first, second, scratch.get(), interrupt);
    }
  }
}

std::vector<double> NotScored(const SearchSpace &space) {
  return std::vector<double>(static_cast<std::size_t>(SpaceSize(space)), kNotScored);
}

// A bank, its space, and the scores of a pass over them.
struct WholeSpace {
  WholeSpace(SearchSpace of, std::int32_t inputs, std::int32_t outputs)
      : space(std::move(of)),
        bank(space, inputs, outputs, 5, 1, false),
        perturbation(DrawPerturbation(inputs, kPerturbationSeed)),
        synflow(NotScored(space)),
        express_flow(NotScored(space)),
        weight_norm(NotScored(space)) {}

  void Score() {
    const Interrupt interrupt(control);
    FlowPass pass(bank, space, perturbation, synflow, express_flow);
    pass.Prepare(interrupt);
    ScoreEveryPair(pass, space, interrupt);
    ScoreWeightNorms(bank, space, interrupt, weight_norm);
  }

  // Compares every stride-th candidate, the first and the last.
  void Compare(std::size_t stride) const {
    for (std::size_t i = 0;; i = std::min(i + stride, synflow.size() - 1)) {
      const HiddenWidths widths = CandidateAt(space, static_cast<std::int64_t>(i));
      const Scores plain = ByDefinition(AbsoluteSlice(bank, widths), perturbation);
      const std::string name = ArchitectureName(widths);
      ASSERT_NEAR(synflow[i] / plain.synflow, 1, kTolerance) << name;
      ASSERT_NEAR(express_flow[i] / plain.express_flow, 1, kTolerance) << name;
      ASSERT_NEAR(weight_norm[i] / plain.weight_norm, 1, kTolerance) << name;
      if (i + 1 == synflow.size()) return;
    }
  }

  SearchSpace space;
  WeightBank bank;
  std::vector<float> perturbation;
  RunControl control{};
  std::vector<double> synflow, express_flow, weight_norm;
};

TEST(FlowPass, EqualsTheDefinitionsOnEveryTarget) {
  test::ForEachTarget([] {
    WholeSpace four({"four", {8, 24, 32, 80}, 4, 4}, 50, 2);
    four.Score();
    four.Compare(1);
  });
}

TEST(FlowPass, ScoresMixedDepthsAndWidthsThatAreNoMultiples) {
  test::ForEachTarget([] {
    WholeSpace mixed({"mixed", {1, 3, 17, 40}, 1, 5}, 7, 1);
    mixed.Score();
    mixed.Compare(7);
  });
}

TEST(FlowPass, ScoresEveryDepthFromOneToEight) {
  for (std::int32_t layers = 1; layers <= kMaxHiddenLayers; ++layers) {
    SCOPED_TRACE(layers);
    WholeSpace one_depth({"deep", {4, 20}, layers, layers}, 33, 3);
    one_depth.Score();
    one_depth.Compare(1);
  }
  WholeSpace all_depths({"all", {5, 16}, 1, kMaxHiddenLayers}, 20, 2);
  all_depths.Score();
  all_depths.Compare(1);
}

TEST(FlowPass, TakesAThousandOutputsAndASingleWidth) {
  WholeSpace many_outputs({"many", {16, 48}, 2, 3}, 10, 1000);
  many_outputs.Score();
  many_outputs.Compare(1);
  WholeSpace single({"single", {9}, 1, 3}, 1, 1);
  single.Score();
  single.Compare(1);
}

TEST(FlowPass, AgreesWithTheScorersOfOneCandidate) {
  WholeSpace space({"space", {16, 64, 200}, 1, 4}, 100, 2);
  space.Score();
  for (std::int64_t i = 0; i < SpaceSize(space.space); ++i) {
    const InitialWeights slice = space.bank.Slice(CandidateAt(space.space, i));
    const auto at = static_cast<std::size_t>(i);
    EXPECT_NEAR(space.synflow[at] / Synflow(slice), 1, kTolerance);
    EXPECT_NEAR(space.weight_norm[at] / WeightNorm(slice), 1, kTolerance);
  }
}

TEST(FlowPass, ComputesOnlyWhatIsAskedFor) {
  WholeSpace both({"both", {8, 32, 56}, 1, 4}, 30, 2);
  both.Score();
  const Interrupt interrupt(both.control);
  std::vector<double> synflow = NotScored(both.space);
  FlowPass only_synflow(both.bank, both.space, {}, synflow, {});
  only_synflow.Prepare(interrupt);
  ScoreEveryPair(only_synflow, both.space, interrupt);
  std::vector<double> express_flow = NotScored(both.space);
  FlowPass only_express_flow(both.bank, both.space, both.perturbation, {}, express_flow);
  only_express_flow.Prepare(interrupt);
  ScoreEveryPair(only_express_flow, both.space, interrupt);
  EXPECT_EQ(synflow, both.synflow);
  EXPECT_EQ(express_flow, both.express_flow);
}

TEST(FlowPass, GivesTheSameFromTwoThreads) {
  WholeSpace space({"space", {8, 24, 48, 64}, 1, 4}, 30, 2);
  space.Score();
  const Interrupt interrupt(space.control);
  std::vector<double> synflow = NotScored(space.space);
  std::vector<double> express_flow = NotScored(space.space);
  FlowPass pass(space.bank, space.space, space.perturbation, synflow, express_flow);
  pass.Prepare(interrupt);
  const auto score_half = [&](std::int32_t half) {
    const auto scratch = pass.NewScratch();
    for (std::int32_t first = half; first < 4; first += 2) {
      for (std::int32_t second = -1; second < 4; ++second) {
        pass.Score(first, second, scratch.get(), interrupt);
      }
    }
  };
  {
    const std::jthread other(score_half, 1);
    score_half(0);
  }
  EXPECT_EQ(synflow, space.synflow);
  EXPECT_EQ(express_flow, space.express_flow);
}

TEST(FlowPass, WritesOnlyTheCandidatesOfThePair) {
  WholeSpace space({"space", {8, 16, 32}, 1, 4}, 12, 2);
  const Interrupt interrupt(space.control);
  FlowPass pass(space.bank, space.space, space.perturbation, space.synflow, space.express_flow);
  pass.Prepare(interrupt);
  const auto scratch = pass.NewScratch();
  pass.Score(1, 2, scratch.get(), interrupt);
  for (std::int64_t i = 0; i < SpaceSize(space.space); ++i) {
    const HiddenWidths widths = CandidateAt(space.space, i);
    const bool of_the_pair = widths.size() >= 2 && widths[0] == 16 && widths[1] == 32;
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(std::isnan(space.synflow[at]), !of_the_pair) << ArchitectureName(widths);
    EXPECT_EQ(std::isnan(space.express_flow[at]), !of_the_pair) << ArchitectureName(widths);
  }
}

TEST(FlowPass, MarksWhatIsNotFinite) {
  WholeSpace space({"space", {8, 16}, 3, 3}, 12, 2);
  std::ranges::fill(space.perturbation, std::numeric_limits<float>::infinity());
  space.Score();
  for (const double score : space.express_flow) EXPECT_EQ(score, kInvalidScore);
  for (const double score : space.synflow) EXPECT_TRUE(std::isfinite(score));
}

TEST(FlowPass, StopsAndLeavesTheRestUnscored) {
  WholeSpace space({"space", {8, 16, 32}, 2, 4}, 12, 2);
  std::stop_source stop;
  space.control.stop = stop.get_token();
  const Interrupt interrupt(space.control);
  FlowPass pass(space.bank, space.space, space.perturbation, space.synflow, space.express_flow);
  pass.Prepare(interrupt);
  const auto scratch = pass.NewScratch();
  pass.Score(0, 0, scratch.get(), interrupt);
  stop.request_stop();
  EXPECT_THROW(pass.Score(0, 1, scratch.get(), interrupt), Error);
  EXPECT_THROW(pass.Prepare(interrupt), Error);
  EXPECT_THROW(ScoreWeightNorms(space.bank, space.space, interrupt, space.weight_norm), Error);
  const auto scored = std::ranges::count_if(space.synflow, [](double s) { return s == s; });
  EXPECT_EQ(scored, 1 + 3 + 9);
  EXPECT_TRUE(std::ranges::all_of(space.weight_norm, [](double s) { return std::isnan(s); }));
}

}  // namespace
}  // namespace trails
