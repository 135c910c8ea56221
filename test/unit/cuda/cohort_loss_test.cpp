#include "kernels/cohort_loss.h"

#include <limits>

#include "on_card.h"

namespace trails::kernels {
namespace {

struct Losses {
  explicit Losses(std::size_t members)
      : last(members), sum(members), steps(members), diverged(members) {}
  CohortLosses Pointers() { return {last.data(), sum.data(), steps.data(), diverged.data()}; }

  std::vector<double> last, sum;
  std::vector<std::int64_t> steps;
  std::vector<std::int32_t> diverged;
};

struct LossesOnCard {
  LossesOnCard(std::int64_t members, const CardStream &stream)
      : last(members), sum(members), steps(members), diverged(members) {
    last.Clear(stream);
    sum.Clear(stream);
    steps.Clear(stream);
    diverged.Clear(stream);
  }
  CohortLosses Pointers() const { return {last.data(), sum.data(), steps.data(), diverged.data()}; }

  CardArray<double> last, sum;
  CardArray<std::int64_t> steps;
  CardArray<std::int32_t> diverged;
};

// One mini-batch of three members, at the second place of their orders.
struct Batch {
  Batch(std::int32_t batch, std::int32_t outputs_of_it, std::uint64_t seed)
      : shape{3, batch}, outputs(outputs_of_it) {
    RandomStream random(seed);
    order.resize(static_cast<std::size_t>(3 * 2 * batch));
    for (std::int32_t &row : order) row = static_cast<std::int32_t>(random.Below(1'000));
    for (int row = 0; row < 1'000; ++row) {
      classes.push_back(static_cast<std::int32_t>(random.Below(outputs)));
      numbers.push_back(random.Symmetric(3));
    }
    bias = RandomFloats(3 * outputs, 1, &random);
    logits = RandomFloats(std::int64_t{3} * batch * outputs, 5, &random);
  }
  // logits and bias gradient of both, from the same numbers; two mini-batches in all.
  void Compare(bool regression, double absolute, double relative, const CardStream &stream) {
    const auto order_on_card = OnCard(order, stream);
    const auto step_on_card = OnCard(std::vector<CohortStep>{step}, stream);
    const auto classes_on_card = OnCard(classes, stream);
    const auto numbers_on_card = OnCard(numbers, stream);
    const auto bend_on_card = OnCard(bend, stream), bias_on_card = OnCard(bias, stream);
    const CardArray<double> scratch(std::max<std::int64_t>(CohortLossScratch(shape, outputs), 1));
    Losses losses(3);
    std::vector<float> first_gradient, first_bias_gradient;  // of the first round
    const LossesOnCard losses_on_card(3, stream);
    for (int round = 0; round < 2; ++round) {
      std::vector<float> gradient = logits, bias_gradient(bias.size());
      const auto gradient_on_card = OnCard(gradient, stream);
      const auto bias_gradient_on_card = Poisoned<float>(bias_on_card.size(), stream);
      const CohortRows rows = {order.data(), 2 * shape.batch, &step};
      const CohortRows rows_on_card = {order_on_card.data(), 2 * shape.batch, step_on_card.data()};
      CardLabels labels, labels_on_card;
      if (regression) {
        labels.numbers = numbers.data();
        labels_on_card.numbers = numbers_on_card.data();
      } else {
        labels.classes = classes.data();
        labels_on_card.classes = classes_on_card.data();
      }
      CohortLossCpu(shape, outputs, rows, labels, bend.data(), bias.data(), gradient.data(),
                    bias_gradient.data(), losses.Pointers());
      CohortLossCuda(shape, outputs, rows_on_card, labels_on_card, bend_on_card.data(),
                     bias_on_card.data(), gradient_on_card.data(), bias_gradient_on_card.data(),
                     scratch.data(), losses_on_card.Pointers(), stream.get());
      if (finite) {
        ExpectNear(gradient_on_card.Download(stream), gradient, absolute, relative, "gradient");
        ExpectNear(bias_gradient_on_card.Download(stream), bias_gradient, 2e-6, 1e-5,
                   "gradient of the bias");
        ExpectNear(losses_on_card.last.Download(stream), losses.last, 0, 1e-6, "loss");
        if (round == 0) {
          first_gradient = gradient_on_card.Download(stream);
          first_bias_gradient = bias_gradient_on_card.Download(stream);
        } else {
          ExpectSameBits(gradient_on_card.Download(stream), first_gradient, "gradient again");
          ExpectSameBits(bias_gradient_on_card.Download(stream), first_bias_gradient,
                         "gradient of the bias again");
        }
      }
      ExpectNear(losses_on_card.sum.Download(stream), losses.sum, 0, 1e-6, "sum of losses");
      EXPECT_EQ(losses_on_card.steps.Download(stream), losses.steps);
      EXPECT_EQ(losses_on_card.diverged.Download(stream), losses.diverged);
      diverged = losses.diverged;
      steps = losses.steps;
    }
  }

  CohortShape shape;
  std::int32_t outputs;
  CohortStep step = {.position = 1};
  std::vector<std::int32_t> order, classes;
  std::vector<float> numbers, bias, logits;
  std::vector<float> bend = {std::numeric_limits<float>::infinity(), 1.0f, 0.25f};
  bool finite = true;  // else gradients are not compared: they are no numbers
  std::vector<std::int32_t> diverged;
  std::vector<std::int64_t> steps;
};

TEST(CohortLoss, OfClassesIsTheCpus) {
  const CardStream stream;
  for (const std::int32_t outputs : {2, 3, 8, 9, 40, 1'000}) {
    for (const std::int32_t batch : {2, 77, 300}) {
      Batch of(batch, outputs, 21);
      of.Compare(false, 6e-7 / batch, 0, stream);
      EXPECT_EQ(of.diverged, std::vector<std::int32_t>(3, 0));
      EXPECT_EQ(of.steps, std::vector<std::int64_t>(3, 2));
    }
  }
}

TEST(CohortLoss, OfNumbersIsTheCpusExactly) {
  const CardStream stream;
  for (const std::int32_t batch : {2, 77, 1'025}) {
    Batch of(batch, 1, 22);
    of.Compare(true, 0, 0, stream);
  }
}

TEST(CohortLoss, ThatIsNoNumberMarksItsMemberAndEndsItsSum) {
  const CardStream stream;
  for (const std::int32_t outputs : {1, 2, 20}) {
    Batch of(50, outputs, 23);
    of.finite = false;
    of.logits[static_cast<std::size_t>(50 * outputs + 7)] = std::numeric_limits<float>::quiet_NaN();
    of.logits[static_cast<std::size_t>(2 * 50 * outputs + 3)] =
        std::numeric_limits<float>::infinity();
    of.bend[2] = std::numeric_limits<float>::infinity();
    of.Compare(outputs == 1, 0, 0, stream);
    EXPECT_EQ(of.diverged, (std::vector<std::int32_t>{0, 1, 1}));
    EXPECT_EQ(of.steps, (std::vector<std::int64_t>{2, 0, 0}));
  }
}

}  // namespace
}  // namespace trails::kernels
