// Compares the papers' coordinator with the golden plans, after comparing its cost in epochs.
//
//   golden_coordinator --golden FILE
//
// One line for each table of costs and for each plan, 'pass' or 'FAIL'; the last line counts them.
// The plans of the published code, which passes the cost's arguments in the wrong order, must not
// come out. Exit status: 0 when nothing failed and something passed, 1 otherwise, 2 when the file
// cannot be used.
//
// May touch: src/core/coordinator, test/golden, nlohmann-json, {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "core/coordinator/equation.h"
#include "golden_file.h"
#include "tally.h"
#include "trails/error.h"

namespace trails {
namespace {

using nlohmann::json;

constexpr double kSecondsTolerance = 1e-12;

void CheckCosts(Tally *tally, const json &table, std::int32_t eta) {
  const std::int64_t cap = table.at("cap");
  const std::int64_t u = table.at("U");
  const auto ks = table.at("K").get<std::vector<std::int64_t>>();
  const auto epochs = table.at("epochs").get<std::vector<std::int64_t>>();
  const std::string name = fmt::format("cost of U {} with cap {}", u, cap);
  Agreement same;
  same.Compare(static_cast<double>(ks.size()), static_cast<double>(epochs.size()), 0, 1, name);
  for (std::size_t i = 0; i < std::min(ks.size(), epochs.size()); ++i) {
    same.Compare(static_cast<double>(HalvingEpochs(ks[i], u, eta, cap)),
                 static_cast<double>(epochs[i]), 0, 1, fmt::format("E({}, {})", ks[i], u));
  }
  same.Report(tally, name);
}

EquationInput InputOf(const json &plan, std::int32_t eta) {
  EquationInput input;
  input.t_score = plan.at("t1");
  input.t_train = plan.at("t2");
  input.budget = plan.at("T");
  input.space_size = plan.at("space_size");
  input.max_epochs = plan.at("cap");
  input.u_limit = plan.at("u_limit").get<std::int64_t>();
  input.ratio = plan.at("ratio");
  input.eta = eta;
  input.only_filter = plan.at("only_phase1");
  return input;
}

std::string NameOf(const json &plan) {
  return fmt::format("T {} t1 {} t2 {} cap {} ratio {}{}", plan.at("T").get<double>(),
                     plan.at("t1").get<double>(), plan.at("t2").get<double>(),
                     plan.at("cap").get<int>(), plan.at("ratio").get<int>(),
                     plan.at("only_phase1").get<bool>() ? " filtering only" : "");
}

bool Near(double value, double expected) {
  return std::fabs(value - expected) <= kSecondsTolerance * std::fabs(expected);
}

// The file names U as the reference printed it and, where it differs, U_effective.
bool IsPlan(const EquationPlan &plan, const json &golden) {
  const std::int64_t u = golden.value("U_effective", golden.at("U").get<std::int64_t>());
  return plan.k == golden.at("K") && plan.u == u && plan.n == golden.at("N") &&
         plan.epochs == golden.at("epochs") &&
         Near(plan.filtering_seconds, golden.at("time_filter")) &&
         Near(plan.refinement_seconds, golden.at("time_refine"));
}

std::string Words(const EquationPlan &plan) {
  return fmt::format("K {} U {} N {}, {} epochs, {} + {} s", plan.k, plan.u, plan.n, plan.epochs,
                     plan.filtering_seconds, plan.refinement_seconds);
}

void CheckPlan(Tally *tally, const json &golden, std::int32_t eta) {
  try {
    const EquationPlan plan = PlanByEquation(InputOf(golden, eta));
    tally->Expect(!golden.contains("error") && IsPlan(plan, golden), NameOf(golden), Words(plan));
  } catch (const Error &error) {
    tally->Expect(golden.contains("error") && error.kind() == ErrorKind::kInvalidArgument,
                  NameOf(golden), error.what());
  }
}

void CheckBuggyPlan(Tally *tally, const json &golden, std::int32_t eta) {
  const EquationPlan plan = PlanByEquation(InputOf(golden, eta));
  const bool is_same = plan.k == golden.at("K") && plan.n == golden.at("N");
  tally->Expect(!is_same && !IsPlan(plan, golden), NameOf(golden) + ", not as shipped",
                Words(plan));
}

int Run(const json &golden) {
  const std::int32_t eta = golden.at("eta");
  Tally tally;
  for (const json &table : golden.at("epoch_cost")) CheckCosts(&tally, table, eta);
  for (const json &plan : golden.at("plans")) CheckPlan(&tally, plan, eta);
  for (const json &plan : golden.at("buggy_reference_DO_NOT_COPY")) {
    CheckBuggyPlan(&tally, plan, eta);
  }
  return tally.Finish();
}

}  // namespace
}  // namespace trails

int main(int argc, char **argv) {
  return trails::WithGoldenFile(argc, argv, "coordinator", "plans", trails::Run);
}
