// Vectors of the tests on the card and back.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/card/runtime.h"
#include "core/random.h"

namespace trails {

template <typename T>
CardArray<T> OnCard(const std::vector<T> &from, const CardStream &stream) {
  CardArray<T> array(static_cast<std::int64_t>(from.size()));
  if (!from.empty()) array.Upload(from, stream);
  stream.Synchronize();
  return array;
}

// `count` bytes of a pattern that is no useful number, for what a kernel must overwrite.
template <typename T>
CardArray<T> Poisoned(std::int64_t count, const CardStream &stream) {
  CardArray<T> array(count);
  CheckCuda(
      cudaMemsetAsync(array.data(), 0xCB, static_cast<std::size_t>(array.bytes()), stream.get()),
      "poison memory of the card");
  return array;
}

inline std::vector<float> RandomFloats(std::int64_t count, double size, RandomStream *random) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random->Symmetric(size);
  return numbers;
}

template <typename T>
void ExpectSameBits(const std::vector<T> &got, const std::vector<T> &expected, const char *what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::memcmp(&got[i], &expected[i], sizeof(T)), 0)
        << what << " " << i << ": " << got[i] << " instead of " << expected[i];
  }
}

// |got - expected| <= absolute + relative |expected|, element by element; NaN is never near.
template <typename T>
void ExpectNear(const std::vector<T> &got, const std::vector<T> &expected, double absolute,
                double relative, const char *what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = absolute + relative * std::fabs(static_cast<double>(expected[i]));
    ASSERT_LE(std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i])), bound)
        << what << " " << i << ": " << got[i] << " instead of " << expected[i];
  }
}

}  // namespace trails
