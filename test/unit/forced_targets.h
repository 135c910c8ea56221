// Runs a test once for each level of the CPU that Google Highway compiled the kernels for and that
// this machine can run.
//
// May touch: Google Highway, GoogleTest.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdint>
#include <vector>

namespace trails::test {

// The targets that are both compiled in and supported, the best first.
inline std::vector<std::int64_t> RunnableTargets() {
  std::vector<std::int64_t> targets;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    targets.push_back(rest & -rest);
  }
  return targets;
}

// While it lives, every kernel runs its code for `target`. Not while other threads run kernels.
class ForcedTargetScope {
 public:
  explicit ForcedTargetScope(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~ForcedTargetScope() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ForcedTargetScope(const ForcedTargetScope &) = delete;
  ForcedTargetScope &operator=(const ForcedTargetScope &) = delete;
};

// Calls body() under each target; failures name it.
template <typename Body>
void ForEachTarget(const Body &body) {
  for (const std::int64_t target : RunnableTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    const ForcedTargetScope scope(target);
    body();
  }
}

}  // namespace trails::test
