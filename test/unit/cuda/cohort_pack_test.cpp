// Small matrices moved from place to place: the kernel against its twin.
#include "kernels/cohort_pack.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/card/runtime.h"
#include "core/random.h"

namespace trails {
namespace {

std::vector<float> RandomNumbers(std::int64_t count) {
  RandomStream random(3);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random.Symmetric(1);
  return numbers;
}

TEST(CohortPack, CutsCoverEachNumberOnce) {
  std::vector<float> from(200'000), to(from.size());
  for (const auto &[rows, columns] :
       {std::pair<std::int64_t, std::int64_t>{1, 200'000}, {200'000, 1}, {400, 500}, {3, 65'537}}) {
    std::vector<kernels::BlockCopy> copies;
    kernels::AppendBlockCopies({from.data(), to.data(), rows, columns, columns, columns}, &copies);
    std::vector<int> written(from.size());
    for (const kernels::BlockCopy &copy : copies) {
      ASSERT_LE(copy.rows * copy.columns, kernels::kMostCopied);
      ASSERT_EQ(copy.from - from.data(), copy.to - to.data());
      for (std::int64_t r = 0; r < copy.rows; ++r) {
        for (std::int64_t c = 0; c < copy.columns; ++c) {
          ++written[static_cast<std::size_t>(copy.to - to.data() + r * copy.to_stride + c)];
        }
      }
    }
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      ASSERT_EQ(written[static_cast<std::size_t>(i)], 1) << rows << " x " << columns << ", " << i;
    }
  }
  std::vector<kernels::BlockCopy> none;
  kernels::AppendBlockCopies({from.data(), to.data(), 5, 0, 0, 0}, &none);
  kernels::AppendBlockCopies({from.data(), to.data(), 0, 5, 5, 5}, &none);
  EXPECT_TRUE(none.empty());
}

TEST(CohortPack, KernelIsItsTwin) {
  constexpr std::int64_t kNumbers = 150'000;
  const std::vector<float> numbers = RandomNumbers(kNumbers);
  const CardStream stream;
  const CardArray<float> from(kNumbers), to(kNumbers);
  from.Upload(numbers, stream);
  to.Clear(stream);
  // A matrix that is padded on its way, one that loses its padding, a long row, a single number.
  const std::vector<kernels::BlockCopy> matrices = {
      {numbers.data(), nullptr, 37, 21, 21, 24},
      {numbers.data() + 5'000, nullptr, 90, 16, 40, 16},
      {numbers.data() + 10'000, nullptr, 1, 120'000, 120'000, 120'000},
      {numbers.data() + 9, nullptr, 1, 1, 1, 1}};
  std::vector<float> expected(kNumbers);
  std::vector<kernels::BlockCopy> on_host, on_card;
  std::int64_t at = 1;
  for (kernels::BlockCopy copy : matrices) {
    const std::int64_t offset = copy.from - numbers.data();
    copy.to = expected.data() + at;
    kernels::AppendBlockCopies(copy, &on_host);
    copy.from = from.data() + offset;
    copy.to = to.data() + at;
    kernels::AppendBlockCopies(copy, &on_card);
    at += copy.rows * copy.to_stride + 3;
  }
  kernels::CohortPackCpu(on_host.data(), std::ssize(on_host));
  const CardArray<kernels::BlockCopy> list(std::ssize(on_card));
  list.Upload(on_card, stream);
  kernels::CohortPackCuda(list.data(), list.size(), stream.get());
  EXPECT_EQ(to.Download(stream), expected);
  kernels::CohortPackCuda(list.data(), 0, stream.get());  // nothing to do is no launch
}

}  // namespace
}  // namespace trails
