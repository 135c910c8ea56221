// What the emulated card promises to the kernels' tests; on a card, what CUDA does.
#include <gtest/gtest.h>

#include <vector>

#include "core/card/runtime.h"
#include "emulation_kernels.h"
#include "trails/error.h"

namespace trails {
namespace {

TEST(CardTest, BlockSumsMeetAtBarriersAndShuffle) {
  const CardStream stream;
  std::vector<float> numbers(1000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i % 7);
  const CardArray<float> from(1000), to(1);
  from.Upload(numbers, stream);
  SumCuda(from.data(), 1000, to.data(), stream.get());
  float expected = 0;
  for (const float number : numbers) expected += number;
  EXPECT_EQ(to.Download(stream)[0], expected);
}

TEST(CardTest, GraphIsReplayedWithTheDataOfTheMoment) {
  const CardStream stream;
  const CardArray<unsigned long long> counter(1);
  counter.Clear(stream);
  stream.Synchronize();
  const CardGraph graph(stream, [&] { CountCuda(100, counter.data(), stream.get()); });
  EXPECT_EQ(counter.Download(stream)[0], 0ULL);  // captured, not run
  graph.Launch(stream);
  graph.Launch(stream);
  EXPECT_EQ(counter.Download(stream)[0], 200ULL);
}

TEST(CardTest, AnAllocationThatIsTooLargeSaysHowMuchWasAskedFor) {
  try {
    const CardArray<double> array(std::int64_t{1} << 40);
    FAIL() << "8 TB were allocated";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kOutOfMemory);
    EXPECT_NE(error.detail().find("8796093022208 bytes"), std::string::npos) << error.detail();
  }
}

TEST(CardTest, ALaunchThatACardRefusesIsAnError) {
  const CardStream stream;
  const CardArray<unsigned long long> counter(1);
  EXPECT_THROW(CountCuda(0, counter.data(), stream.get()), Error);
}

}  // namespace
}  // namespace trails
