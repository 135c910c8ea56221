// Carries out the schedules over the golden tables of scores and compares who is trained in each
// round, how long, and who wins.
//
//   golden_schedules --golden FILE
//
// One line for each run, 'pass' or 'FAIL'; the last line counts them. Exit status: 0 when nothing
// failed and something passed, 1 otherwise, 2 when the file cannot be used.
//
// Of two equal candidates the published halving prefers the one that comes first in the round, the
// other two algorithms the one that comes last. Ours always prefer the first, so that the
// candidates of the table with ties are numbered from its end for those two.
//
// May touch: src/core/coordinator, test/golden, nlohmann-json, {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "core/coordinator/schedule.h"
#include "core/random.h"
#include "golden_file.h"
#include "tally.h"

namespace trails {
namespace {

using nlohmann::json;

// [model][epoch - 1]
using Scores = std::vector<std::vector<double>>;

// The file holds the first models of a large table, and the rule that makes them all.
Scores DrawScores(const json &table) {
  RandomStream stream(table.at("seed").get<std::uint64_t>());
  Scores scores(table.at("models").get<std::size_t>());
  const std::size_t epochs = table.at("epochs");
  for (std::vector<double> &row : scores) {
    const double q = stream.Uniform();
    const double r = stream.Uniform();
    for (std::size_t e = 1; e <= epochs; ++e) {
      const double epoch = static_cast<double>(e);
      double score = (0.5 + 0.5 * q) * epoch / (epoch + 4 * r) + 0.05 * stream.Uniform();
      if (table.at("ties")) score = std::floor(20 * score) / 20;
      row.push_back(score);
    }
  }
  return scores;
}

void CheckScores(Tally *tally, const json &table, const Scores &scores) {
  Agreement same;
  const auto rows = table.at("scores").get<Scores>();
  for (std::size_t m = 0; m < rows.size(); ++m) {
    for (std::size_t e = 0; e < rows[m].size(); ++e) {
      same.Compare(scores.at(m).at(e), rows[m][e], 1e-12, 1, fmt::format("score[{}][{}]", m, e));
    }
  }
  same.Report(tally, fmt::format("scores of table {}", table.at("name").get<std::string>()));
}

struct Trained {
  std::vector<std::int32_t> models;  // ascending
  std::int64_t epochs = 0;
  bool operator==(const Trained &) const = default;
};

std::vector<Trained> RoundsOf(const json &run) {
  std::vector<Trained> rounds;
  for (const json &each : run.at("rounds")) {
    Trained round;
    round.epochs = each.at("epochs");
    if (each.at("models") == "all") {
      round.models.resize(run.at("K"));
      std::iota(round.models.begin(), round.models.end(), 0);
    } else {
      round.models = each.at("models").get<std::vector<std::int32_t>>();
      std::sort(round.models.begin(), round.models.end());
    }
    rounds.push_back(round);
  }
  return rounds;
}

void CheckRun(Tally *tally, const json &run, const Scores &scores) {
  static const std::map<std::string, Refinement> kinds = {
      {"successive_halving", Refinement::kHalving},
      {"successive_reject", Refinement::kReject},
      {"uniform", Refinement::kUniform}};
  const std::string algorithm = run.at("algorithm");
  const Refinement kind = kinds.at(algorithm);
  const std::int64_t k = run.at("K");
  const std::int64_t cap = run.at("cap");
  const std::int64_t u = run.at("U");
  const bool from_the_end = run.at("table") == "ties" && kind != Refinement::kHalving;
  const auto model_of = [&](std::int32_t candidate) {
    return from_the_end ? static_cast<std::int32_t>(k) - 1 - candidate : candidate;
  };
  const auto schedule = MakeSchedule(kind, {.k = k, .u = u, .eta = 3, .cap = cap});
  std::vector<Trained> rounds;
  std::int64_t total = 0;
  while (const std::optional<Round> round = schedule->Next()) {
    Trained trained{.models = {}, .epochs = round->length};
    std::vector<double> merits;
    for (const std::int32_t candidate : round->candidates) {
      const std::int32_t model = model_of(candidate);
      trained.models.push_back(model);
      merits.push_back(scores.at(static_cast<std::size_t>(model))
                           .at(static_cast<std::size_t>(round->length) - 1));
      total += round->length;
    }
    std::sort(trained.models.begin(), trained.models.end());
    rounds.push_back(trained);
    schedule->Tell(merits);
  }
  const std::int32_t winner = schedule->left().empty() ? -1 : model_of(schedule->left().front());
  tally->Expect(
      rounds == RoundsOf(run) && total == run.at("total_epochs") && winner == run.at("winner"),
      fmt::format("{} of table {} K {} U {} cap {}", algorithm, run.at("table").get<std::string>(),
                  k, u, cap),
      fmt::format("{} rounds, {} epochs, winner {}; expected {}, {}, {}", rounds.size(), total,
                  winner, run.at("rounds").size(), run.at("total_epochs").get<int>(),
                  run.at("winner").get<int>()));
}

int Run(const json &golden) {
  Tally tally;
  std::map<std::string, Scores> tables;
  for (const json &table : golden.at("tables")) {
    const Scores &scores = tables[table.at("name")] = DrawScores(table);
    CheckScores(&tally, table, scores);
  }
  for (const json &run : golden["runs"]) CheckRun(&tally, run, tables.at(run.at("table")));
  return tally.Finish();
}

}  // namespace
}  // namespace trails

int main(int argc, char **argv) {
  return trails::WithGoldenFile(argc, argv, "schedules", "runs", trails::Run);
}
