#include "core/refinement/team.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace trails {
namespace {

TEST(Team, DoesEachPieceOnceHoweverManyThereAre) {
  for (const std::int32_t threads : {1, 2, 3, 8}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (std::int64_t count : {0, 1, 2, 5, 64, 1'000}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
      team.Run(count, [&](std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
      EXPECT_TRUE(std::all_of(done.begin(), done.end(), [](const auto &d) { return d == 1; }))
          << threads << " threads, " << count << " pieces";
    }
  }
}

// Each Run reads what the one before wrote on another thread.
TEST(Team, ARunSeesTheOneBefore) {
  Team team(3);
  constexpr std::int64_t kPieces = 7;
  std::vector<std::int64_t> numbers(kPieces), next(kPieces);
  constexpr std::int64_t kRuns = 20'000;
  for (std::int64_t run = 0; run < kRuns; ++run) {
    team.Run(kPieces, [&](std::int64_t i) {
      next[static_cast<std::size_t>(i)] = numbers[static_cast<std::size_t>((i + 1) % kPieces)] + 1;
    });
    numbers.swap(next);
  }
  EXPECT_EQ(numbers, std::vector<std::int64_t>(kPieces, kRuns));
}

TEST(Team, WakesAfterASleep) {
  Team team(2);
  for (int run = 0; run < 3; ++run) {
    std::atomic<int> done{0};
    team.Run(2, [&](std::int64_t) {
      ++done;
      while (done < 2) std::this_thread::yield();  // ends only when both threads are at work
    });
    EXPECT_EQ(done, 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(Team, AnExceptionCrossesAndTheTeamGoesOn) {
  Team team(3);
  for (std::int64_t failing : {0, 50, 99}) {
    EXPECT_THROW(team.Run(100,
                          [&](std::int64_t i) {
                            if (i == failing) throw std::runtime_error("piece failed");
                          }),
                 std::runtime_error);
    std::atomic<int> done{0};
    team.Run(100, [&](std::int64_t) { ++done; });
    EXPECT_EQ(done, 100);
  }
}

TEST(Team, ItsThreadsComputeWithOneThreadEach) {
  Team team(2);
  std::atomic<int> started{0};
  std::vector<int> threads(2);
  team.Run(2, [&](std::int64_t i) {
    ++started;
    while (started < 2) std::this_thread::yield();
    threads[static_cast<std::size_t>(i)] = at::get_num_threads();
  });
  EXPECT_EQ(threads[1], 1);
}

}  // namespace
}  // namespace trails
