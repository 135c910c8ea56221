// What a learned filter makes of few trained candidates: the order that it predicts of the others,
// the best that it finds, and the time that a proposal takes.
//
//   build/bench/learned_filter_bench 100 bench/seeds/ground_truth*.tsv
//
// The first argument is the number of repetitions, each with another diverse first draw; the files
// are of bench/psql/ground_truth.sh. Prints Markdown, in percent from the best but for Spearman's
// correlations: the mean over the repetitions. Some minutes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/filtering/learned_filter.h"
#include "core/filtering/ranking.h"
#include "core/filtering/shortlist.h"
#include "core/filtering/tfmem.h"
#include "core/random.h"
#include "correlation.h"
#include "named_space.h"
#include "trails/progress.h"

namespace trails {
namespace {

constexpr std::int32_t kOutputs = 1;
constexpr std::size_t kTrained = 24;  // as many as the first rung of a timed plan
constexpr std::size_t kBest = 5;
const std::vector<std::size_t> kObserved = {8, 12, 20, 40};
const std::vector<float> kRates = {0.0f, 0.2f, 0.4f};
const std::vector<std::size_t> kLearnedAfter = {4, 8, 12, 16};

struct Trained {
  std::int64_t candidate = 0;  // CandidateAt's index
  float dropout = 0;
  double merit = 0;  // higher is better
};

struct Truth {
  SearchSpace space;
  std::string table;
  bool with_dropout = false;
  FeatureTable features;
  std::vector<Trained> trained;
};

// The network's inputs: fields, with the twins of integer columns, times the embedding's width.
std::int32_t InputsOf(const std::string &table) {
  static const std::map<std::string, std::int32_t> fields = {
      {"adult", 19},    {"california", 10},   {"criteo", 48},
      {"diabetes", 54}, {"diabetes_ids", 76}, {"frappe", 18}};
  return 10 * fields.at(table);
}

// Lines of ground_truth.sh; of an architecture that was drawn twice, the first.
void Read(const std::string &path, std::map<std::string, Truth> *truths) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorKind::kInvalidArgument, "cannot read " + path);
  std::set<std::string> seen;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string space, table, architecture, metric;
    double epochs = 0, value = 0;
    Trained trained;
    words >> space >> table >> architecture >> epochs >> metric >> value;
    if (!words) throw Error(ErrorKind::kInvalidArgument, "not a line of ground truth: " + line);
    const bool with_dropout = static_cast<bool>(words >> trained.dropout);
    const std::string name = fmt::format("{}, {}{}", space, table, with_dropout ? ", dropout" : "");
    if (!seen.insert(name + architecture).second) continue;
    Truth &truth = (*truths)[name];
    truth.space = bench::SpaceNamed(space);
    truth.table = table;
    truth.with_dropout = with_dropout;
    trained.candidate = IndexOf(truth.space, ParseArchitecture(architecture));
    const bool lower = metric == "rmse" || metric == "mae" || metric == "logloss";
    trained.merit = lower ? -value : value;
    truth.trained.push_back(trained);
  }
}

// Places in truth.trained, in the order of a shortlist of a random draw.
std::vector<std::size_t> DiverseOrder(const Truth &truth, std::uint64_t seed) {
  std::map<std::int64_t, std::size_t> places;
  FilteredCandidates drawn;
  for (std::size_t i = 0; i < truth.trained.size(); ++i) {
    places[truth.trained[i].candidate] = i;
    drawn.order.push_back(truth.trained[i].candidate);
  }
  RandomStream(seed).Shuffle(drawn.order.data(), std::ssize(drawn.order));
  drawn.scores.assign(drawn.order.size(), 0);
  std::vector<std::size_t> order;
  for (const ScoredCandidate &candidate : Shortlist(truth.space, InputsOf(truth.table), kOutputs,
                                                    drawn, seed, std::ssize(drawn.order))) {
    order.push_back(places.at(IndexOf(truth.space, candidate.widths)));
  }
  return order;
}

LearnedFilter FilterOf(const Truth &truth, std::uint64_t seed) {
  return {truth.space,
          truth.features,
          truth.with_dropout ? kRates : std::vector<float>{0.0f},
          {},
          seed};
}

void Tell(const Truth &truth, std::size_t place, LearnedFilter *filter) {
  const Trained &trained = truth.trained[place];
  filter->Tell(trained.candidate, trained.dropout, trained.merit);
}

std::vector<double> Predict(const Truth &truth, const std::vector<std::size_t> &places,
                            LearnedFilter *filter) {
  std::vector<double> predicted(places.size());
  for (const float rate : kRates) {
    std::vector<std::size_t> at;
    std::vector<std::int64_t> candidates;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (truth.trained[places[i]].dropout != rate) continue;
      at.push_back(i);
      candidates.push_back(truth.trained[places[i]].candidate);
    }
    const std::vector<double> of_rate = filter->Predict(candidates, rate);
    for (std::size_t i = 0; i < at.size(); ++i) predicted[at[i]] = of_rate[i];
  }
  return predicted;
}

double Spearman(const Truth &truth, const std::vector<std::size_t> &order, std::size_t observed,
                std::uint64_t seed) {
  LearnedFilter filter = FilterOf(truth, seed);
  for (std::size_t i = 0; i < observed; ++i) Tell(truth, order[i], &filter);
  const std::vector<std::size_t> others(order.begin() + static_cast<std::ptrdiff_t>(observed),
                                        order.end());
  std::vector<double> merits;
  for (const std::size_t place : others) merits.push_back(truth.trained[place].merit);
  return bench::Correlation(Ranks(Predict(truth, others, &filter), true), Ranks(merits, true));
}

// The first `after` in order, then those of the best prediction; two are trained at a time.
std::vector<std::size_t> Learn(const Truth &truth, const std::vector<std::size_t> &order,
                               std::size_t after, std::uint64_t seed) {
  LearnedFilter filter = FilterOf(truth, seed);
  std::vector<std::size_t> taken(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(after));
  std::vector<std::size_t> left(order.begin() + static_cast<std::ptrdiff_t>(after), order.end());
  for (std::size_t told = 0; taken.size() < kTrained;) {
    while (told + 1 < taken.size()) Tell(truth, taken[told++], &filter);
    const std::vector<double> predicted = Predict(truth, left, &filter);
    const auto best = std::max_element(predicted.begin(), predicted.end()) - predicted.begin();
    taken.push_back(left[static_cast<std::size_t>(best)]);
    left.erase(left.begin() + best);
  }
  return taken;
}

// The best by a closed form, of three quarters of the candidates.
std::vector<std::size_t> Highest(const Truth &truth, std::vector<std::size_t> order, Tfmem tfmem) {
  order.resize(order.size() * 3 / 4);
  const auto score = [&](std::size_t place) {
    return ClosedFormScore(tfmem, CandidateAt(truth.space, truth.trained[place].candidate),
                           InputsOf(truth.table), kOutputs, /*seed=*/0);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
  order.resize(kTrained);
  return order;
}

// Where the best of the taken ones stands among all, and the mean of the best five, in percent.
struct Standing {
  double best = 0;
  double best_five = 0;

  void Add(const Truth &truth, const std::vector<std::size_t> &taken, int repetitions) {
    std::vector<double> merits;
    for (const Trained &trained : truth.trained) merits.push_back(trained.merit);
    const std::vector<double> ranks = Ranks(merits, true);
    std::vector<double> standings;
    for (const std::size_t place : taken) {
      standings.push_back(100 * (ranks[place] - 1) / static_cast<double>(ranks.size() - 1));
    }
    std::sort(standings.begin(), standings.end());
    best += standings.front() / repetitions;
    const auto five = standings.begin() + static_cast<std::ptrdiff_t>(kBest);
    best_five += std::accumulate(standings.begin(), five, 0.0) / kBest / repetitions;
  }
};

struct Figures {
  std::vector<double> spearman = std::vector<double>(kObserved.size());
  std::vector<Standing> found;  // [way]
};

std::vector<std::string> Ways() {
  std::vector<std::string> ways = {"random", "params", "expected_express_flow"};
  for (const std::size_t after : kLearnedAfter) ways.push_back(fmt::format("after {}", after));
  return ways;
}

Figures Measure(const Truth &truth, int repetitions) {
  Figures figures;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const auto seed = static_cast<std::uint64_t>(repetition);
    const std::vector<std::size_t> order = DiverseOrder(truth, seed);
    for (std::size_t b = 0; b < kObserved.size(); ++b) {
      figures.spearman[b] += Spearman(truth, order, kObserved[b], seed) / repetitions;
    }
    std::vector<std::vector<std::size_t>> taken = {
        {order.begin(), order.begin() + kTrained},
        Highest(truth, order, Tfmem::kParams),
        Highest(truth, order, Tfmem::kExpectedExpressFlow)};
    for (const std::size_t after : kLearnedAfter) taken.push_back(Learn(truth, order, after, seed));
    figures.found.resize(taken.size());
    for (std::size_t way = 0; way < taken.size(); ++way) {
      figures.found[way].Add(truth, taken[way], repetitions);
    }
  }
  return figures;
}

void PrintQuality(const std::map<std::string, Truth> &truths, int repetitions) {
  std::map<std::string, Figures> all;
  for (const auto &[name, truth] : truths) all[name] = Measure(truth, repetitions);
  fmt::print("| candidates | 8 | 12 | 20 | 40 |\n|---|---|---|---|---|\n");
  for (const auto &[name, figures] : all) {
    fmt::print("| {} ({})", name, truths.at(name).trained.size());
    for (const double value : figures.spearman) fmt::print(" | {:.2f}", value);
    fmt::print(" |\n");
  }
  fmt::print("\n| candidates");
  for (const std::string &way : Ways()) fmt::print(" | {}", way);
  fmt::print(" |\n|---|---|---|---|---|---|---|---|\n");
  std::vector<Standing> means(Ways().size());
  const auto print = [](const std::string &name, const std::vector<Standing> &found) {
    fmt::print("| {}", name);
    for (const Standing &standing : found) {
      fmt::print(" | {:.1f}, {:.1f}", standing.best, standing.best_five);
    }
    fmt::print(" |\n");
  };
  for (const auto &[name, figures] : all) {
    print(name, figures.found);
    for (std::size_t way = 0; way < means.size(); ++way) {
      means[way].best += figures.found[way].best / static_cast<double>(all.size());
      means[way].best_five += figures.found[way].best_five / static_cast<double>(all.size());
    }
  }
  print("mean", means);
}

// Milliseconds of a proposal after a new result, the mean over 20.
void PrintTime(const SearchSpace &space, std::int64_t observed) {
  constexpr int kProposals = 20;
  LearnedFilter filter(space, BuildFeatureTable(space, 180, kOutputs, {}), kRates, {}, /*seed=*/1);
  RandomStream random(1);
  const auto tell = [&](std::int64_t candidate, float dropout) {
    const HiddenWidths widths = CandidateAt(space, candidate);
    filter.Tell(candidate, dropout,
                std::log(widths.front()) - static_cast<double>(dropout) + random.Normal());
  };
  for (std::int64_t i = 0; i < observed - kProposals; ++i) {
    tell(random.Below(SpaceSize(space)), kRates[static_cast<std::size_t>(i) % kRates.size()]);
  }
  double seconds = 0, longest = 0;
  for (int i = 0; i < kProposals; ++i) {
    const Clock::time_point start = Clock::now();
    const auto proposal =
        filter.Propose([](const HiddenWidths &) { return true; },
                       [&](const HiddenWidths &widths) {
                         return static_cast<double>(CountParameters(widths, 180, kOutputs));
                       });
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    seconds += took;
    longest = std::max(longest, took);
    filter.Begin(proposal->candidate, proposal->dropout);
    tell(proposal->candidate, proposal->dropout);
  }
  fmt::print("| {} | {} | {:.1f} | {:.1f} |\n", space.name, observed, 1000 * seconds / kProposals,
             1000 * longest);
}

int Run(int repetitions, const std::vector<std::string> &paths) {
  std::map<std::string, Truth> truths;
  for (const std::string &path : paths) Read(path, &truths);
  for (auto &[name, truth] : truths) {
    truth.features = BuildFeatureTable(truth.space, InputsOf(truth.table), kOutputs, {});
  }
  PrintQuality(truths, repetitions);
  fmt::print("\n| space | observations | ms a proposal | longest |\n|---|---|---|---|\n");
  for (const char *space : {"tabular", "mlp20"}) {
    for (const std::int64_t observed : {40, 120}) PrintTime(bench::SpaceNamed(space), observed);
  }
  return 0;
}

}  // namespace
}  // namespace trails

int main(int argc, char **argv) {
  const int repetitions = argc > 2 ? std::atoi(argv[1]) : 0;
  if (repetitions < 1) {
    fmt::print(stderr, "usage: learned_filter_bench REPETITIONS FILE...\n");
    return 2;
  }
  try {
    return trails::Run(repetitions, {argv + 2, argv + argc});
  } catch (const std::exception &error) {
    fmt::print(stderr, "learned_filter_bench: {}\n", error.what());
    return 1;
  }
}
