#include "kernels/cohort_step.h"

#include "kernels/adamw.h"
#include "on_card.h"

namespace trails::kernels {
namespace {

TEST(CohortStep, GoesOnWithEachReplayOfTheStep) {
  const CardStream stream;
  const std::vector<std::uint64_t> seeds = {1, 99, 0xFFFFFFFFFFFFFFF0ULL};
  const CohortStepOptions options = {.members = 3,
                                     .hidden = 2,
                                     .steps_per_epoch = 7,
                                     .learning_rate = 2e-3f,
                                     .weight_decay = 0.5f};
  const CardArray<std::uint64_t> seeds_on_card = OnCard(seeds, stream);
  const CardArray<CohortStep> step = OnCard(std::vector<CohortStep>{{.steps = 5}}, stream);
  const auto drawn = Poisoned<std::uint32_t>(6, stream);
  const CardGraph graph(stream, [&] {
    CohortBeginStepCuda(options, seeds_on_card.data(), step.data(), drawn.data(), stream.get());
  });
  for (std::int64_t done = 5; done < 2'000; done = done < 30 ? done + 1 : 2 * done) {
    step.Upload(std::vector<CohortStep>{{.steps = done}}, stream);
    graph.Launch(stream);
    const CohortStep got = step.Download(stream)[0];
    const AdamWStep of_cpu = {.learning_rate = 2e-3f,
                              .decay = 0.5f,
                              .average_decay = AverageDecay(done + 1),
                              .step = done + 1};
    const AdamWFactors factors = FactorsOf(of_cpu);
    EXPECT_EQ(got.steps, done + 1);
    EXPECT_EQ(got.position, done % 7);
    EXPECT_EQ(got.learning_rate, 2e-3f);
    EXPECT_EQ(got.decay, 0.5f);
    EXPECT_EQ(got.average_decay, of_cpu.average_decay);
    EXPECT_EQ(got.shrink, factors.shrink);
    EXPECT_EQ(got.follow, factors.follow);
    EXPECT_NEAR(got.rate, factors.rate, 1.2e-7 * factors.rate);
    EXPECT_NEAR(got.spread, factors.spread, 1.2e-7 * factors.spread);
    std::vector<std::uint32_t> expected(6);
    for (std::size_t m = 0; m < 3; ++m) {
      RandomStream random(seeds[m] + static_cast<std::uint64_t>(done) * 0x9E3779B9ULL);
      for (std::size_t l = 0; l < 2; ++l) {
        expected[l * 3 + m] = static_cast<std::uint32_t>(random.Next());
      }
    }
    ExpectSameBits(drawn.Download(stream), expected, "dropout seed");
  }
}

}  // namespace
}  // namespace trails::kernels
