// The kernels of a cohort's step that pass over memory, at the size of 100 members of
// 96-112-96-112.
//
// May touch: src/core/card/runtime.h, src/kernels.
#include <memory>

#include "kernel_case.h"
#include "kernels/cohort_adamw.h"
#include "kernels/cohort_norm.h"
#include "kernels/cohort_pack.h"
#include "measured.h"

namespace trails::bench {

namespace {

struct Sizes {
  std::int32_t members;
  std::int32_t batch;
  std::int32_t width;
  std::int64_t parameters;  // of one member
};

kernels::CohortStep SomeStep() {
  return {.steps = 10,
          .position = 1,
          .learning_rate = 2e-3f,
          .decay = 1,
          .average_decay = 0.9f,
          .rate = 3e-3f,
          .spread = 10,
          .shrink = 0.998f,
          .follow = 0.1f};
}

template <typename T>
CardArray<T> Uploaded(const std::vector<T> &numbers, const CardStream &stream) {
  CardArray<T> array(static_cast<std::int64_t>(numbers.size()));
  array.Upload(numbers, stream);
  return array;
}

KernelCase AdamW(const Sizes &sizes, const CardStream &stream) {
  struct Arrays {
    CardArray<float> values, gradients, first, second, averages;
    CardArray<kernels::CohortStep> step;
  };
  const std::int64_t count = sizes.members * sizes.parameters;
  auto arrays = std::make_shared<Arrays>();
  arrays->values = RandomNumbers(count, 1, stream);
  arrays->gradients = RandomNumbers(count, 2, stream);
  arrays->first = RandomNumbers(count, 3, stream);
  arrays->second = RandomNumbers(count, 4, stream);
  arrays->averages = RandomNumbers(count, 5, stream);
  arrays->step = Uploaded<kernels::CohortStep>({SomeStep()}, stream);
  stream.Synchronize();
  return {.name = "cohort_adamw",
          .shape = std::to_string(count) + " numbers",
          .bytes = 36.0 * static_cast<double>(count),
          .multiply_adds = 0,
          .run = [arrays, count](const CardStream &on) {
            CohortAdamWCuda({.values = arrays->values.data(),
                             .gradients = arrays->gradients.data(),
                             .first_moments = arrays->first.data(),
                             .second_moments = arrays->second.data(),
                             .averages = arrays->averages.data()},
                            count, count / 8 * 4, arrays->step.data(), on.get());
          }};
}

// Forward and backward over the same arrays.
struct NormArrays {
  kernels::CohortShape shape;
  kernels::CohortLayer layer;
  CardArray<float> z, h, gamma, beta, mean, inv, average_mean, average_var, dropout;
  CardArray<float> gamma_gradient, beta_gradient;
  CardArray<std::int32_t> widths;
  CardArray<std::uint32_t> seeds;
  CardArray<kernels::CohortStep> step;

  kernels::CohortNorm norm() const {
    return {.gamma = gamma.data(), .beta = beta.data(), .mean = mean.data(), .inv = inv.data()};
  }
};

std::shared_ptr<NormArrays> MakeNorm(const Sizes &sizes, const CardStream &stream) {
  auto arrays = std::make_shared<NormArrays>();
  const auto members = static_cast<std::size_t>(sizes.members);
  const std::int64_t units = std::int64_t{sizes.members} * sizes.width;
  arrays->z = RandomNumbers(units * sizes.batch, 6, stream);
  arrays->h = RandomNumbers(units * sizes.batch, 7, stream);
  CardArray<float> *const vectors[] = {
      &arrays->gamma,        &arrays->beta,           &arrays->mean,          &arrays->inv,
      &arrays->average_mean, &arrays->gamma_gradient, &arrays->beta_gradient, &arrays->average_var};
  std::uint64_t seed = 8;
  for (CardArray<float> *vector : vectors) *vector = RandomNumbers(units, seed++, stream);
  arrays->widths = Uploaded(std::vector(members, sizes.width), stream);
  arrays->dropout = Uploaded(std::vector(members, 0.2f), stream);
  arrays->seeds = Uploaded(std::vector(members, 12'345U), stream);
  arrays->step = Uploaded<kernels::CohortStep>({SomeStep()}, stream);
  stream.Synchronize();
  arrays->shape = {.members = sizes.members, .batch = sizes.batch};
  arrays->layer = {.padded = sizes.width,
                   .widths = arrays->widths.data(),
                   .dropout = arrays->dropout.data(),
                   .dropout_seeds = arrays->seeds.data()};
  return arrays;
}

std::vector<KernelCase> Norm(const Sizes &sizes, const CardStream &stream) {
  const auto arrays = MakeNorm(sizes, stream);
  const auto numbers = static_cast<double>(arrays->z.size());
  const std::string shape = std::to_string(sizes.members) + " x " + std::to_string(sizes.batch) +
                            " x " + std::to_string(sizes.width);
  return {{.name = "cohort_norm forward",
           .shape = shape,
           .bytes = 8 * numbers,
           .multiply_adds = 0,
           .run =
               [arrays](const CardStream &on) {
                 CohortNormForwardCuda(arrays->shape, arrays->layer, arrays->norm(),
                                       arrays->step.data(), arrays->z.data(), arrays->h.data(),
                                       {arrays->average_mean.data(), arrays->average_var.data()},
                                       on.get());
               }},
          {.name = "cohort_norm backward",
           .shape = shape,
           .bytes = 12 * numbers,
           .multiply_adds = 0,
           .run = [arrays](const CardStream &on) {
             CohortNormBackwardCuda(arrays->shape, arrays->layer, arrays->norm(), arrays->z.data(),
                                    arrays->h.data(), arrays->gamma_gradient.data(),
                                    arrays->beta_gradient.data(), on.get());
           }}};
}

// One weight matrix of each member, from its own width to the padded one.
KernelCase Pack(const Sizes &sizes, const CardStream &stream) {
  struct Arrays {
    CardArray<float> from, to;
    CardArray<kernels::BlockCopy> copies;
  };
  const std::int64_t true_width = sizes.width - 3;
  const std::int64_t each = true_width * true_width;
  const std::int64_t padded = std::int64_t{sizes.width} * sizes.width;
  auto arrays = std::make_shared<Arrays>();
  arrays->from = RandomNumbers(sizes.members * each, 9, stream);
  arrays->to = RandomNumbers(sizes.members * padded, 10, stream);
  std::vector<kernels::BlockCopy> copies;
  for (std::int64_t m = 0; m < sizes.members; ++m) {
    AppendBlockCopies({.from = arrays->from.data() + m * each,
                       .to = arrays->to.data() + m * padded,
                       .rows = true_width,
                       .columns = true_width,
                       .from_stride = true_width,
                       .to_stride = sizes.width},
                      &copies);
  }
  arrays->copies = Uploaded(copies, stream);
  stream.Synchronize();
  const auto count = static_cast<std::int64_t>(copies.size());
  return {.name = "cohort_pack",
          .shape = std::to_string(sizes.members) + " of " + std::to_string(true_width) + " squared",
          .bytes = 8.0 * static_cast<double>(sizes.members * each),
          .multiply_adds = 0,
          .run = [arrays, count](const CardStream &on) {
            CohortPackCuda(arrays->copies.data(), count, on.get());
          }};
}

}  // namespace

std::vector<KernelCase> CohortKernelCases(bool tiny) {
  const Sizes sizes =
      tiny ? Sizes{.members = 2, .batch = 16, .width = 8, .parameters = 1'024}
           : Sizes{.members = 100, .batch = 1024, .width = 112, .parameters = 240'000};
  const CardStream stream;
  std::vector<KernelCase> cases = Norm(sizes, stream);
  cases.push_back(AdamW(sizes, stream));
  cases.push_back(Pack(sizes, stream));
  return cases;
}

}  // namespace trails::bench
