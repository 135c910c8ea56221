#include "kernels/cohort_norm.h"

#include <algorithm>

#include "on_card.h"
#include "trails/error.h"

namespace trails::kernels {
namespace {

constexpr std::int32_t kPadded = 24;

// A layer of four members of different true widths, their padding zero as it is in training.
struct Layer {
  Layer(std::int32_t batch, std::uint64_t seed) : shape{4, batch} {
    RandomStream random(seed);
    const std::int64_t units = 4LL * kPadded;
    gamma = RandomFloats(units, 1.5, &random);
    beta = RandomFloats(units, 0.5, &random);
    z = RandomFloats(units * batch, 2, &random);
    dh = RandomFloats(units * batch, 1, &random);
    average_mean = RandomFloats(units, 1, &random);
    average_var = RandomFloats(units, 1, &random);
    for (std::int64_t m = 0; m < 4; ++m) {
      for (std::int64_t j = widths[static_cast<std::size_t>(m)]; j < kPadded; ++j) {
        gamma[Unit(m, j)] = beta[Unit(m, j)] = 0;
        for (std::int64_t b = 0; b < batch; ++b) z[At(m, b, j)] = dh[At(m, b, j)] = 0;
      }
      // Uneven means, a unit far from zero, and one that is constant.
      for (std::int64_t b = 0; b < batch; ++b) {
        z[At(m, b, 1)] += 50;
        z[At(m, b, 2)] = 3;
      }
    }
    mean.resize(gamma.size());
    inv.resize(gamma.size());
    gamma_gradient.resize(gamma.size());
    beta_gradient.resize(gamma.size());
    h.resize(z.size());
  }
  static std::size_t Unit(std::int64_t m, std::int64_t j) {
    return static_cast<std::size_t>(m * kPadded + j);
  }
  std::size_t At(std::int64_t m, std::int64_t b, std::int64_t j) const {
    return static_cast<std::size_t>((m * shape.batch + b) * kPadded + j);
  }
  CohortLayer Options() const { return {kPadded, widths.data(), dropout.data(), seeds.data()}; }

  CohortShape shape;
  std::vector<std::int32_t> widths = {24, 5, 17, 3};
  std::vector<float> dropout = {0.0f, 0.5f, 0.1f, 0.25f};
  std::vector<std::uint32_t> seeds = {1, 0xFFFFFFF0U, 77, 123456789};
  CohortStep step = {.average_decay = 0.25f, .follow = 0.75f};
  std::vector<float> gamma, beta, mean, inv, z, h, dh, average_mean, average_var, gamma_gradient,
      beta_gradient;
};

// The same, forward and backward, by the card.
void RunOnCard(Layer *layer, const CardStream &stream) {
  const auto widths = OnCard(layer->widths, stream);
  const auto dropout = OnCard(layer->dropout, stream);
  const auto seeds = OnCard(layer->seeds, stream);
  const auto step = OnCard(std::vector<CohortStep>{layer->step}, stream);
  const auto gamma = OnCard(layer->gamma, stream), beta = OnCard(layer->beta, stream),
             z = OnCard(layer->z, stream), dh = OnCard(layer->dh, stream),
             average_mean = OnCard(layer->average_mean, stream),
             average_var = OnCard(layer->average_var, stream);
  const auto mean = Poisoned<float>(gamma.size(), stream),
             inv = Poisoned<float>(gamma.size(), stream),
             gamma_gradient = Poisoned<float>(gamma.size(), stream),
             beta_gradient = Poisoned<float>(gamma.size(), stream),
             h = Poisoned<float>(z.size(), stream);
  const CohortLayer options = {kPadded, widths.data(), dropout.data(), seeds.data()};
  const CohortNorm norm = {gamma.data(), beta.data(), mean.data(), inv.data()};
  CohortNormForwardCuda(layer->shape, options, norm, step.data(), z.data(), h.data(),
                        {average_mean.data(), average_var.data()}, stream.get());
  CohortNormBackwardCuda(layer->shape, options, norm, z.data(), dh.data(), gamma_gradient.data(),
                         beta_gradient.data(), stream.get());
  layer->mean = mean.Download(stream);
  layer->inv = inv.Download(stream);
  layer->z = z.Download(stream);
  layer->h = h.Download(stream);
  layer->dh = dh.Download(stream);
  layer->average_mean = average_mean.Download(stream);
  layer->average_var = average_var.Download(stream);
  layer->gamma_gradient = gamma_gradient.Download(stream);
  layer->beta_gradient = beta_gradient.Download(stream);
}

void RunOnCpu(Layer *layer) {
  const CohortNorm norm = {layer->gamma.data(), layer->beta.data(), layer->mean.data(),
                           layer->inv.data()};
  CohortNormForwardCpu(layer->shape, layer->Options(), norm, &layer->step, layer->z.data(),
                       layer->h.data(), {layer->average_mean.data(), layer->average_var.data()});
  CohortNormBackwardCpu(layer->shape, layer->Options(), norm, layer->z.data(), layer->dh.data(),
                        layer->gamma_gradient.data(), layer->beta_gradient.data());
}

// The CPU adds up one row after the other, which errs by some 1e-6 of a sum, the card by a tree.
// A unit of mean 50 and deviation 1 loses the last 6 of a float's 24 bits, and so does what is
// computed of it; a constant unit's inv (1 / sqrt(eps) = 316) magnifies the rest of its mean.
TEST(CohortNorm, EqualsTheCpu) {
  const CardStream stream;
  for (const std::int32_t batch : {2, 100, 128, 129, 300, 1'000, 2'048}) {
    Layer cpu(batch, 5), card(batch, 5);
    RunOnCpu(&cpu);
    RunOnCard(&card, stream);
    ExpectNear(card.mean, cpu.mean, 1e-6, 4e-6, "mean");
    ExpectNear(card.inv, cpu.inv, 0, 1e-4, "inv");
    ExpectNear(card.average_mean, cpu.average_mean, 1e-6, 4e-6, "average of means");
    ExpectNear(card.average_var, cpu.average_var, 1e-6, 1e-4, "average of variances");
    ExpectSameBits(card.z, cpu.z, "product");  // both leave it
    ExpectNear(card.h, cpu.h, 2e-4, 1e-4, "activation");
    ExpectNear(card.beta_gradient, cpu.beta_gradient, 1e-6 * batch, 1e-5, "gradient of beta");
    ExpectNear(card.gamma_gradient, cpu.gamma_gradient, 1e-4 * batch, 1e-4, "gradient of gamma");
    // Where the two straddle a rectifier's bend one of them passes a gradient: not in these rows.
    ExpectNear(card.dh, cpu.dh, 2e-3, 2e-3, "gradient of z");
    for (std::size_t i = 0; i < cpu.h.size(); ++i) {
      ASSERT_EQ(card.h[i] > 0, cpu.h[i] > 0) << "the dropped and inactive units, element " << i;
    }
  }
}

TEST(CohortNorm, PaddingStaysZeroAndRunsAreAlike) {
  const CardStream stream;
  Layer first(300, 9), second(300, 9);
  RunOnCard(&first, stream);
  RunOnCard(&second, stream);
  ExpectSameBits(first.h, second.h, "activation");
  ExpectSameBits(first.dh, second.dh, "gradient");
  ExpectSameBits(first.gamma_gradient, second.gamma_gradient, "gradient of gamma");
  for (std::int64_t m = 0; m < 4; ++m) {
    for (std::int64_t j = first.widths[static_cast<std::size_t>(m)]; j < kPadded; ++j) {
      EXPECT_EQ(first.mean[Layer::Unit(m, j)], 0.0f);
      EXPECT_EQ(first.gamma_gradient[Layer::Unit(m, j)], 0.0f);
      EXPECT_EQ(first.beta_gradient[Layer::Unit(m, j)], 0.0f);
      for (std::int64_t b = 0; b < 300; ++b) {
        ASSERT_EQ(first.z[first.At(m, b, j)], 0.0f);
        ASSERT_EQ(first.h[first.At(m, b, j)], 0.0f);
        ASSERT_EQ(first.dh[first.At(m, b, j)], 0.0f);
      }
    }
  }
}

// The share of dropped units is the dropout, whatever the member's padding.
TEST(CohortNorm, DropsItsShareOfTheActiveUnits) {
  const CardStream stream;
  Layer layer(2'048, 3);
  std::fill(layer.gamma.begin(), layer.gamma.end(), 0.0f);
  std::fill(layer.beta.begin(), layer.beta.end(), 1.0f);
  RunOnCard(&layer, stream);
  for (std::int64_t m = 0; m < 4; ++m) {
    const float dropout = layer.dropout[static_cast<std::size_t>(m)];
    const std::int64_t width = layer.widths[static_cast<std::size_t>(m)];
    double dropped = 0;
    for (std::int64_t b = 0; b < 2'048; ++b) {
      for (std::int64_t j = 0; j < width; ++j) {
        const float h = layer.h[layer.At(m, b, j)];
        if (h == 0) {
          ++dropped;
        } else {
          ASSERT_EQ(h, 1.0f / (1.0f - dropout));
        }
      }
    }
    const auto units = static_cast<double>(2'048 * width);
    EXPECT_NEAR(dropped / units, dropout, 4 / std::sqrt(units)) << "member " << m;
  }
}

TEST(CohortNorm, RefusesABatchThatNoBlockHolds) {
  const CardStream stream;
  Layer layer(2, 1);
  const CohortLayer options = layer.Options();
  EXPECT_THROW(
      CohortNormForwardCuda({4, 2'049}, options, {}, nullptr, nullptr, nullptr, {}, stream.get()),
      Error);
  EXPECT_THROW(
      CohortNormBackwardCuda({4, 1}, options, {}, nullptr, nullptr, nullptr, nullptr, stream.get()),
      Error);
}

}  // namespace
}  // namespace trails::kernels
