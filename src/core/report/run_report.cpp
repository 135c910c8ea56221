#include "core/report/run_report.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "core/report/markup.h"
#include "core/report/sections.h"

namespace trails {

namespace {

// Light and dark by what the reader's system prefers; rungs from pale to deep, since later rungs
// were trained longer.
constexpr const char *kStyle = R"(
:root { --ink: #1c2128; --soft: #59636e; --grid: #e4e7eb; --page: #ffffff; --card: #f5f7f9;
  --line: #0b62c4; --warm: #c2570c; --planned: #a9b1ba;
  --r0: #a8cdf0; --r1: #6aa9e4; --r2: #2f81d0; --r3: #145ba3; --r4: #0a3a70; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa4af; --grid: #2b323a; --page: #12161b; --card: #1b2128;
    --line: #7ab8ff; --warm: #f0913f; --planned: #56606b;
    --r0: #264b73; --r1: #2f6cab; --r2: #4390dc; --r3: #7fb8f2; --r4: #c3def9; } }
body { margin: 0 auto; padding: 24px; max-width: 860px; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 4px; }
h3 { font-size: 15px; margin: 20px 0 0; } p { margin: 4px 0 10px; color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 16px 0; }
.tile { background: var(--card); border-radius: 8px; padding: 10px 14px; min-width: 110px; }
.tile b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; margin: 0 0 14px; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
svg { width: 100%; height: auto; display: block; } svg svg { width: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.word { fill: var(--ink); }
.grid { stroke: var(--grid); } .axis { stroke: var(--soft); }
polyline { fill: none; } .best { stroke: var(--line); stroke-width: 2.5; }
.model { fill: var(--warm); stroke: var(--page); stroke-width: 2; }
.floor, .budget { stroke: var(--soft); stroke-dasharray: 5 4; }
.curve { stroke-width: 1.4; stroke-opacity: 0.85; }
polyline.r0 { stroke: var(--r0); } polyline.r1 { stroke: var(--r1); }
polyline.r2 { stroke: var(--r2); } polyline.r3 { stroke: var(--r3); }
polyline.r4 { stroke: var(--r4); } polyline.seed { stroke: var(--warm); stroke-opacity: 0.55; }
rect.r0, circle.r0 { fill: var(--r0); } rect.r1, circle.r1 { fill: var(--r1); }
rect.r2, circle.r2 { fill: var(--r2); } rect.r3, circle.r3 { fill: var(--r3); }
rect.r4, circle.r4 { fill: var(--r4); } rect.seed, circle.seed { fill: var(--warm); }
rect.planned { fill: var(--planned); } circle { stroke: var(--page); stroke-width: 1; }
.legend { font-size: 13px; } .legend span.key { display: inline-block; width: 12px; height: 12px;
  border-radius: 3px; margin: 0 6px 0 12px; vertical-align: -1px; }
.key.r0 { background: var(--r0); } .key.r1 { background: var(--r1); }
.key.r2 { background: var(--r2); } .key.r3 { background: var(--r3); }
.key.r4 { background: var(--r4); } .key.seed { background: var(--warm); }
.key.planned { background: var(--planned); }
)";

std::string Tiles(const RunReport &run) {
  const std::pair<const char *, std::string> tiles[] = {
      {"on the validation rows", MetricText(run.valid)},
      {"on the test rows", MetricText(run.test)},
      {"linear model, the floor", MetricText(run.floor)},
      {"scored", CountText(static_cast<double>(run.candidates_scored))},
      {"trained", CountText(static_cast<double>(run.candidates_trained))},
      {std::isnan(run.budget_seconds) ? "without a budget" : "of the budget below",
       SecondsText(run.seconds)}};
  std::string html = "<div class=\"tiles\">\n";
  for (const auto &[label, value] : tiles) {
    fmt::format_to(std::back_inserter(html), "<div class=\"tile\"><b>{}</b><span>{}</span></div>\n",
                   value, label);
  }
  return html + "</div>\n";
}

std::string Facts(const RunReport &run) {
  const std::string rows = fmt::format("{} read: {} to train, {} to validate, {} to test",
                                       CountText(static_cast<double>(run.rows)),
                                       CountText(static_cast<double>(run.train_rows)),
                                       CountText(static_cast<double>(run.valid_rows)),
                                       CountText(static_cast<double>(run.test_rows)));
  const std::pair<const char *, std::string> facts[] = {
      {"architecture", run.members > 1
                           ? fmt::format("{}, the best of {} networks whose outputs are "
                                         "averaged",
                                         run.architecture, run.members)
                           : run.architecture},
      {"rows", rows},
      {"plan as carried out", run.plan},
      {"settings", run.settings},
      {"seed and threads", fmt::format("{} and {}", run.seed, run.threads)},
      {"device", run.placement},
      {"budget", SecondsText(run.budget_seconds)},
      {"begun", run.started_at},
      {"ended as", run.state},
      {"made by", run.versions}};
  std::string html = "<table>\n";
  for (const auto &[label, value] : facts) {
    fmt::format_to(std::back_inserter(html), "<tr><th>{}</th><td>{}</td></tr>\n", label,
                   Escape(value));
  }
  return html + "</table>\n";
}

}  // namespace

std::string RenderReport(const RunReport &run) {
  const std::string of = Escape(run.source) + "." + Escape(run.target);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>trails: run {0}, {1}</title>\n<style>{2}</style>\n</head>\n<body>\n<h1>{3}</h1>\n"
      "<p>Run {0}: {4} of {1}, chosen by {5}.</p>\n",
      run.run_id, of, kStyle, run.model.empty() ? "A model that was dropped" : Escape(run.model),
      Escape(run.task), Escape(Name(run.metric)));
  page += Tiles(run);
  page += Facts(run);
  if (run.epochs.empty()) {
    page += "<p>No network was trained: the linear model is what there is.</p>\n";
  } else {
    page += AnytimeSection(run);
    page += CurvesSection(run);
    page += RungSection(run);
    if (run.candidates.size() > 2) page += ScoreSection(run);
  }
  page += TimeSection(run);
  if (!run.candidates.empty()) page += CandidateSection(run);
  return page + "</body>\n</html>\n";
}

}  // namespace trails
