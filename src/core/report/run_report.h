// The page of trails.report: one run on one self-contained XHTML page with inline SVG, no script
// and nothing to load.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trails/result.h"

namespace trails {

// What the catalog holds of a run. Texts are UTF-8 and come from users: the page escapes them.
struct RunReport {
  std::int64_t run_id = 0;
  std::string model;  // its name; empty when it was dropped
  std::string source;
  std::string target;
  std::string state;
  std::string started_at;
  double budget_seconds = kNoMetric;  // kNoMetric for none
  double seconds = 0;
  std::int64_t over_budget_ms = 0;
  std::int64_t seed = 0;
  std::int32_t threads = 0;
  std::string placement;  // where its phases ran and why
  std::string plan;       // n, k, u and rungs, for people
  std::string settings;   // the other settings, chosen or by default, for people
  std::string versions;
  std::string tfmem;  // as the caller chose it

  std::int64_t rows = 0;
  std::int64_t train_rows = 0;
  std::int64_t valid_rows = 0;
  std::int64_t test_rows = 0;

  std::string task;
  Metric metric = Metric::kAuto;
  std::string architecture;
  std::int32_t members = 0;
  double valid = kNoMetric;
  double test = kNoMetric;
  double floor = kNoMetric;
  double floor_valid = kNoMetric;
  std::int64_t candidates_scored = 0;
  std::int64_t candidates_trained = 0;

  PhaseSeconds phases;
  double storing_seconds = 0;
  std::vector<PlanStep> steps;
  std::vector<CandidateResult> candidates;  // the trained ones, new seeds after their origins
  std::vector<EpochResult> epochs;          // candidate: index into the above
};

// The page, in ASCII whatever the names: other characters are written as references, and what XML
// cannot hold as U+FFFD. Cost: some 100 bytes a look at the validation rows, at most 1 MB or so.
std::string RenderReport(const RunReport &run);

}  // namespace trails
