#include "kernels/cohort_adamw.h"

#include <algorithm>

#include "kernels/adamw.h"
#include "on_card.h"

namespace trails::kernels {
namespace {

struct Arrays {
  std::vector<float> values, gradients, first, second, averages;

  Arrays(std::int64_t count, RandomStream *random)
      : values(RandomFloats(count, 1, random)),
        gradients(RandomFloats(count, 0.1, random)),
        first(RandomFloats(count, 0.1, random)),
        second(RandomFloats(count, 0.01, random)),
        averages(RandomFloats(count, 1, random)) {
    for (float &v : second) v = std::fabs(v);
    // A padded number, and one whose gradient has always been tiny.
    for (auto *const array : {&values, &gradients, &first, &second, &averages}) (*array)[3] = 0;
    gradients[8] = first[8] = 1e-20f;
    second[8] = 0;
  }
  CohortParameters Pointers() {
    return {values.data(), gradients.data(), first.data(), second.data(), averages.data()};
  }
};

TEST(CohortAdamW, EqualsTheCpuOverBothParts) {
  const CardStream stream;
  RandomStream random(3);
  for (const std::int64_t count : {64, 1'088, 5'000}) {
    const std::int64_t decaying = count / 3 / 4 * 4;
    Arrays cpu(count, &random);
    const CardArray<float> values = OnCard(cpu.values, stream),
                           gradients = OnCard(cpu.gradients, stream),
                           first = OnCard(cpu.first, stream), second = OnCard(cpu.second, stream),
                           averages = OnCard(cpu.averages, stream);
    for (const std::int64_t t : {1, 2, 1'000}) {
      CohortStep step = {
          .steps = t, .learning_rate = 2e-3f, .decay = 1.0f, .average_decay = AverageDecay(t)};
      const AdamWFactors factors = FactorsOf({.learning_rate = step.learning_rate,
                                              .decay = step.decay,
                                              .average_decay = step.average_decay,
                                              .step = t});
      step.rate = factors.rate;
      step.spread = factors.spread;
      step.shrink = factors.shrink;
      step.follow = factors.follow;
      const CardArray<CohortStep> step_on_card = OnCard(std::vector<CohortStep>{step}, stream);
      CohortAdamWCuda(
          {values.data(), gradients.data(), first.data(), second.data(), averages.data()}, count,
          decaying, step_on_card.data(), stream.get());
      CohortAdamWCpu(cpu.Pointers(), count, decaying, &step);
      ExpectSameBits(values.Download(stream), cpu.values, "value");
      ExpectSameBits(first.Download(stream), cpu.first, "first moment");
      ExpectSameBits(second.Download(stream), cpu.second, "second moment");
      ExpectSameBits(averages.Download(stream), cpu.averages, "average");
    }
    EXPECT_EQ(cpu.values[3], 0.0f);  // padding
  }
}

}  // namespace
}  // namespace trails::kernels
