#include "kernels/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/random.h"

namespace trails::kernels {
namespace {

// The formulas of adamw.h in double.
struct SlowAdamW {
  double p = 0, m = 0, v = 0, average = 0;

  void Update(double g, const AdamWStep &step) {
    const auto t = static_cast<double>(step.step);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double lr = step.learning_rate;
    p = p * (1 - lr * step.decay) -
        lr * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    average += (1 - double{step.average_decay}) * (p - average);
  }
};

struct Arrays {
  explicit Arrays(std::size_t count) : p(count), g(count), m(count), v(count), average(count) {}
  void Update(const AdamWStep &step) {
    AdamWCpu(p.data(), g.data(), m.data(), v.data(), average.data(),
             static_cast<std::int64_t>(p.size()), step);
  }
  std::vector<float> p, g, m, v, average;
};

// 37 numbers: whole vectors and a rest, whatever the vector width.
TEST(AdamW, FollowsTheFormulasStepByStep) {
  constexpr std::size_t kCount = 37;
  RandomStream random(2);
  Arrays arrays(kCount);
  std::vector<SlowAdamW> slow(kCount);
  for (std::size_t i = 0; i < kCount; ++i) slow[i].p = arrays.p[i] = random.Symmetric(1);
  for (std::int64_t t = 1; t <= 200; ++t) {
    const AdamWStep step{.learning_rate = 2e-3f,
                         .decay = t % 2 == 0 ? 1.0f : 0.0f,
                         .average_decay = t == 1 ? 0.0f : 0.9f,
                         .step = t};
    for (std::size_t i = 0; i < kCount; ++i) {
      // From tiny to huge, and some with no gradient at all.
      const double size = std::pow(10.0, static_cast<double>(i % 12) - 6);
      arrays.g[i] = i % 12 == 7 ? 0.0f : random.Symmetric(size);
    }
    arrays.Update(step);
    for (std::size_t i = 0; i < kCount; ++i) {
      slow[i].Update(arrays.g[i], step);
      // 200 roundings of numbers near 1; a wrong factor would show as a learning rate, 2e-3.
      ASSERT_NEAR(arrays.p[i], slow[i].p, 1e-5) << "number " << i << ", step " << t;
      ASSERT_NEAR(arrays.average[i], slow[i].average, 1e-5) << "number " << i << ", step " << t;
    }
  }
}

TEST(AdamW, FirstStepIsTheLearningRateWhateverTheGradient) {
  for (const float gradient : {1e-4f, 1.0f, -1e6f}) {
    Arrays arrays(1);
    arrays.g[0] = gradient;
    arrays.Update({.learning_rate = 0.01f, .decay = 0, .average_decay = 0, .step = 1});
    EXPECT_NEAR(arrays.p[0], gradient > 0 ? -0.01 : 0.01, 2e-6) << gradient;
    EXPECT_EQ(arrays.average[0], arrays.p[0]);
  }
}

TEST(AdamW, DecayShrinksWhereNoGradientComes) {
  Arrays arrays(3);
  arrays.p.assign(3, 2.0f);
  arrays.Update({.learning_rate = 0.01f, .decay = 0.5f, .average_decay = 0, .step = 1});
  for (const float p : arrays.p) EXPECT_FLOAT_EQ(p, 2.0f * (1 - 0.005f));
}

TEST(Average, MovesByTheShareThatIsNew) {
  std::vector<float> average = {0, 10, -4};
  const std::vector<float> value = {8, 10, 4};
  AverageCpu(average.data(), value.data(), 3, 0.75f);
  EXPECT_EQ(average, (std::vector<float>{2, 10, -2}));
  AverageCpu(average.data(), value.data(), 3, 0.0f);
  EXPECT_EQ(average, value);
}

TEST(AdamW, AverageFollowsCloselyAtFirstAndThenOverTwoHundredSteps) {
  EXPECT_EQ(AverageDecay(1), 0.0f);  // the average is the parameter itself
  EXPECT_EQ(AverageDecay(2), 0.25f);
  EXPECT_EQ(AverageDecay(26), 0.75f);
  EXPECT_EQ(AverageDecay(1'789), 1'790.0f / 1'799.0f);
  EXPECT_EQ(AverageDecay(100'000), 0.995f);
}

}  // namespace
}  // namespace trails::kernels
