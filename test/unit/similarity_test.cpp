// MinHash and its index against exact Jaccard similarities.
#include "core/intermediates/similarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "chunk_elements.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

// Two sets of 2-byte elements, `shared` of which are in both and `own` in one of them each.
struct Pair {
  std::string a;
  std::string b;
  double similarity;
};

Pair MakePair(std::int64_t shared, std::int64_t own, std::uint64_t seed) {
  std::vector<std::uint16_t> numbers(std::size_t{1} << 16);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint16_t>(i);
  RandomStream stream(seed);
  stream.Shuffle(numbers.data(), static_cast<std::int64_t>(numbers.size()));
  const auto part = [&](std::int64_t first, std::int64_t count) {
    return ElementsOf(
        std::vector<std::uint16_t>(numbers.begin() + first, numbers.begin() + first + count));
  };
  const std::string both = part(0, shared);
  return {both + part(shared, own), part(shared + own, own) + both,
          static_cast<double>(shared) / static_cast<double>(shared + 2 * own)};
}

double Estimate(const std::string &a, const std::string &b, std::int32_t width) {
  return EstimatedSimilarity(SignatureOf(a, width), SignatureOf(b, width));
}

// Over 400 pairs the mean of the estimates has deviation sqrt(J (1 - J) / 32 / 400), 0.0044 at
// most: 0.02 is missed by chance in less than 1 of 10^5 seeds. The variance, of 400 estimates that
// are nearly normal, has a relative deviation of 0.07: 1.35 times is 5 of them.
TEST(Similarity, EstimatesAreUnbiasedAndSpreadAsMinHashes) {
  constexpr int kPairs = 400;
  for (const auto &[shared, own] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {100, 450}, {200, 200}, {400, 200}, {600, 100}, {900, 50}}) {
    double sum = 0;
    double squares = 0;
    double similarity = 0;
    for (int i = 0; i < kPairs; ++i) {
      const Pair pair = MakePair(shared, own, static_cast<std::uint64_t>(i));
      similarity = pair.similarity;
      const double estimate = Estimate(pair.a, pair.b, 2);
      sum += estimate;
      squares += (estimate - similarity) * (estimate - similarity);
    }
    EXPECT_NEAR(sum / kPairs, similarity, 0.02) << shared << " shared";
    const double expected = similarity * (1 - similarity) / kSignatureHashes;
    EXPECT_LT(squares / kPairs, 1.35 * expected) << shared << " shared";
    EXPECT_GT(squares / kPairs, expected / 1.35) << shared << " shared";
  }
}

TEST(Similarity, ASetIsWhatCounts) {
  const std::string elements = RandomElements(500, 4, 1);
  EXPECT_EQ(Estimate(elements, elements, 4), 1.0);
  // Another order, and elements more than once.
  const std::string turned = elements.substr(1'000) + elements.substr(0, 1'000) + elements;
  EXPECT_EQ(Estimate(elements, turned, 4), 1.0);
  EXPECT_LE(Estimate(RandomElements(500, 2, 2), RandomElements(500, 2, 3), 2), 0.125);
}

TEST(Similarity, NumbersAreDiscretisedToTheirLeadingBits) {
  RandomStream stream(4);
  std::vector<float> floats(1'000);
  for (float &value : floats) value = static_cast<float>(stream.Normal());
  // The lower half of a number's bits does not count.
  const auto nudged = [](const std::string &elements, std::int32_t width) {
    std::string changed = elements;
    for (std::size_t at = 0; at < changed.size(); at += static_cast<std::size_t>(width)) {
      for (std::int32_t i = 0; i < width / 2; ++i)
        changed[at + static_cast<std::size_t>(i)] ^= '\x5A';
    }
    return changed;
  };
  const std::string singles = ElementsOf(floats);
  EXPECT_EQ(Estimate(singles, nudged(singles, 4), 4), 1.0);
  const std::string doubles = ElementsOf(std::vector<double>(floats.begin(), floats.end()));
  EXPECT_EQ(Estimate(doubles, nudged(doubles, 8), 8), 1.0);
  // Of shorter elements every bit does.
  const std::string shorts = ElementsOf(std::vector<std::uint16_t>{1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_LT(Estimate(shorts, nudged(shorts, 2), 2), 0.5);
  // And of long ones the upper half.
  std::string other = singles;
  for (std::size_t at = 3; at < other.size(); at += 4) other[at] ^= '\x33';
  EXPECT_LT(Estimate(singles, other, 4), 0.5);
}

TEST(Similarity, OtherWidthsAreNeverAlike) {
  for (const std::int32_t a : {1, 2, 4, 8}) {
    for (const std::int32_t b : {1, 2, 4, 8}) {
      const double expected = a == b ? 1.0 : 0.0;
      const std::string zeros(800, '\0');
      EXPECT_EQ(EstimatedSimilarity(SignatureOf(zeros, a), SignatureOf(zeros, b)), expected);
      EXPECT_EQ(EstimatedSimilarity(SignatureOf("", a), SignatureOf("", b)), expected);
      EXPECT_EQ(EstimatedSimilarity(SignatureOf("", a), SignatureOf(zeros, b)), 0.0);
    }
  }
  for (const std::int32_t width : {-1, 0, 3, 16}) {
    EXPECT_THROW(SignatureOf("", width), Error) << width;
  }
  EXPECT_THROW(SignatureOf("123", 2), Error);
}

// Indexes are of one process, but a signature must not depend on the CPU it was made on.
TEST(Similarity, SignaturesAreTheSameInEveryBuild) {
  const Signature signature = SignatureOf(RandomElements(1'000, 8, 5), 8);
  std::uint64_t mixed = 0;
  for (const std::uint32_t hash : signature) mixed = mixed * 0x9E3779B97F4A7C15ULL + hash;
  EXPECT_EQ(mixed, 10'883'363'052'494'153'056U);
}

// J = 0.905: a pair shares no band in (1 - 0.905^4)^8 = 1 of 10^4 cases, and is estimated below
// 0.5 in fewer.
TEST(SimilarityIndex, FindsTheAlikeAndNotTheUnlike) {
  SimilarityIndex index;
  std::vector<std::string> queries;
  for (std::int64_t i = 0; i < 200; ++i) {
    const Pair pair = MakePair(950, 50, static_cast<std::uint64_t>(i));
    index.Add(1'000 + i, SignatureOf(pair.a, 2));
    queries.push_back(pair.b);
  }
  EXPECT_EQ(index.size(), 200);
  int found = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto most = index.MostAlike(SignatureOf(queries[i], 2));
    if (most.has_value() && *most == 1'000 + static_cast<std::int64_t>(i)) ++found;
  }
  EXPECT_GE(found, 198);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    EXPECT_EQ(index.MostAlike(SignatureOf(RandomElements(1'000, 4, seed), 4)), std::nullopt);
    EXPECT_EQ(index.MostAlike(SignatureOf(DrawnElements(1'000, 2, 1'000, seed), 2)), std::nullopt);
  }
}

TEST(SimilarityIndex, TakesTheMostAlikeAndOfEqualsTheFirst) {
  const std::string elements = RandomElements(1'000, 2, 6);
  std::string near = elements;
  for (std::size_t at = 0; at < 200; ++at) near[at] ^= '\x11';
  SimilarityIndex index;
  EXPECT_EQ(index.MostAlike(SignatureOf(elements, 2)), std::nullopt);
  index.Add(5, SignatureOf(near, 2));
  EXPECT_EQ(index.MostAlike(SignatureOf(elements, 2)), 5);
  index.Add(9, SignatureOf(elements, 2));
  index.Add(3, SignatureOf(elements, 2));
  EXPECT_EQ(index.MostAlike(SignatureOf(elements, 2)), 9);
}

TEST(SimilarityIndex, ALittleLikenessIsNotEnough) {
  // The first band is shared by all.
  Signature known{};
  for (std::size_t h = 0; h < known.size(); ++h) known[h] = static_cast<std::uint32_t>(100 + h);
  SimilarityIndex index;
  index.Add(1, known);
  for (std::size_t equal = 4; equal <= known.size(); ++equal) {
    Signature query = known;
    for (std::size_t h = equal; h < query.size(); ++h) query[h] += 1'000;
    EXPECT_EQ(EstimatedSimilarity(known, query), static_cast<double>(equal) / kSignatureHashes);
    EXPECT_EQ(index.MostAlike(query).has_value(), equal >= 16) << equal;
  }
  // No band in common: not found, however many hashes agree.
  Signature query = known;
  for (std::size_t h = 0; h < query.size(); h += 4) query[h] += 1'000;
  EXPECT_EQ(EstimatedSimilarity(known, query), 0.75);
  EXPECT_EQ(index.MostAlike(query), std::nullopt);
}

TEST(SimilarityIndex, ABandKeepsItsFirstChunks) {
  Signature query{};
  for (std::size_t h = 0; h < query.size(); ++h) query[h] = static_cast<std::uint32_t>(100 + h);
  // Both share the first four bands with the query and no other; the second is nearer.
  Signature farther = query;
  for (std::size_t h = 16; h < farther.size(); ++h) farther[h] += 1'000;
  Signature nearer = query;
  for (std::size_t h = 16; h < nearer.size(); h += 4) nearer[h] += 2'000;
  SimilarityIndex index;
  for (std::size_t i = 1; i < SimilarityIndex::kBandChunks; ++i) {
    index.Add(static_cast<std::int64_t>(i), farther);
  }
  EXPECT_EQ(index.MostAlike(query), 1);
  SimilarityIndex full = index;
  index.Add(100, nearer);
  EXPECT_EQ(index.MostAlike(query), 100);
  full.Add(99, farther);
  full.Add(100, nearer);
  EXPECT_EQ(full.MostAlike(query), 1);
}

TEST(SimilarityIndex, ManyEqualChunksAreFoundByTheirFirst) {
  const Signature zeros = SignatureOf(std::string(8'000, '\0'), 8);
  SimilarityIndex index;
  for (std::int64_t chunk = 0; chunk < 10'000; ++chunk) index.Add(chunk, zeros);
  EXPECT_EQ(index.size(), 10'000);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(index.MostAlike(zeros), 0);
}

}  // namespace
}  // namespace trails
