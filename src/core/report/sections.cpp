#include "core/report/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "core/report/chart.h"
#include "core/report/markup.h"

namespace trails {

namespace {

// More lines or bars than this tell no more; the best are drawn.
constexpr std::size_t kMostCurves = 400;
constexpr std::size_t kMostBars = 40;
constexpr std::size_t kMostRows = 15;
constexpr int kRungStyles = 5;  // r0 .. r4 in the style sheet

bool IsBetter(Metric metric, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a);
  return HigherIsBetter(metric) ? a > b : a < b;
}

std::string MetricName(const RunReport &run) {
  return Escape(Name(run.metric));
}

// Whether candidate i is a further seed of an earlier one.
std::vector<bool> FurtherSeeds(const RunReport &run) {
  std::set<std::pair<std::string, double>> seen;
  std::vector<bool> further;
  for (const CandidateResult &candidate : run.candidates) {
    further.push_back(!seen.insert({candidate.architecture, candidate.dropout}).second);
  }
  return further;
}

std::string RungStyle(std::int32_t rung, bool further_seed) {
  if (further_seed) return "seed";
  return fmt::format("r{}", std::clamp(rung, 0, kRungStyles - 1));
}

std::string CandidateText(const CandidateResult &candidate) {
  return fmt::format("{}, dropout {:g}", Escape(candidate.architecture), candidate.dropout);
}

// Indices of the trained candidates, the best first; those without a metric come last.
std::vector<std::size_t> BestFirst(const RunReport &run) {
  std::vector<std::size_t> order(run.candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return IsBetter(run.metric, run.candidates[a].metric, run.candidates[b].metric);
  });
  return order;
}

// An axis over the metric that leaves out the worst tenth of the looks: the first epochs of a
// regression would hide all the rest.
Axis MetricAxis(const RunReport &run, std::vector<double> looks) {
  std::erase_if(looks, [](double look) { return std::isnan(look); });
  std::sort(looks.begin(), looks.end(),
            [&](double a, double b) { return IsBetter(run.metric, a, b); });
  if (looks.size() > 10) looks.resize(looks.size() - looks.size() / 10);
  looks.push_back(run.valid);
  if (!std::isnan(run.floor_valid)) looks.push_back(run.floor_valid);
  return AxisOver(MetricName(run) + " on the validation rows", looks, false);
}

std::vector<double> AllLooks(const RunReport &run) {
  std::vector<double> looks;
  for (const EpochResult &epoch : run.epochs) looks.push_back(epoch.metric);
  return looks;
}

std::string Section(std::string_view heading, const std::string &words, const std::string &body) {
  return fmt::format("<section>\n<h2>{}</h2>\n<p>{}</p>\n{}</section>\n", heading, words, body);
}

// The colours of rungs, those that occur.
std::string RungLegend(std::int32_t rungs, bool seeds) {
  std::string legend = "<p class=\"legend\">";
  for (std::int32_t rung = 0; rung < std::min(rungs, kRungStyles); ++rung) {
    const bool and_more = rung == kRungStyles - 1 && rungs > kRungStyles;
    fmt::format_to(std::back_inserter(legend), "<span class=\"key r{}\"></span>rung {}{} ", rung,
                   rung + 1, and_more ? " and later" : "");
  }
  if (seeds) legend += "<span class=\"key seed\"></span>new seed of a candidate";
  return legend + "</p>\n";
}

std::int32_t Rungs(const RunReport &run) {
  std::int32_t rungs = 0;
  for (const CandidateResult &candidate : run.candidates) {
    rungs = std::max(rungs, candidate.rung + 1);
  }
  return rungs;
}

double MeanOf(const std::vector<double> &values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Ranks from 1, equal values share the mean of theirs.
std::vector<double> MeanRanks(const std::vector<double> &values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) {
      ranks[order[i]] = 0.5 * static_cast<double>(first + 1 + end);
    }
    first = end;
  }
  return ranks;
}

// Spearman's rank correlation; NaN where one of the two is constant.
double RankCorrelation(const std::vector<double> &x, const std::vector<double> &y) {
  const std::vector<double> a = MeanRanks(x), b = MeanRanks(y);
  const double mean_a = MeanOf(a), mean_b = MeanOf(b);
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
    ab += (a[i] - mean_a) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

// Epochs that each candidate had behind it at the end of each rung it was in.
std::vector<std::map<std::int32_t, double>> EpochsByRung(const RunReport &run) {
  std::vector<std::map<std::int32_t, double>> reached(run.candidates.size());
  for (const EpochResult &epoch : run.epochs) {
    double &end = reached[static_cast<std::size_t>(epoch.candidate)][epoch.rung];
    end = std::max(end, epoch.epoch);
  }
  return reached;
}

// How many models, and how long each of them was trained by its end.
std::string StepSize(const PlanStep &step) {
  const std::string models = CountText(static_cast<double>(step.models));
  if (!(step.epochs > 0)) return fmt::format(" ({})", models);
  return fmt::format(" ({} &#215; {:.3g})", models, step.epochs);
}

std::string Spent(const PlanStep &step) {
  if (std::isnan(step.planned_seconds)) return SecondsText(step.seconds);
  return fmt::format("{} of {} planned",
                     std::isnan(step.seconds) ? "nothing" : SecondsText(step.seconds),
                     SecondsText(step.planned_seconds));
}

// Whether a larger score of that name is better; so it is for a name that none has.
bool HigherScoreIsBetter(std::string_view tfmem) {
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const TfmemTraits &traits = Traits(static_cast<Tfmem>(i));
    if (traits.name == tfmem) return traits.higher_is_better;
  }
  return true;
}

std::string PlaceCells(const CandidateResult &candidate) {
  return fmt::format("<td>{}</td><td>{}</td>", CountText(candidate.rank),
                     std::isnan(candidate.score) ? "none" : fmt::format("{:.4g}", candidate.score));
}

std::string RungTable(const RunReport &run) {
  struct Rung {
    std::set<std::int32_t> candidates;
    double longest = 0;
    double best = kNoMetric;
  };
  // New seeds are trained beside the rungs, and come last.
  constexpr std::int32_t kSeeds = std::numeric_limits<std::int32_t>::max();
  const std::vector<bool> further = FurtherSeeds(run);
  std::map<std::int32_t, Rung> rungs;
  for (const EpochResult &epoch : run.epochs) {
    const bool seed = further[static_cast<std::size_t>(epoch.candidate)];
    Rung &rung = rungs[seed ? kSeeds : epoch.rung];
    rung.candidates.insert(epoch.candidate);
    rung.longest = std::max(rung.longest, epoch.epoch);
    if (IsBetter(run.metric, epoch.metric, rung.best)) rung.best = epoch.metric;
  }
  std::string table =
      "<table>\n<tr><th>rung</th><th>trained in it</th><th>most epochs at its end</th>"
      "<th>best metric</th></tr>\n";
  for (const auto &[number, rung] : rungs) {
    fmt::format_to(std::back_inserter(table),
                   "<tr><td>{}</td><td>{}</td><td>{:.3g}</td><td>{}</td></tr>\n",
                   number == kSeeds ? "new seeds" : std::to_string(number + 1),
                   rung.candidates.size(), rung.longest, MetricText(rung.best));
  }
  return table + "</table>\n";
}

}  // namespace

std::string AnytimeSection(const RunReport &run) {
  std::vector<EpochResult> looks = run.epochs;
  std::stable_sort(looks.begin(), looks.end(), [](const EpochResult &a, const EpochResult &b) {
    return a.seconds < b.seconds;
  });
  std::vector<std::pair<double, double>> steps;
  std::vector<double> bests;
  double best = kNoMetric;
  for (const EpochResult &look : looks) {
    if (!IsBetter(run.metric, look.metric, best)) continue;
    if (!std::isnan(best)) steps.emplace_back(look.seconds, best);
    best = look.metric;
    steps.emplace_back(look.seconds, best);
    bests.push_back(best);
  }
  const double end = std::max(run.seconds, std::isnan(run.budget_seconds) ? 0 : run.budget_seconds);
  if (!steps.empty()) steps.emplace_back(run.seconds, best);
  Chart chart("Best metric so far against seconds",
              AxisOver("seconds since the statement began", {0, end}, false),
              MetricAxis(run, bests));
  chart.RuleAt(run.floor_valid, "floor", "linear model");
  chart.RuleUpAt(run.budget_seconds, "budget", "budget");
  chart.Line(steps, "best", "best of all looks so far");
  chart.Dot(run.seconds, run.valid, "model",
            fmt::format("the model that was kept: {}, {}", MetricText(run.valid),
                        SecondsText(run.seconds)));
  return Section("Best metric so far",
                 fmt::format("The best {} on the validation rows against time, over {} at {}. "
                             "The dot is the model that was kept, {}.",
                             MetricName(run), CountedText(run.epochs.size(), "look"),
                             CountedText(run.candidates.size(), "training"),
                             run.members > 1 ? fmt::format("a mean of {} networks", run.members)
                                             : "one network"),
                 chart.Svg());
}

std::string CurvesSection(const RunReport &run) {
  std::vector<std::vector<std::pair<double, double>>> curves(run.candidates.size());
  std::vector<double> epochs;
  for (const EpochResult &look : run.epochs) {
    curves[static_cast<std::size_t>(look.candidate)].emplace_back(look.epoch, look.metric);
    if (look.epoch > 0) epochs.push_back(look.epoch);
  }
  Chart chart("Learning curves of the candidates",
              AxisOver("epochs: passes over the training rows", epochs, true),
              MetricAxis(run, AllLooks(run)));
  const std::vector<bool> further = FurtherSeeds(run);
  std::vector<std::size_t> order = BestFirst(run);
  if (order.size() > kMostCurves) order.resize(kMostCurves);
  bool seeds = false;
  // The best come last, on top of the others.
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const CandidateResult &candidate = run.candidates[*at];
    auto &curve = curves[*at];
    std::sort(curve.begin(), curve.end());
    seeds = seeds || further[*at];
    const std::string style = RungStyle(candidate.rung, further[*at]);
    const std::string tip = fmt::format("{}: best {}, {}", CandidateText(candidate),
                                        MetricText(candidate.metric), EpochsText(candidate.epochs));
    chart.Line(curve, "curve " + style, tip);
    if (curve.size() == 1) chart.Dot(curve[0].first, curve[0].second, style, tip);
  }
  chart.RuleAt(run.floor_valid, "floor", "linear model");
  return Section(
      "Learning curves",
      fmt::format("Each line is a training; its colour is the last rung it was in{}. A line ends "
                  "where its time was given to better ones.",
                  run.candidates.size() > kMostCurves
                      ? fmt::format(", the best {} of them", kMostCurves)
                      : std::string()),
      chart.Svg() + RungLegend(Rungs(run), seeds));
}

std::string RungSection(const RunReport &run) {
  const auto reached = EpochsByRung(run);
  const std::vector<bool> further = FurtherSeeds(run);
  std::vector<std::size_t> order = BestFirst(run);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return run.candidates[a].epochs > run.candidates[b].epochs;
  });
  const bool shortened = order.size() > kMostBars;
  if (shortened) order.resize(kMostBars);
  std::vector<BarRow> rows;
  bool seeds = false;
  for (const std::size_t i : order) {
    const CandidateResult &candidate = run.candidates[i];
    BarRow row{Escape(candidate.architecture),
               {},
               {},
               fmt::format("{}, {}", EpochsText(candidate.epochs), MetricText(candidate.metric))};
    double before = 0;
    for (const auto &[rung, end] : reached[i]) {
      row.parts.push_back({std::max(0.0, end - before), RungStyle(rung, further[i]),
                           fmt::format("rung {}: up to {}", rung + 1, EpochsText(end))});
      before = std::max(before, end);
    }
    seeds = seeds || further[i];
    rows.push_back(std::move(row));
  }
  return Section("Rungs",
                 run.candidates.size() == 1
                     ? std::string("Epochs of the one training.")
                     : fmt::format("Epochs of {} by rung, those trained longest first.",
                                   shortened ? fmt::format("the {} longest trainings", kMostBars)
                                             : std::string("all trainings")),
                 RungTable(run) + BarsSvg("Epochs of the candidates by rung", rows) +
                     RungLegend(Rungs(run), seeds));
}

std::string ScoreSection(const RunReport &run) {
  const std::vector<bool> further = FurtherSeeds(run);
  const bool scored = run.tfmem != "random" && run.tfmem != "learned" && !run.tfmem.empty();
  std::vector<double> first_seen(run.candidates.size(), kNoMetric);
  for (const EpochResult &look : run.epochs) {
    double &first = first_seen[static_cast<std::size_t>(look.candidate)];
    if (std::isnan(first) || look.seconds < first) first = look.seconds;
  }
  std::vector<double> across, metrics;
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const CandidateResult &candidate = run.candidates[i];
    const double x = scored ? candidate.score : first_seen[i];
    if (further[i] || std::isnan(x) || std::isnan(candidate.metric)) continue;
    across.push_back(x);
    metrics.push_back(candidate.metric);
    shown.push_back(i);
  }
  const std::string name = scored ? Escape(run.tfmem) : "seconds until the first look";
  Chart chart(scored ? "Score against metric" : "Metric against when a candidate came",
              AxisOver(name, across, scored), MetricAxis(run, metrics));
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const CandidateResult &candidate = run.candidates[shown[i]];
    chart.Dot(across[i], metrics[i], RungStyle(candidate.rung, false),
              fmt::format("{}: {} {:.4g}, {}", CandidateText(candidate), name, across[i],
                          MetricText(metrics[i])));
  }
  chart.RuleAt(run.floor_valid, "floor", "linear model");
  double agreement = shown.size() > 2 ? RankCorrelation(across, metrics) : kNoMetric;
  if (!HigherIsBetter(run.metric)) agreement = -agreement;
  if (scored && !HigherScoreIsBetter(run.tfmem)) agreement = -agreement;
  const std::string said =
      std::isnan(agreement)
          ? std::string()
          : fmt::format(" Spearman's rank correlation of {} with a better metric is {:.2f}.",
                        scored ? "a better score" : "coming later", agreement);
  return Section(
      scored ? "Score and metric" : "Candidates as they came",
      (scored ? fmt::format("What {} said before training, against the best {} that training "
                            "reached; candidates that trained longer reached more.",
                            name, MetricName(run))
              : fmt::format("The best {} of each candidate against the moment of its first look; "
                            "candidates came in {}.",
                            MetricName(run),
                            run.tfmem == "learned"
                                ? "a random order first, then as the learned filter proposed them"
                                : "a random order")) +
          said,
      chart.Svg() + RungLegend(Rungs(run), false));
}

std::string TimeSection(const RunReport &run) {
  const std::pair<const char *, double> phases[] = {
      {"reading", run.phases.reading},
      {"encoding", run.phases.encoding},
      {"filtering", run.phases.filtering},
      {"refinement", run.phases.refinement},
      {"final", run.phases.final},
      {"storing", run.storing_seconds},
      {"everything else",
       run.seconds - (run.phases.reading + run.phases.encoding + run.phases.filtering +
                      run.phases.refinement + run.phases.final + run.storing_seconds)}};
  std::vector<BarRow> rows;
  for (const auto &[name, seconds] : phases) {
    const double shown = std::max(0.0, seconds);
    rows.push_back({name,
                    {{shown, "r2", {}}},
                    {},
                    fmt::format("{}, {:.1f} %", SecondsText(shown), 100 * shown / run.seconds)});
  }
  std::string body = BarsSvg("Seconds of each phase", rows);
  if (!run.steps.empty()) {
    rows.clear();
    for (const PlanStep &step : run.steps) {
      std::string label = Escape(step.name);
      if (step.models > 0) label += StepSize(step);
      const auto length = [](double seconds) { return std::isnan(seconds) ? 0 : seconds; };
      rows.push_back({std::move(label),
                      {{length(step.seconds), "r2", "took " + SecondsText(step.seconds)}},
                      {{length(step.planned_seconds), "planned",
                        "planned " + SecondsText(step.planned_seconds)}},
                      Spent(step)});
    }
    body +=
        "<h3>Planned beside actual</h3>\n<p>Wall time of each step of the plan (models &#215; "
        "epochs that one of them has behind it at its end). Above what it took, below what was "
        "planned when calibration was done.</p>\n" +
        BarsSvg("Seconds of each step, planned and actual", rows) +
        "<p class=\"legend\"><span class=\"key r2\"></span>took "
        "<span class=\"key planned\"></span>planned</p>\n";
  }
  return Section(
      "Where the time went",
      fmt::format("{} in all{}; opening the engine runs beside reading.", SecondsText(run.seconds),
                  std::isnan(run.budget_seconds)
                      ? std::string()
                      : fmt::format(" of a budget of {}, {} ms above it",
                                    SecondsText(run.budget_seconds), run.over_budget_ms)),
      body);
}

std::string CandidateSection(const RunReport &run) {
  std::vector<std::size_t> order = BestFirst(run);
  if (order.size() > kMostRows) order.resize(kMostRows);
  const std::vector<bool> further = FurtherSeeds(run);
  const bool ranked = run.candidates_scored > 0;  // not what trains one that the caller names
  std::string table = fmt::format(
      "<table>\n<tr><th>architecture</th><th>dropout</th>{}<th>parameters</th><th>rung</th>"
      "<th>epochs</th><th>metric</th><th>thread time</th></tr>\n",
      ranked ? "<th>rank</th><th>score</th>" : "");
  for (const std::size_t i : order) {
    const CandidateResult &candidate = run.candidates[i];
    fmt::format_to(
        std::back_inserter(table),
        "<tr><td>{}{}</td><td>{:g}</td>{}<td>{}</td><td>{}</td><td>{:.3g}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        Escape(candidate.architecture), further[i] ? " (new seed)" : "", candidate.dropout,
        ranked ? PlaceCells(candidate) : "", CountText(static_cast<double>(candidate.params)),
        candidate.rung + 1, candidate.epochs, MetricText(candidate.metric),
        SecondsText(candidate.seconds));
  }
  return Section("The best candidates",
                 "By their best look at the validation rows, one network alone.",
                 table + "</table>\n");
}

}  // namespace trails
