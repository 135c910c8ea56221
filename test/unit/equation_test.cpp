#include "core/coordinator/equation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(HalvingEpochs, AddsUpTheRungs) {
  EXPECT_EQ(HalvingEpochs(18, 1, 3, 10), 18 * 1 + 6 * 3 + 2 * 9);
  EXPECT_EQ(HalvingEpochs(35, 1, 3, 20), 35 * 1 + 11 * 3 + 3 * 9);
  EXPECT_EQ(HalvingEpochs(16, 2, 2, 100), 16 * 2 + 8 * 4 + 4 * 8 + 2 * 16);
}

TEST(HalvingEpochs, TrainsThoseThatAreLeftToTheCap) {
  EXPECT_EQ(HalvingEpochs(27, 1, 3, 5), 27 * 1 + 9 * 3 + 3 * 5);
  EXPECT_EQ(HalvingEpochs(7, 30, 3, 20), 7 * 20);
  EXPECT_EQ(HalvingEpochs(1, 5, 3, 20), 0);
}

// The search over U may not stop at the first one that does not fit.
TEST(HalvingEpochs, FallsWithU) {
  EXPECT_EQ(HalvingEpochs(18, 6, 3, 20), 256);
  EXPECT_EQ(HalvingEpochs(18, 7, 3, 20), 246);
}

TEST(HalvingEpochs, Saturates) {
  EXPECT_EQ(HalvingEpochs(kMost / 2, 3, 3, kMost), kMost);
  EXPECT_EQ(HalvingEpochs(kMost, kMost, 3, kMost), kMost);
}

// As published for Criteo: 18 of 1,800 candidates.
TEST(PlanByEquation, FillsTheBudget) {
  const EquationPlan plan = PlanByEquation({.t_score = 0.68243704545,
                                            .t_train = 125,
                                            .budget = 8117.02,
                                            .space_size = 10'000,
                                            .max_epochs = 10});
  EXPECT_EQ(plan.k, 18);
  EXPECT_EQ(plan.u, 1);
  EXPECT_EQ(plan.n, 1'800);
  EXPECT_EQ(plan.epochs, 54);
  EXPECT_DOUBLE_EQ(plan.filtering_seconds, 1'800 * 0.68243704545);
  EXPECT_DOUBLE_EQ(plan.refinement_seconds, 54 * 125.0);
}

// By trying all: K = 18 is the whole space, U = 7 fits, U = 6 and every one above 7 do not.
TEST(PlanByEquation, FindsTheLargestUBeyondOneThatDoesNotFit) {
  const EquationPlan plan =
      PlanByEquation({.t_score = 1e-6, .t_train = 1, .budget = 247, .space_size = 18, .ratio = 1});
  EXPECT_EQ(plan.k, 18);
  EXPECT_EQ(plan.u, 7);
  EXPECT_EQ(plan.epochs, 246);
}

TEST(PlanByEquation, NeverExceedsTheBudget) {
  for (double budget = 1; budget < 3e5; budget *= 1.37) {
    for (const std::int64_t ratio : {1, 30, 100}) {
      const EquationInput input{.t_score = 0.003, .t_train = 0.7, .budget = budget, .ratio = ratio};
      const EquationPlan plan = PlanByEquation(input);
      EXPECT_LE(plan.filtering_seconds + plan.refinement_seconds, budget);
      EXPECT_GE(plan.n, 1);
      EXPECT_LE(plan.n, input.space_size);
      if (plan.k == 1) continue;
      const auto cost = [&](std::int64_t k, std::int64_t u) {
        return static_cast<double>(ratio * k) * 0.003 +
               static_cast<double>(HalvingEpochs(k, u, 3, 20)) * 0.7;
      };
      const bool more = ratio * (plan.k + 1) <= input.space_size;
      EXPECT_TRUE(!more || cost(plan.k + 1, 1) > budget);
      for (std::int64_t u = plan.u + 1; u < 20; ++u) EXPECT_GT(cost(plan.k, u), budget);
    }
  }
}

TEST(PlanByEquation, ScoresOnlyWhereTwoCannotBeTrained) {
  const EquationPlan plan = PlanByEquation({.t_score = 0.5, .t_train = 100, .budget = 60});
  EXPECT_EQ(plan.k, 1);
  EXPECT_EQ(plan.u, 1);
  EXPECT_EQ(plan.n, 120);
  EXPECT_EQ(plan.epochs, 0);
  EXPECT_EQ(plan.refinement_seconds, 0);
}

TEST(PlanByEquation, ScoresOnlyOnRequestAndNeverMoreThanTheSpace) {
  const EquationInput input{.t_score = 1e-300, .t_train = 1, .budget = 1e300, .only_filter = true};
  EXPECT_EQ(PlanByEquation(input).n, 160'000);
  EXPECT_EQ(PlanByEquation(input).k, 1);
}

TEST(PlanByEquation, SearchesUBelowItsOwnLimit) {
  EquationInput input{
      .t_score = 0.0007, .t_train = 0.31, .budget = 3600, .space_size = 8000, .max_epochs = 13};
  EXPECT_EQ(PlanByEquation(input).u, 12);
  input.u_limit = 20;
  EXPECT_EQ(PlanByEquation(input).u, 13);  // all to the cap; longer than it makes no sense
  EXPECT_EQ(PlanByEquation(input).epochs, 80 * 13);
  input.u_limit = 1;
  EXPECT_EQ(PlanByEquation(input).u, 1);
}

void ExpectError(const EquationInput &input, const std::string &message) {
  try {
    PlanByEquation(input);
    ADD_FAILURE() << "no error: " << message;
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(error.what(), message);
  }
}

TEST(PlanByEquation, RefusesBudgetsThatBuyNothing) {
  ExpectError({.t_score = 30, .t_train = 60, .budget = 20}, "budget is too small");
  ExpectError({.t_score = 0.001, .t_train = 60, .budget = 0.5}, "budget is too small");
}

TEST(PlanByEquation, RefusesValuesOutOfRange) {
  const EquationInput good{.t_score = 1, .t_train = 1, .budget = 1000};
  const auto with = [&good](const std::function<void(EquationInput *)> &change) {
    EquationInput input = good;
    change(&input);
    return input;
  };
  ExpectError(with([](auto *i) { i->t_score = 0; }),
              "t_score must be a positive number of seconds, not 0");
  ExpectError(with([](auto *i) { i->t_train = std::nan(""); }),
              "t_train must be a positive number of seconds, not nan");
  ExpectError(with([](auto *i) { i->budget = -1; }),
              "budget must be a positive number of seconds, not -1");
  ExpectError(with([](auto *i) { i->budget = std::numeric_limits<double>::infinity(); }),
              "budget must be a positive number of seconds, not inf");
  ExpectError(with([](auto *i) { i->space_size = 0; }), "space_size must be at least 1, not 0");
  ExpectError(with([](auto *i) { i->max_epochs = 2'000'000; }),
              "max_epochs must be from 1 to 1000000, not 2000000");
  ExpectError(with([](auto *i) { i->ratio = 0; }), "ratio must be at least 1, not 0");
  ExpectError(with([](auto *i) { i->eta = 1; }), "eta must be at least 2, not 1");
  ExpectError(with([](auto *i) { i->u_limit = 0; }), "u_limit must be at least 1, not 0");
}

}  // namespace
}  // namespace trails
