#include "core/coordinator/equation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <fmt/format.h>

#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr double kLeastBudget = 1;                  // seconds, the papers' limit
constexpr std::int64_t kMostMaxEpochs = 1'000'000;  // the search over U passes each of them

// Both >= 0.
std::int64_t Multiply(std::int64_t a, std::int64_t b) noexcept {
  return b != 0 && a > kMost / b ? kMost : a * b;
}

std::int64_t Add(std::int64_t a, std::int64_t b) noexcept {
  return a > kMost - b ? kMost : a + b;
}

void CheckSeconds(std::string_view name, double seconds) {
  if (std::isfinite(seconds) && seconds > 0) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{} must be a positive number of seconds, not {}", name, seconds));
}

void CheckRange(std::string_view name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorKind::kInvalidArgument,
              most == kMost
                  ? fmt::format("{} must be at least {}, not {}", name, least, value)
                  : fmt::format("{} must be from {} to {}, not {}", name, least, most, value));
}

void CheckInput(const EquationInput &input) {
  CheckSeconds("t_score", input.t_score);
  CheckSeconds("t_train", input.t_train);
  CheckSeconds("budget", input.budget);
  CheckRange("space_size", input.space_size, 1, kMost);
  CheckRange("max_epochs", input.max_epochs, 1, kMostMaxEpochs);
  CheckRange("ratio", input.ratio, 1, kMost);
  CheckRange("eta", input.eta, 2, kMost);
  if (input.u_limit) CheckRange("u_limit", *input.u_limit, 1, kMost);
  if (input.budget < kLeastBudget) {
    throw Error(
        ErrorKind::kInvalidArgument, "budget is too small",
        fmt::format("It is {} s; the equation plans {} s or more.", input.budget, kLeastBudget),
        "Give a larger budget.");
  }
  if (input.budget < input.t_score) {
    throw Error(ErrorKind::kInvalidArgument, "budget is too small",
                fmt::format("Scoring one candidate takes {} s; the budget is {} s.", input.t_score,
                            input.budget),
                "Give a larger budget.");
  }
}

EquationPlan PlanOf(const EquationInput &input, std::int64_t k, std::int64_t u) noexcept {
  EquationPlan plan;
  plan.n = Multiply(input.ratio, k);
  plan.k = k;
  plan.u = u;
  plan.epochs = HalvingEpochs(k, u, input.eta, input.max_epochs);
  plan.filtering_seconds = static_cast<double>(plan.n) * input.t_score;
  plan.refinement_seconds = static_cast<double>(plan.epochs) * input.t_train;
  return plan;
}

bool Fits(const EquationInput &input, std::int64_t k, std::int64_t u) noexcept {
  const EquationPlan plan = PlanOf(input, k, u);
  return plan.filtering_seconds + plan.refinement_seconds <= input.budget;
}

EquationPlan PlanFiltering(const EquationInput &input) noexcept {
  const double fitting = std::floor(input.budget / input.t_score);
  EquationPlan plan;
  plan.n = fitting < static_cast<double>(input.space_size) ? static_cast<std::int64_t>(fitting)
                                                           : input.space_size;
  plan.filtering_seconds = static_cast<double>(plan.n) * input.t_score;
  return plan;
}

}  // namespace

std::int64_t HalvingEpochs(std::int64_t k, std::int64_t u, std::int32_t eta,
                           std::int64_t cap) noexcept {
  if (k == 1) return 0;
  std::int64_t length = std::min(u, cap);
  std::int64_t total = 0;
  while (k > 1 && length < cap) {
    total = Add(total, Multiply(k, length));
    k /= eta;
    length = std::min(Multiply(length, eta), cap);
  }
  return k > 1 ? Add(total, Multiply(k, cap)) : total;
}

EquationPlan PlanByEquation(const EquationInput &input) {
  CheckInput(input);
  const std::int64_t most = input.space_size / input.ratio;
  if (input.only_filter || most < 2 || !Fits(input, 2, 1)) return PlanFiltering(input);
  // Both terms grow with K, so that those that fit come before those that do not.
  std::int64_t k = 2;
  for (std::int64_t beyond = most + 1; beyond - k > 1;) {
    const std::int64_t middle = k + (beyond - k) / 2;
    (Fits(input, middle, 1) ? k : beyond) = middle;
  }
  // E does not always grow with U: E(18, 6) = 256 and E(18, 7) = 246 for a cap of 20. Every U from
  // the cap on is the cap.
  std::int64_t u = std::min(input.u_limit.value_or(input.max_epochs) - 1, input.max_epochs);
  while (u > 1 && !Fits(input, k, u)) --u;
  return PlanOf(input, k, std::max<std::int64_t>(u, 1));
}

}  // namespace trails
