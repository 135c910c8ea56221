// The papers' coordinator: how many candidates to score and to train within a budget, when each
// costs the same. N * t_score + E(K, U) * t_train <= T with N = ratio * K.
//
// The engine plans by its own model of costs (strategy.h); this equation is for comparison, and for
// those who know t_score and t_train. Source: Xing et al. 2024, section 4; the published code
// passes E's arguments in the wrong order and so charges 3 U epochs whatever K is.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>

namespace trails {

// E(K, U): epochs that successive halving trains in all, each rung from scratch: K candidates for
// min(U, cap) epochs, the best one in `eta` of them for eta times as many, until one is left or the
// cap is reached, where those that are left train `cap` epochs. 0 for K = 1.
// k, u, cap >= 1, eta >= 2. Saturates at INT64_MAX.
std::int64_t HalvingEpochs(std::int64_t k, std::int64_t u, std::int32_t eta,
                           std::int64_t cap) noexcept;

struct EquationInput {
  double t_score = 0;  // seconds to score a candidate, > 0
  double t_train = 0;  // seconds to train one for an epoch, > 0
  double budget = 0;   // seconds, > 0
  std::int64_t space_size = 160'000;
  std::int64_t max_epochs = 20;              // the cap, at most a million
  std::optional<std::int64_t> u_limit = {};  // U stays below it; unset: max_epochs
  std::int64_t ratio = 100;                  // N / K
  std::int32_t eta = 3;
  bool only_filter = false;
};

struct EquationPlan {
  std::int64_t n = 0;
  std::int64_t k = 1;
  std::int64_t u = 1;
  std::int64_t epochs = 0;  // E(K, U)
  double filtering_seconds = 0;
  double refinement_seconds = 0;
};

// The largest K in 2 .. floor(space / ratio) that fits with U = 1, then for it the largest U in
// 1 .. u_limit - 1 (at least 1) that fits, given as min(U, max_epochs). Where not even K = 2 fits,
// or only_filter: K = 1, U = 1 and as many candidates scored as fit, at most the space.
// Throws Error(kInvalidArgument) for a budget below a second or in which not one candidate can be
// scored, and for values out of range. Cost: a microsecond, and 50 ns for each U that is tried.
EquationPlan PlanByEquation(const EquationInput &input);

}  // namespace trails
