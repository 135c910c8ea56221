#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/filtering/weight_bank.h"
#include "core/random.h"
#include "forced_targets.h"
#include "gradient_reference.h"
#include "kernels/backward_product.h"
#include "kernels/block_norm.h"
#include "kernels/pair_gram.h"
#include "kernels/weight_gradient.h"

namespace trails::kernels {
namespace {

using test::Dual;

constexpr std::size_t kB = kBlock;
constexpr float kUntouched = 77.0f;

AlignedFloats RandomFloats(std::size_t count, RandomStream *random) {
  AlignedFloats floats(count);
  for (std::size_t i = 0; i < count; ++i) floats.data()[i] = random->Symmetric(1);
  return floats;
}

AlignedFloats Filled(std::size_t count) {
  AlignedFloats floats(count);
  std::fill(floats.data(), floats.data() + count, kUntouched);
  return floats;
}

// Unit u of sample b.
std::size_t Place(std::size_t u, std::size_t b, std::size_t batch) {
  return (u / kB * batch + b) * kB + u % kB;
}

// A layer's sizes; padding rows of the gradients hold numbers that nobody may read as rows.
struct Shape {
  std::vector<std::int32_t> units;  // of each row block
  std::int32_t column_blocks;
  std::int32_t batch;

  RowBlocks rows() const { return {units.data(), static_cast<std::int32_t>(units.size())}; }
  std::size_t slots() const { return units.size() * kB; }
  std::size_t panel_rows() const { return slots() + kB; }  // the bank's widest has more
  std::size_t columns() const { return static_cast<std::size_t>(column_blocks) * kB; }
  std::size_t samples() const { return static_cast<std::size_t>(batch); }
  bool IsRow(std::size_t slot) const {
    return slot % kB < static_cast<std::size_t>(units[slot / kB]);
  }
};

std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  for (std::int32_t batch = 1; batch <= kMaxBatch; ++batch) shapes.push_back({{16, 5}, 3, batch});
  for (std::int32_t columns = 1; columns <= 8; ++columns) {
    shapes.push_back({{1, 8, 16, 9}, columns, 32});
  }
  return shapes;
}

void CheckBackwardProduct(const Shape &shape) {
  RandomStream random(static_cast<std::uint64_t>(shape.batch));
  const AlignedFloats panel = RandomFloats(shape.panel_rows() * shape.columns(), &random);
  const AlignedFloats g = RandomFloats(shape.slots() * shape.samples(), &random);
  const std::size_t values = shape.columns() * shape.samples();
  AlignedFloats y = Filled(values + kB);
  BackwardProduct(panel.data(), static_cast<std::int64_t>(shape.panel_rows()), g.data(),
                  shape.rows(), shape.batch, shape.column_blocks, y.data());
  for (std::size_t k = 0; k < shape.columns(); ++k) {
    for (std::size_t b = 0; b < shape.samples(); ++b) {
      double sum = 0;
      for (std::size_t r = 0; r < shape.slots(); ++r) {
        if (!shape.IsRow(r)) continue;
        sum += double{panel.data()[(k / kB * shape.panel_rows() + r) * kB + k % kB]} *
               double{g.data()[Place(r, b, shape.samples())]};
      }
      ASSERT_NEAR(y.data()[Place(k, b, shape.samples())], sum, 1e-5)
          << "column " << k << ", sample " << b << " of " << shape.batch;
    }
  }
  for (std::size_t i = values; i < values + kB; ++i) ASSERT_EQ(y.data()[i], kUntouched);
}

TEST(BackwardProduct, EqualsNaiveSumsOnEveryTarget) {
  test::ForEachTarget([] {
    for (const Shape &shape : Shapes()) CheckBackwardProduct(shape);
  });
}

void CheckWeightGradient(const Shape &shape) {
  RandomStream random(static_cast<std::uint64_t>(shape.batch) + 100);
  const AlignedFloats panel = RandomFloats(shape.panel_rows() * shape.columns(), &random);
  AlignedFloats g = RandomFloats(shape.slots() * shape.samples(), &random);
  const AlignedFloats h = RandomFloats(shape.columns() * shape.samples(), &random);
  double squares = 0, products = 0;
  for (std::size_t r = 0; r < shape.slots(); ++r) {
    for (std::size_t b = 0; b < shape.samples(); ++b) {
      if (!shape.IsRow(r)) g.data()[Place(r, b, shape.samples())] = 0;
    }
    for (std::size_t k = 0; k < shape.columns(); ++k) {
      double dw = 0;
      for (std::size_t b = 0; b < shape.samples(); ++b) {
        dw += double{g.data()[Place(r, b, shape.samples())]} *
              double{h.data()[Place(k, b, shape.samples())]};
      }
      squares += dw * dw;
      products +=
          std::abs(dw * double{panel.data()[(k / kB * shape.panel_rows() + r) * kB + k % kB]});
    }
  }
  const WeightGradientSums sums =
      WeightGradient(g.data(), shape.rows(), h.data(), shape.column_blocks, shape.batch,
                     panel.data(), static_cast<std::int64_t>(shape.panel_rows()));
  ASSERT_NEAR(sums.squares, squares, 1e-6 * squares) << "batch " << shape.batch;
  ASSERT_NEAR(sums.products, products, 1e-6 * products) << "batch " << shape.batch;
}

TEST(WeightGradient, EqualsNaiveSumsOnEveryTarget) {
  test::ForEachTarget([] {
    for (const Shape &shape : Shapes()) CheckWeightGradient(shape);
  });
}

// Both Gram matrices at two stops, entry by entry, and that absent samples are zero.
void CheckGrams(std::int32_t batch) {
  RandomStream random(static_cast<std::uint64_t>(batch) + 200);
  const std::int32_t blocks[] = {2, 5};
  const Stops stops{blocks, 2};
  const auto samples = static_cast<std::size_t>(batch);
  const AlignedFloats x = RandomFloats(5 * kB * samples, &random);
  const AlignedFloats y = RandomFloats(5 * kB * samples, &random);
  const std::size_t floats = PairFloats(batch);
  AlignedFloats gram = Filled(2 * floats), cross = Filled(2 * floats);
  Gram(x.data(), stops, batch, gram.data());
  CrossGram(x.data(), y.data(), stops, batch, cross.data());
  double dot = 0;
  for (std::size_t s = 0; s < 2; ++s) {
    std::size_t zeros = floats;
    for (std::size_t i = 0; i < samples; ++i) {
      for (std::size_t j = 0; j < samples; ++j) {
        double of_x = 0, of_both = 0;
        for (std::size_t u = 0; u < static_cast<std::size_t>(blocks[s]) * kB; ++u) {
          const double xi = x.data()[Place(u, i, samples)], xj = x.data()[Place(u, j, samples)];
          const double yi = y.data()[Place(u, i, samples)], yj = y.data()[Place(u, j, samples)];
          of_x += xi * xj;
          of_both += (xi * yj + xj * yi) / 2;
        }
        if (s == 1) dot += of_x * of_both;
        const bool in_diagonal_tile = i / kPairTile == j / kPairTile;
        if (j > i && !in_diagonal_tile) continue;
        --zeros;
        const std::size_t at =
            s * floats + PairIndex(static_cast<std::int32_t>(i), static_cast<std::int32_t>(j));
        ASSERT_NEAR(gram.data()[at], of_x, 3e-5) << i << ", " << j << " of " << batch;
        ASSERT_NEAR(cross.data()[at], of_both, 3e-5) << i << ", " << j << " of " << batch;
      }
    }
    const float *const at = gram.data() + s * floats;
    ASSERT_EQ(static_cast<std::size_t>(std::count(at, at + floats, 0.0f)), zeros);
  }
  const double scale = static_cast<double>(samples * samples);
  ASSERT_NEAR(PairDot(gram.data() + floats, cross.data() + floats, batch), dot, 1e-4 * scale);
}

TEST(PairGram, EqualsNaiveSumsForEveryBatchOnEveryTarget) {
  test::ForEachTarget([] {
    for (std::int32_t batch = 1; batch <= kMaxBatch; ++batch) CheckGrams(batch);
  });
}

TEST(PairGram, PlacesNoTwoPairsAtTheSameFloat) {
  std::vector<std::int32_t> taken(PairFloats(10));
  for (std::int32_t i = 0; i < 10; ++i) {
    for (std::int32_t j = 0; j <= i; ++j) ++taken.at(PairIndex(i, j));
  }
  EXPECT_EQ(std::count(taken.begin(), taken.end(), 1), 55);
  EXPECT_EQ(PairFloats(32) % 16, 0U);
}

// Two blocks of a layer in memory of their own.
struct Layer {
  explicit Layer(std::size_t batch)
      : normed(2 * kB * batch),
        hidden(2 * kB * batch),
        inv(2 * kB),
        level(2 * kB),
        tangent(2 * kB * batch),
        pushed(2 * kB * batch),
        tangent_mean(2 * kB) {}
  BlockNorm view() {
    return {normed.data(),  hidden.data(), inv.data(),         level.data(),
            tangent.data(), pushed.data(), tangent_mean.data()};
  }
  AlignedFloats normed, hidden, inv, level, tangent, pushed, tangent_mean;
};

// One unit by definition, with the slopes of the tangent.
struct Unit {
  std::vector<Dual> normed;
  Dual inv, mean;

  Unit(const std::vector<Dual> &z) : normed(z.size()) {
    const Dual rows(static_cast<double>(z.size()));
    Dual variance;
    for (const Dual &value : z) mean = mean + value / rows;
    for (const Dual &value : z) variance = variance + (value - mean) * (value - mean) / rows;
    inv = Dual(1) / Sqrt(variance + Dual(1e-5));
    for (std::size_t b = 0; b < z.size(); ++b) normed[b] = (z[b] - mean) * inv;
  }
  // dL/dz for dL/dh; beta and gamma become the means.
  std::vector<Dual> Backward(std::vector<Dual> gy, Dual *beta, Dual *gamma) const {
    const Dual rows(static_cast<double>(gy.size()));
    for (std::size_t b = 0; b < gy.size(); ++b) {
      if (!(normed[b].value > 0)) gy[b] = Dual();
      *beta = *beta + gy[b] / rows;
      *gamma = *gamma + gy[b] * normed[b] / rows;
    }
    for (std::size_t b = 0; b < gy.size(); ++b) {
      gy[b] = inv * (gy[b] - *beta - normed[b] * *gamma);
    }
    return gy;
  }
};

struct NormCase {
  explicit NormCase(std::int32_t rows)
      : random(static_cast<std::uint64_t>(rows) + 300),
        batch(rows),
        samples(static_cast<std::size_t>(rows)),
        z(RandomFloats(2 * kB * samples, &random)),
        dz(RandomFloats(2 * kB * samples, &random)),
        y(RandomFloats(2 * kB * samples, &random)),
        dy(RandomFloats(2 * kB * samples, &random)),
        bias(RandomFloats(2 * kB, &random)),
        layer(samples) {
    for (std::int32_t block = 0; block < 2; ++block) {
      const std::size_t first = static_cast<std::size_t>(block) * samples * kB;
      const BlockNorm at = AtBlock(layer.view(), block, batch);
      NormForward(z.data() + first, kScale, bias.data() + static_cast<std::size_t>(block) * kB,
                  kBiasScale, batch, at);
      NormTangent(dz.data() + first, kScale, batch, at);
    }
  }
  std::vector<Dual> Column(const AlignedFloats &values, const AlignedFloats &slopes, double scale,
                           std::size_t unit) const {
    std::vector<Dual> column;
    for (std::size_t b = 0; b < samples; ++b) {
      const std::size_t at = Place(unit, b, samples);
      column.push_back({scale * double{values.data()[at]}, scale * double{slopes.data()[at]}});
    }
    return column;
  }
  Unit Expected(std::size_t unit) const { return Unit(Column(z, dz, kScale, unit)); }

  static constexpr float kScale = 0.5f;  // of the layer's weights
  static constexpr float kBiasScale = 0.25f;
  static constexpr float kUpperScale = 1.5f;  // of those of the layer above
  RandomStream random;
  std::int32_t batch;
  std::size_t samples;
  AlignedFloats z, dz, y, dy, bias;
  Layer layer;
};

void CheckNormForward(std::int32_t batch) {
  NormCase c(batch);
  for (std::size_t u = 0; u < 2 * kB; ++u) {
    const Unit unit = c.Expected(u);
    const double inv = unit.inv.value;
    const double tolerance = 2e-6 * std::max(1.0, inv * inv);
    ASSERT_NEAR(c.layer.inv.data()[u], inv, tolerance) << "unit " << u << " of batch " << batch;
    ASSERT_NEAR(c.layer.level.data()[u],
                unit.mean.value + double{NormCase::kBiasScale} * double{c.bias.data()[u]}, 1e-6);
    double q = 0;
    for (std::size_t b = 0; b < c.samples; ++b) {
      const std::size_t at = Place(u, b, c.samples);
      const Dual normed = unit.normed[b];
      const bool active = c.layer.normed.data()[at] > 0;
      q += double{NormCase::kScale} * double{c.dz.data()[at]} * normed.value / batch;
      ASSERT_NEAR(c.layer.normed.data()[at], normed.value, tolerance);
      ASSERT_NEAR(c.layer.hidden.data()[at], active ? normed.value : 0, tolerance);
      ASSERT_NEAR(c.layer.tangent.data()[at], normed.slope, tolerance);
      ASSERT_NEAR(c.layer.pushed.data()[at], active ? normed.value + normed.slope : 0, tolerance);
    }
    ASSERT_NEAR(c.layer.tangent_mean.data()[u], q, tolerance);
  }
}

TEST(BlockNorm, ForwardAndTangentEqualTheDefinitionOnEveryTarget) {
  test::ForEachTarget([] {
    for (std::int32_t batch = 1; batch <= kMaxBatch; ++batch) CheckNormForward(batch);
  });
}

TEST(BlockNorm, LeavesAUnitInactiveThatIsTheSameForAllSamples) {
  test::ForEachTarget([] {
    for (const std::int32_t batch : {1, 3, 7, 31}) {
      const auto samples = static_cast<std::size_t>(batch);
      AlignedFloats z(kB * samples), bias(kB);
      std::fill(z.data(), z.data() + z.size(), 0.1f);
      Layer layer(samples);
      NormForward(z.data(), 3.3f, bias.data(), 1.0f, batch, layer.view());
      for (std::size_t i = 0; i < z.size(); ++i) ASSERT_EQ(layer.normed.data()[i], 0.0f);
      ASSERT_FLOAT_EQ(layer.level.data()[0], 0.33f);
    }
  });
}

AlignedFloats CopyOf(const AlignedFloats &floats) {
  AlignedFloats copy(floats.size());
  std::copy_n(floats.data(), floats.size(), copy.data());
  return copy;
}

// What a unit adds to the sums of NormBackward.
void AddUnit(const NormCase &c, std::size_t u, const Unit &unit, const std::vector<Dual> &g,
             Dual beta, Dual gamma, NormSums *sums) {
  sums->gain += gamma.value * unit.inv.value * unit.inv.value;
  sums->gammas += gamma.value * gamma.value;
  sums->betas += beta.value * beta.value;
  const double bias = double{NormCase::kBiasScale} * double{c.bias.data()[u]};
  for (std::size_t b = 0; b < c.samples; ++b) {
    const double a = double{NormCase::kScale} * double{c.z.data()[Place(u, b, c.samples)]} + bias;
    sums->fisher += a * g[b].value * a * g[b].value;
  }
}

void ExpectSums(const NormSums &sums, const NormSums &expected, bool fisher) {
  EXPECT_NEAR(sums.gain, expected.gain, 1e-4 * std::max(1.0, std::abs(expected.gain)));
  EXPECT_NEAR(sums.gammas, expected.gammas, 1e-5 * std::max(1.0, expected.gammas));
  EXPECT_NEAR(sums.betas, expected.betas, 1e-5 * std::max(1.0, expected.betas));
  const double of_fisher = fisher ? expected.fisher : 0;
  EXPECT_NEAR(sums.fisher, of_fisher, 1e-5 * std::max(1.0, of_fisher));
}

void CheckNormBackward(std::int32_t batch) {
  NormCase c(batch);
  AlignedFloats normed_mean(2 * kB), tangent_mean(2 * kB), dg(c.y.size());
  AlignedFloats g = CopyOf(c.y), plain = CopyOf(c.y), product = CopyOf(c.dy);
  const NormBackwardMeans means{normed_mean.data(), tangent_mean.data()};
  const NormSums sums =
      NormBackward(c.layer.view(), NormCase::kUpperScale, 2, batch, true, means, g.data());
  const NormSums plain_sums = NormBackward(c.layer.view(), NormCase::kUpperScale, 2, batch, false,
                                           {nullptr, nullptr}, plain.data());
  NormBackwardTangent(c.layer.view(), NormCase::kUpperScale, 2, batch, means, g.data(),
                      product.data(), dg.data());
  NormSums expected;
  for (std::size_t u = 0; u < 2 * kB; ++u) {
    const Unit unit = c.Expected(u);
    Dual beta, gamma;
    const std::vector<Dual> of_unit =
        unit.Backward(c.Column(c.y, c.dy, double{NormCase::kUpperScale}, u), &beta, &gamma);
    AddUnit(c, u, unit, of_unit, beta, gamma, &expected);
    const double inv = std::max(1.0, unit.inv.value);
    for (std::size_t b = 0; b < c.samples; ++b) {
      const std::size_t at = Place(u, b, c.samples);
      const Dual value = of_unit[b];
      ASSERT_NEAR(g.data()[at], value.value, 3e-6 * inv * inv) << "batch " << batch;
      ASSERT_EQ(plain.data()[at], g.data()[at]);
      ASSERT_NEAR(dg.data()[at], value.slope, 1e-5 * inv * inv * inv) << "batch " << batch;
      ASSERT_NEAR(product.data()[at], g.data()[at] + dg.data()[at], 1e-6 * inv * inv);
    }
  }
  ExpectSums(sums, expected, true);
  ExpectSums(plain_sums, expected, false);
}

TEST(BlockNorm, BackwardAndItsTangentEqualTheDefinitionOnEveryTarget) {
  test::ForEachTarget([] {
    for (std::int32_t batch = 1; batch <= kMaxBatch; ++batch) CheckNormBackward(batch);
  });
}

}  // namespace
}  // namespace trails::kernels
