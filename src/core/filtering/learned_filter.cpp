// Observations, the features they are seen through, and the choice among the candidates.
//
// May touch: src/core/space, src/core/filtering, src/core/random.h, Eigen, Boost's erf_inv.
#include "core/filtering/learned_filter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <unordered_set>
#include <utility>
#include <boost/math/special_functions/erf.hpp>

#include "core/filtering/gaussian_process.h"
#include "core/filtering/ranking.h"
#include "core/filtering/sampler_proposals.h"
#include "core/random.h"

namespace trails {

namespace {

constexpr std::uint64_t kPoolPurpose = 0x6C656172;  // "lear"
constexpr std::int64_t kLargestPool = 20'000;
constexpr std::size_t kParents = 8;  // observed candidates whose neighbours join a random pool
constexpr int kNeighbours = 64;      // draws of each
constexpr std::size_t kMostPast = 60;
constexpr std::size_t kMostObservations = 120;  // a choice takes some 20 ms then
constexpr std::int64_t kRefitPercent = 110;     // growth that makes hyper-parameters stale
// Deviations are dear: they are found for those that would be worth most with this one.
constexpr std::size_t kJudged = 1'024;
constexpr double kSupposedDeviation = 0.5;
constexpr double kLeastShare = 0.03;  // the normal score of a past run's worst is -1.9
// Another run's training had other company, perhaps other rows.
constexpr double kPastNoise = 2;
constexpr double kLeastSpread = 1e-6;  // below it, a column is constant
// One dropout rate tells as much as several widths: its standard deviation as a feature, where the
// others' is 1.
constexpr float kDropoutSpread = 2;

using Points = GaussianProcess::Points;

struct Observation {
  std::int64_t candidate;
  float dropout;
  double merit;  // a past one's: its normal score
};

// The normal score of a share, 0 < share < 1.
double NormalScore(double share) {
  return std::numbers::sqrt2 * boost::math::erf_inv(2 * share - 1);
}

// Blom's normal scores of the merits' ranks; NaN is the worst.
std::vector<double> NormalScores(const std::vector<Observation> &observations) {
  std::vector<double> merits;
  for (const Observation &observation : observations) {
    merits.push_back(std::isnan(observation.merit) ? kInvalidScore : observation.merit);
  }
  std::vector<double> scores = Ranks(merits, /*higher_is_better=*/true);
  const auto count = static_cast<double>(scores.size());
  for (double &score : scores) score = NormalScore((count - score + 0.625) / (count + 0.25));
  return scores;
}

// The expected amount by which a normal variable is above `best`.
double ExpectedImprovement(double mean, double deviation, double best) {
  const double z = (mean - best) / deviation;
  return (mean - best) * 0.5 * std::erfc(-z / std::numbers::sqrt2) +
         deviation * std::exp(-0.5 * z * z) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}

bool IsInSpace(const SearchSpace &space, const HiddenWidths &widths) {
  const auto layers = static_cast<std::int32_t>(widths.size());
  return layers >= space.min_layers && layers <= space.max_layers &&
         std::all_of(widths.begin(), widths.end(), [&](std::int32_t width) {
           return std::binary_search(space.widths.begin(), space.widths.end(), width);
         });
}

// Centres a column and scales it to unit variance, every number of layers counting alike: else the
// few shallow candidates would lie far out. False where it is constant.
bool Standardise(const SearchSpace &space, std::vector<float> *column) {
  double sum = 0, squares = 0;
  std::size_t first = 0;
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    const auto count = static_cast<std::size_t>(SpaceSizeAtDepth(space, layers));
    double depth_sum = 0, depth_squares = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      const double value = (*column)[i];
      depth_sum += value;
      depth_squares += value * value;
    }
    sum += depth_sum / static_cast<double>(count);
    squares += depth_squares / static_cast<double>(count);
    first += count;
  }
  const double depths = space.max_layers - space.min_layers + 1;
  const double mean = sum / depths;
  const double spread = std::sqrt(std::max(0.0, squares / depths - mean * mean));
  if (spread < kLeastSpread) return false;
  for (float &value : *column) value = static_cast<float>((value - mean) / spread);
  return true;
}

// Empty for a single rate, which tells nothing.
std::vector<float> StandardisedRates(const std::vector<float> &rates) {
  if (rates.size() < 2) return {};
  const auto count = static_cast<float>(rates.size());
  const float mean = std::accumulate(rates.begin(), rates.end(), 0.0f) / count;
  float squares = 0;
  for (const float rate : rates) squares += (rate - mean) * (rate - mean);
  std::vector<float> column;
  for (const float rate : rates) {
    column.push_back(kDropoutSpread * (rate - mean) / std::sqrt(squares / count));
  }
  return column;
}

// Those of the space; where they are many, evenly spread over them, as they come
// best first and the worst tell as much.
std::vector<Observation> PastOf(const SearchSpace &space, const std::vector<PastCandidate> &past) {
  std::vector<Observation> known;
  for (const PastCandidate &candidate : past) {
    const HiddenWidths widths = ParseArchitecture(candidate.architecture);
    if (!IsInSpace(space, widths)) continue;
    known.push_back({IndexOf(space, widths), static_cast<float>(candidate.dropout),
                     NormalScore(kLeastShare + (1 - 2 * kLeastShare) * candidate.standing)});
  }
  if (known.size() <= kMostPast) return known;
  std::vector<Observation> spread;
  for (std::size_t i = 0; i < kMostPast; ++i) spread.push_back(known[i * known.size() / kMostPast]);
  return spread;
}

}  // namespace

struct LearnedFilter::State {
  SearchSpace space;
  std::vector<std::vector<float>> columns;  // standardised; none is constant
  std::vector<float> dropouts;
  std::vector<float> dropout_column;  // of each rate, standardised; empty when there is but one
  std::vector<Observation> past;
  std::vector<Observation> own;
  std::vector<std::pair<std::int64_t, float>> believed;
  std::unordered_set<std::int64_t> begun;
  RandomStream random{0};
  GaussianProcess process;
  Points observed;                          // the process's
  std::vector<std::int64_t> observed_from;  // the candidates of these
  std::int64_t chosen_at = 0;               // observations when hyper-parameters were chosen
  bool stale = true;                        // the process does not know all there is

  Eigen::Index features() const noexcept { return std::ssize(columns) + !dropout_column.empty(); }
  float DropoutFeature(float dropout) const;
  void WritePoint(std::int64_t candidate, float dropout_feature, Eigen::Index row,
                  Points *points) const;
  void Refit();
  std::vector<std::int64_t> Pool();
  std::vector<std::int64_t> NeighboursOfTheBest();
  LearnedProposal BestOf(const std::vector<std::int64_t> &pool,
                         const std::vector<double> &prices) const;
};

float LearnedFilter::State::DropoutFeature(float dropout) const {
  if (dropout_column.empty()) return 0;
  // Past runs may have had other rates.
  const auto distance = [dropout](float rate) { return std::abs(rate - dropout); };
  const auto nearest = std::min_element(dropouts.begin(), dropouts.end(), [&](float a, float b) {
    return distance(a) < distance(b);
  });
  return dropout_column[static_cast<std::size_t>(nearest - dropouts.begin())];
}

void LearnedFilter::State::WritePoint(std::int64_t candidate, float dropout_feature,
                                      Eigen::Index row, Points *points) const {
  Eigen::Index feature = 0;
  for (const std::vector<float> &column : columns) {
    (*points)(row, feature++) = column[static_cast<std::size_t>(candidate)];
  }
  if (!dropout_column.empty()) (*points)(row, feature) = dropout_feature;
}

void LearnedFilter::State::Refit() {
  if (!stale) return;
  stale = false;
  const std::vector<double> scores = NormalScores(own);
  const std::size_t most = kMostObservations - past.size();
  const std::size_t first = own.size() > most ? own.size() - most : 0;
  std::vector<Observation> used = past;
  for (std::size_t i = first; i < own.size(); ++i) {
    used.push_back({own[i].candidate, own[i].dropout, scores[i]});
  }
  const Eigen::Index count = std::ssize(used);
  Points points(count + std::ssize(believed), features());
  Eigen::VectorXd targets(count);
  Eigen::VectorXd noise_factors = Eigen::VectorXd::Ones(points.rows());
  noise_factors.head(std::ssize(past)).setConstant(kPastNoise);
  observed_from.clear();
  for (Eigen::Index i = 0; i < count; ++i) {
    const Observation &observation = used[static_cast<std::size_t>(i)];
    WritePoint(observation.candidate, DropoutFeature(observation.dropout), i, &points);
    targets[i] = observation.merit;
    observed_from.push_back(observation.candidate);
  }
  for (std::size_t i = 0; i < believed.size(); ++i) {
    WritePoint(believed[i].first, DropoutFeature(believed[i].second),
               count + static_cast<Eigen::Index>(i), &points);
  }
  const bool choose = 100 * count >= kRefitPercent * chosen_at;
  if (choose) chosen_at = count;
  process.Fit(points, targets, noise_factors, choose);
  observed = points.topRows(count);
}

std::vector<std::int64_t> LearnedFilter::State::Pool() {
  const std::int64_t size = SpaceSize(space);
  std::vector<std::int64_t> pool;
  if (size > kLargestPool) {
    pool = NeighboursOfTheBest();
    while (std::ssize(pool) < kLargestPool) pool.push_back(random.Below(size));
  } else {
    for (std::int64_t candidate = 0; candidate < size; ++candidate) pool.push_back(candidate);
  }
  std::erase_if(pool, [this](std::int64_t candidate) { return begun.contains(candidate); });
  return pool;
}

std::vector<std::int64_t> LearnedFilter::State::NeighboursOfTheBest() {
  const Eigen::VectorXf means = process.Means(observed);
  std::vector<Eigen::Index> order(static_cast<std::size_t>(means.size()));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Eigen::Index a, Eigen::Index b) { return means[a] > means[b]; });
  order.resize(std::min(order.size(), kParents));
  std::vector<std::int64_t> neighbours;
  for (const Eigen::Index parent : order) {
    const HiddenWidths widths = CandidateAt(space, observed_from[static_cast<std::size_t>(parent)]);
    for (int draw = 0; draw < kNeighbours; ++draw) {
      const std::optional<HiddenWidths> child = Neighbour(space, widths, &random);
      if (child) neighbours.push_back(IndexOf(space, *child));
    }
  }
  return neighbours;
}

LearnedProposal LearnedFilter::State::BestOf(const std::vector<std::int64_t> &pool,
                                             const std::vector<double> &prices) const {
  // Row i is candidate i / rates at rate i % rates.
  const auto rates = std::ssize(dropouts);
  Points points(std::ssize(pool) * rates, features());
  for (Eigen::Index i = 0; i < points.rows(); ++i) {
    const float dropout_feature =
        dropout_column.empty() ? 0 : dropout_column[static_cast<std::size_t>(i % rates)];
    WritePoint(pool[static_cast<std::size_t>(i / rates)], dropout_feature, i, &points);
  }
  const Eigen::VectorXf means = process.Means(points);
  const double so_far = process.Means(observed).maxCoeff();
  const auto worth = [&](Eigen::Index row, double deviation) {
    return ExpectedImprovement(means[row], deviation, so_far) /
           prices[static_cast<std::size_t>(row / rates)];
  };
  std::vector<std::pair<double, Eigen::Index>> judged;
  judged.reserve(static_cast<std::size_t>(points.rows()));
  for (Eigen::Index i = 0; i < points.rows(); ++i) {
    judged.emplace_back(-worth(i, kSupposedDeviation), i);
  }
  const std::size_t count = std::min(judged.size(), kJudged);
  std::nth_element(judged.begin(), judged.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                   judged.end());
  judged.resize(count);
  Points best_points(std::ssize(judged), features());
  for (std::size_t j = 0; j < judged.size(); ++j) {
    best_points.row(static_cast<Eigen::Index>(j)) = points.row(judged[j].second);
  }
  const Eigen::VectorXd deviations = process.Deviations(best_points);
  std::pair<double, Eigen::Index> best(std::numeric_limits<double>::lowest(), 0);
  Eigen::Index best_place = 0;
  for (std::size_t j = 0; j < judged.size(); ++j) {
    const auto place = static_cast<Eigen::Index>(j);
    const Eigen::Index row = judged[j].second;
    // Of equals the first of the pool.
    const std::pair<double, Eigen::Index> now(worth(row, deviations[place]), -row);
    if (now <= best) continue;
    best = now;
    best_place = place;
  }
  const Eigen::Index row = -best.second;
  return {.candidate = pool[static_cast<std::size_t>(row / rates)],
          .dropout = dropouts[static_cast<std::size_t>(row % rates)],
          .mean = means[row],
          .deviation = deviations[best_place]};
}

LearnedFilter::LearnedFilter(const SearchSpace &space, FeatureTable table,
                             std::vector<float> dropouts, const std::vector<PastCandidate> &past,
                             std::uint64_t seed)
    : state_(std::make_unique<State>()) {
  State &state = *state_;
  state.space = space;
  state.random = RandomStream::ForPurpose(seed, kPoolPurpose);
  for (std::vector<float> &column : table.columns) {
    if (Standardise(space, &column)) state.columns.push_back(std::move(column));
  }
  state.dropouts = std::move(dropouts);
  state.dropout_column = StandardisedRates(state.dropouts);
  state.past = PastOf(space, past);
}

LearnedFilter::~LearnedFilter() = default;

void LearnedFilter::Begin(std::int64_t candidate, float dropout) {
  state_->begun.insert(candidate);
  state_->believed.emplace_back(candidate, dropout);
  state_->stale = true;
}

void LearnedFilter::Tell(std::int64_t candidate, float dropout, double merit) {
  std::vector<std::pair<std::int64_t, float>> &believed = state_->believed;
  const auto found = std::find(believed.begin(), believed.end(), std::pair(candidate, dropout));
  if (found != believed.end()) believed.erase(found);
  state_->begun.insert(candidate);
  state_->own.push_back({candidate, dropout, merit});
  state_->stale = true;
}

std::int64_t LearnedFilter::observations() const noexcept {
  return std::ssize(state_->past) + std::ssize(state_->own);
}

std::optional<LearnedProposal> LearnedFilter::Propose(
    const std::function<bool(const HiddenWidths &)> &suits,
    const std::function<double(const HiddenWidths &)> &price) {
  State &state = *state_;
  if (observations() == 0) return std::nullopt;
  state.Refit();
  std::vector<std::int64_t> pool;
  std::vector<double> prices;
  for (const std::int64_t candidate : state.Pool()) {
    const HiddenWidths widths = CandidateAt(state.space, candidate);
    if (!suits(widths)) continue;
    pool.push_back(candidate);
    prices.push_back(price(widths));
  }
  if (pool.empty()) return std::nullopt;
  return state.BestOf(pool, prices);
}

std::vector<double> LearnedFilter::Predict(const std::vector<std::int64_t> &candidates,
                                           float dropout) {
  if (observations() == 0) return std::vector<double>(candidates.size(), 0.0);
  state_->Refit();
  Points points(std::ssize(candidates), state_->features());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    state_->WritePoint(candidates[i], state_->DropoutFeature(dropout), static_cast<Eigen::Index>(i),
                       &points);
  }
  const Eigen::VectorXf means = state_->process.Means(points);
  return {means.begin(), means.end()};
}

}  // namespace trails
