#include "core/filtering/sampler_reinforce.h"

#include <algorithm>
#include <cmath>

namespace trails {

namespace {

constexpr std::uint64_t kReinforcePurpose = 0x7265696E;  // "rein"
constexpr int kDraws = 16;
constexpr double kWarming = 0.5;  // of the temperature, from draw to draw
constexpr double kRate = 0.05;
constexpr double kFirstDecay = 0.9;  // of Adam's moments
constexpr double kSecondDecay = 0.999;
constexpr double kEps = 1e-8;
constexpr double kBaselineDecay = 0.9;

}  // namespace

std::vector<double> ReinforceSampler::Choice::Softmax(double temperature) const {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probabilities;
  double sum = 0;
  for (const double logit : logits) {
    sum += probabilities.emplace_back(std::exp((logit - largest) / temperature));
  }
  for (double &probability : probabilities) probability /= sum;
  return probabilities;
}

void ReinforceSampler::Choice::Step(const std::vector<double> &gradient, std::int64_t step) {
  const double first_scale = 1 - std::pow(kFirstDecay, static_cast<double>(step));
  const double second_scale = 1 - std::pow(kSecondDecay, static_cast<double>(step));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    first[i] += (1 - kFirstDecay) * (gradient[i] - first[i]);
    second[i] += (1 - kSecondDecay) * (gradient[i] * gradient[i] - second[i]);
    logits[i] -= kRate * (first[i] / first_scale) / (std::sqrt(second[i] / second_scale) + kEps);
  }
}

ReinforceSampler::ReinforceSampler(const SearchSpace &space, std::uint64_t seed)
    : proposals_(space, seed),
      random_(RandomStream::ForPurpose(seed, kReinforcePurpose)),
      depth_(static_cast<std::size_t>(space.max_layers - space.min_layers + 1)),
      layers_(static_cast<std::size_t>(space.max_layers), Choice(space.widths.size())) {}

std::optional<HiddenWidths> ReinforceSampler::Propose() {
  for (int draw = 0; draw < kDraws; ++draw) {
    HiddenWidths widths = DrawCandidate(1 + kWarming * draw);
    if (!proposals_.Add(widths)) continue;
    own_.insert(IndexOf(proposals_.space(), widths));
    return widths;
  }
  return proposals_.AddNext();
}

std::size_t ReinforceSampler::Draw(const Choice &choice, double temperature) {
  const std::vector<double> probabilities = choice.Softmax(temperature);
  double left = random_.Uniform();
  std::size_t option = 0;
  while (option + 1 < probabilities.size() && left >= probabilities[option]) {
    left -= probabilities[option++];
  }
  return option;
}

HiddenWidths ReinforceSampler::DrawCandidate(double temperature) {
  const SearchSpace &space = proposals_.space();
  HiddenWidths widths(static_cast<std::size_t>(space.min_layers) + Draw(depth_, temperature));
  for (std::size_t layer = 0; layer < widths.size(); ++layer) {
    widths[layer] = space.widths[Draw(layers_[layer], temperature)];
  }
  return widths;
}

std::size_t ReinforceSampler::OptionOf(std::int32_t width) const {
  const std::vector<std::int32_t> &widths = proposals_.space().widths;
  return static_cast<std::size_t>(std::lower_bound(widths.begin(), widths.end(), width) -
                                  widths.begin());
}

double ReinforceSampler::Advantage(double score) {
  if (std::isnan(score)) score = lowest_;
  if (std::isnan(score)) return 0;
  if (std::isnan(lowest_)) mean_ = lowest_ = score;
  lowest_ = std::min(lowest_, score);
  const double beyond = score - mean_;
  mean_ += (1 - kBaselineDecay) * beyond;
  variance_ += (1 - kBaselineDecay) * (beyond * beyond - variance_);
  return variance_ > 0 ? beyond / std::sqrt(variance_) : 0;
}

void ReinforceSampler::Tell(const HiddenWidths &widths, double score) {
  proposals_.Tell(widths);
  if (own_.erase(IndexOf(proposals_.space(), widths)) == 0) return;
  ++told_;
  const double advantage = Advantage(score);
  const auto learn = [&](Choice *choice, std::size_t chosen) {
    std::vector<double> gradient = choice->Softmax();
    gradient[chosen] -= 1;
    for (double &entry : gradient) entry *= advantage;
    choice->Step(gradient, told_);
  };
  learn(&depth_, widths.size() - static_cast<std::size_t>(proposals_.space().min_layers));
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layer < widths.size()) {
      learn(&layers_[layer], OptionOf(widths[layer]));
    } else {
      layers_[layer].Step(std::vector<double>(proposals_.space().widths.size()), told_);
    }
  }
}

double ReinforceSampler::Probability(const HiddenWidths &widths) const {
  const auto min_layers = static_cast<std::size_t>(proposals_.space().min_layers);
  double probability = depth_.Softmax()[widths.size() - min_layers];
  for (std::size_t layer = 0; layer < widths.size(); ++layer) {
    probability *= layers_[layer].Softmax()[OptionOf(widths[layer])];
  }
  return probability;
}

}  // namespace trails
