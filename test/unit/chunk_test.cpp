// Column chunks: which form is chosen, that every form gives back what went in, and that no bytes
// make the decoder do anything but refuse.
#include "core/intermediates/chunk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "chunk_elements.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int32_t kWidths[] = {1, 2, 4, 8};

std::string Decoded(const EncodedChunk &chunk, std::int32_t width, std::size_t element_bytes,
                    std::string_view base = {}) {
  std::string elements = "what was there before";
  DecodeChunk(chunk.encoding, chunk.bytes, width, element_bytes, base, &elements);
  return elements;
}

// Encodes and decodes; returns the form that was chosen.
EncodedChunk RoundTrip(const std::string &elements, std::int32_t width,
                       const std::string &base = {}) {
  EncodedChunk chunk = EncodeChunk(elements, width, base);
  EXPECT_EQ(Decoded(chunk, width, elements.size(), base), elements)
      << elements.size() << " bytes of width " << width;
  EXPECT_LE(chunk.bytes.size(), elements.size());
  return chunk;
}

// Decodes what must be refused as corrupt; returns the detail.
std::string ExpectCorrupt(ChunkEncoding encoding, std::string_view bytes, std::int32_t width,
                          std::size_t element_bytes, std::string_view base,
                          const std::string &what) {
  // A copy of its own, so that a read past the end is seen by the address sanitizer.
  const std::string stored(bytes);
  std::string elements;
  try {
    DecodeChunk(encoding, stored, width, element_bytes, base, &elements);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptData) << what;
    EXPECT_STREQ(error.what(), "stored chunk is corrupt");
    EXPECT_EQ(error.detail().back(), '.') << error.detail();
    return error.detail();
  }
  ADD_FAILURE() << what << ": decoded without an error";
  return "";
}

ErrorKind KindOfEncoding(const std::string &elements, std::int32_t width) {
  try {
    EncodeChunk(elements, width);
  } catch (const Error &error) {
    return error.kind();
  }
  ADD_FAILURE() << "encoded without an error";
  return ErrorKind::kBadData;
}

TEST(Chunk, EqualElementsAreConstant) {
  for (const std::int32_t width : kWidths) {
    for (const std::int64_t count : {1, 2, 3, 1'000}) {
      const std::string elements =
          ElementsBy(count, width, [](std::int64_t) { return 0x0807060504030201ULL; });
      const EncodedChunk chunk = RoundTrip(elements, width);
      EXPECT_EQ(chunk.encoding, ChunkEncoding::kConstant);
      EXPECT_EQ(chunk.bytes, elements.substr(0, static_cast<std::size_t>(width)));
    }
  }
  // Equal bytes, but of the elements only the last differs.
  std::string almost(4'000, '\0');
  almost.back() = '\1';
  EXPECT_NE(RoundTrip(almost, 4).encoding, ChunkEncoding::kConstant);
}

TEST(Chunk, NoElementsAreRaw) {
  for (const std::int32_t width : kWidths) {
    const EncodedChunk chunk = RoundTrip("", width);
    EXPECT_EQ(chunk.encoding, ChunkEncoding::kRaw);
    EXPECT_EQ(chunk.bytes, "");
  }
}

TEST(Chunk, RandomElementsAreRaw) {
  for (const std::int32_t width : kWidths) {
    for (const std::int64_t count : {2, 10, 1'000, 5'000}) {
      const std::string elements = RandomElements(count, width, 1);
      const EncodedChunk chunk = RoundTrip(elements, width);
      EXPECT_EQ(chunk.encoding, ChunkEncoding::kRaw) << count << " of " << width;
      EXPECT_EQ(chunk.bytes, elements);
    }
  }
}

TEST(Chunk, RepeatedRunsAreLz4) {
  for (const std::int32_t width : kWidths) {
    const std::string run = RandomElements(300, width, 2);
    const EncodedChunk chunk = RoundTrip(run + run + run + run, width);
    EXPECT_EQ(chunk.encoding, ChunkEncoding::kLz4);
    EXPECT_LT(chunk.bytes.size(), run.size() * 11 / 10);
  }
}

// LZ4 finds matches of 4 bytes and more: shuffled draws of few elements are the dictionary's case.
TEST(Chunk, FewDistinctElementsAreADictionary) {
  for (const std::int32_t width : {2, 4, 8}) {
    for (const std::int64_t distinct : {200, 256}) {
      const std::string elements = DrawnElements(4'000, width, distinct, 3);
      const EncodedChunk chunk = RoundTrip(elements, width);
      ASSERT_EQ(chunk.encoding, ChunkEncoding::kDictionary) << distinct << " of " << width;
      EXPECT_EQ(static_cast<std::uint8_t>(chunk.bytes[0]), distinct - 1);
      EXPECT_EQ(chunk.bytes.substr(1, static_cast<std::size_t>(width)),
                elements.substr(0, static_cast<std::size_t>(width)))
          << "in the order of first appearance";
      EXPECT_LE(chunk.bytes.size(), static_cast<std::size_t>(2 + distinct * width + 4'000));
    }
    EXPECT_NE(RoundTrip(DrawnElements(8'000, width, 257, 4), width).encoding,
              ChunkEncoding::kDictionary);
  }
}

// Sixteen numbers of 8 bytes, in an order that changes slowly: an index of them has long matches
// for LZ4, which the numbers themselves have too, but 8 bytes for each of them.
std::string SlowlyTurning(std::int64_t count) {
  RandomStream stream(5);
  std::vector<std::uint64_t> values(16);
  for (std::uint64_t &value : values) value = stream.Next();
  return ElementsBy(count, 8, [&](std::int64_t i) {
    return values[static_cast<std::size_t>((i * i + i / 7) % 16)];
  });
}

TEST(Chunk, ADictionarysIndexIsCompressedWhereThatIsShorter) {
  const std::string elements = SlowlyTurning(2'000);
  const EncodedChunk chunk = RoundTrip(elements, 8);
  ASSERT_EQ(chunk.encoding, ChunkEncoding::kDictionary);
  const std::size_t head = 2 + 8 * (static_cast<std::size_t>(chunk.bytes[0]) + 1);
  EXPECT_EQ(chunk.bytes[head - 1], 1);
  EXPECT_LT(chunk.bytes.size(), head + 2'000);

  const EncodedChunk shuffled = RoundTrip(DrawnElements(2'000, 8, 200, 6), 8);
  ASSERT_EQ(shuffled.encoding, ChunkEncoding::kDictionary);
  EXPECT_EQ(shuffled.bytes[2 + 8 * 200 - 1], 0);
}

TEST(Chunk, SimilarColumnsAreShorterWithABase) {
  for (const std::int32_t width : kWidths) {
    const std::string base = RandomElements(1'000, width, 7);
    std::string elements = base;
    for (std::size_t at = 0; at < elements.size(); at += 50) elements[at] ^= '\x55';
    const EncodedChunk alone = RoundTrip(elements, width);
    const EncodedChunk based = RoundTrip(elements, width, base);
    EXPECT_EQ(based.encoding, ChunkEncoding::kBased);
    EXPECT_LT(based.bytes.size(), alone.bytes.size() / 3);
  }
}

TEST(Chunk, ABaseThatDoesNotHelpIsNotUsed) {
  const std::string elements = RandomElements(1'000, 4, 8);
  EXPECT_EQ(RoundTrip(elements, 4, RandomElements(1'000, 4, 9)).encoding, ChunkEncoding::kRaw);
  const std::string constant(4'000, '\7');
  EXPECT_EQ(RoundTrip(constant, 4, constant).encoding, ChunkEncoding::kConstant);
}

TEST(Chunk, ABaseMayBeOfAnotherSizeOrTheSameBytes) {
  const std::string elements = RandomElements(2'000, 8, 10);
  EXPECT_EQ(RoundTrip(elements, 8, elements).encoding, ChunkEncoding::kBased);
  EXPECT_EQ(RoundTrip(elements, 8, elements.substr(0, 8'000)).encoding, ChunkEncoding::kBased);
  EXPECT_EQ(RoundTrip(elements, 8, elements.substr(0, 3)).encoding, ChunkEncoding::kRaw);
  // Of a base beyond 64 kB the last 64 kB count.
  const std::string large = RandomElements(20'000, 8, 11);
  EXPECT_EQ(RoundTrip(large.substr(large.size() - 40'000), 8, large).encoding,
            ChunkEncoding::kBased);
  EXPECT_EQ(RoundTrip(large.substr(0, 40'000), 8, large).encoding, ChunkEncoding::kRaw);
}

// Columns of every kind that the store sees, of every size.
TEST(Chunk, EverySizeComesBack) {
  std::set<ChunkEncoding> seen;
  for (const std::int32_t width : kWidths) {
    const std::string base = RandomElements(5'000, width, 12);
    const auto bytes = [&](std::int64_t count) { return static_cast<std::size_t>(count * width); };
    for (std::int64_t count = 1; count <= 5'000; count += 1 + count / 20) {
      const auto seed = static_cast<std::uint64_t>(count);
      seen.insert(RoundTrip(RandomElements(count, width, seed), width).encoding);
      seen.insert(
          RoundTrip(DrawnElements(count, width, 1 + count % (width == 1 ? 256 : 300), seed), width)
              .encoding);
      // Half of it zeros, as after ReLU.
      RandomStream stream(seed);
      const std::string sparse = ElementsBy(count, width, [&](std::int64_t) {
        const std::uint64_t value = stream.Next();
        return value % 2 == 0 ? 0 : value;
      });
      seen.insert(RoundTrip(sparse, width).encoding);
      std::string alike = base.substr(0, bytes(count));
      alike[alike.size() / 2] ^= '\1';
      seen.insert(RoundTrip(alike, width, base).encoding);
      std::string copy;
      DecodeChunk(ChunkEncoding::kReference, "", width, alike.size(), alike, &copy);
      EXPECT_EQ(copy, alike);
    }
  }
  EXPECT_EQ(seen.size(), 5U) << "a form that no column had was not tested";
}

TEST(Chunk, TheLargestChunkComesBackAndALargerOneIsRefused) {
  std::string elements(kLargestChunk, '\3');
  elements.back() = '\4';
  EXPECT_LT(RoundTrip(elements, 8).bytes.size(), kLargestChunk / 200);
  elements.append(8, '\5');
  EXPECT_EQ(KindOfEncoding(elements, 8), ErrorKind::kLimit);
}

TEST(Chunk, OtherWidthsAreRefused) {
  for (const std::int32_t width : {-1, 0, 3, 5, 16}) {
    EXPECT_EQ(KindOfEncoding(std::string(240, 'x'), width), ErrorKind::kInternal);
    ExpectCorrupt(ChunkEncoding::kRaw, std::string(240, 'x'), width, 240, {}, "width");
  }
  EXPECT_EQ(KindOfEncoding("12345", 4), ErrorKind::kInternal);
  ExpectCorrupt(ChunkEncoding::kRaw, "12345", 4, 5, {}, "no multiple");
}

// One chunk of each form that has bytes, with its elements and base.
struct Sample {
  EncodedChunk chunk;
  std::int32_t width;
  std::string elements;
  std::string base;
};

std::vector<Sample> Samples() {
  const std::string run = RandomElements(60, 4, 13);
  std::string alike = run;
  alike[100] ^= '\1';
  std::vector<Sample> samples;
  const auto add = [&](const std::string &elements, std::int32_t width, const std::string &base) {
    samples.push_back({EncodeChunk(elements, width, base), width, elements, base});
  };
  add(std::string(400, '\6'), 4, "");
  add(run, 4, "");
  add(run + run, 4, "");
  add(DrawnElements(200, 8, 100, 15), 8, "");
  add(SlowlyTurning(400), 8, "");
  add(alike, 4, run);
  return samples;
}

TEST(Chunk, SamplesAreOfEveryForm) {
  std::set<ChunkEncoding> encodings;
  std::set<char> index_forms;
  for (const Sample &sample : Samples()) {
    encodings.insert(sample.chunk.encoding);
    if (sample.chunk.encoding != ChunkEncoding::kDictionary) continue;
    const std::size_t distinct = static_cast<std::uint8_t>(sample.chunk.bytes[0]) + 1U;
    index_forms.insert(sample.chunk.bytes[1 + distinct * static_cast<std::size_t>(sample.width)]);
  }
  EXPECT_EQ(encodings.size(), 5U);
  EXPECT_EQ(index_forms.size(), 2U);
}

TEST(Chunk, EveryTruncationIsCorrupt) {
  for (const Sample &sample : Samples()) {
    const std::string &bytes = sample.chunk.bytes;
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      ExpectCorrupt(sample.chunk.encoding, std::string_view(bytes).substr(0, length), sample.width,
                    sample.elements.size(), sample.base, "length " + std::to_string(length));
    }
    // LZ4 takes no byte behind its last sequence.
    ExpectCorrupt(sample.chunk.encoding, bytes + '\0', sample.width, sample.elements.size(),
                  sample.base, "one byte more");
  }
}

TEST(Chunk, AnyOtherNumberOfElementsIsCorrupt) {
  for (const Sample &sample : Samples()) {
    if (sample.chunk.encoding == ChunkEncoding::kConstant) continue;  // gives any number
    const auto width = static_cast<std::size_t>(sample.width);
    for (std::size_t bytes = 0; bytes < 2 * sample.elements.size(); bytes += width) {
      if (bytes == sample.elements.size()) continue;
      ExpectCorrupt(sample.chunk.encoding, sample.chunk.bytes, sample.width, bytes, sample.base,
                    std::to_string(bytes) + " bytes");
    }
  }
}

// Without a checksum a changed byte may give other elements, but never anything else.
TEST(Chunk, ChangedBytesGiveElementsOrAreCorrupt) {
  int refused = 0;
  int decoded = 0;
  for (const Sample &sample : Samples()) {
    for (std::size_t at = 0; at < sample.chunk.bytes.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = sample.chunk.bytes;
        changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
        std::string elements;
        try {
          DecodeChunk(sample.chunk.encoding, changed, sample.width, sample.elements.size(),
                      sample.base, &elements);
          EXPECT_EQ(elements.size(), sample.elements.size());
          ++decoded;
        } catch (const Error &error) {
          ASSERT_EQ(error.kind(), ErrorKind::kCorruptData);
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(decoded, 100);
}

TEST(Chunk, HostileSizesAllocateNothing) {
  for (const Sample &sample : Samples()) {
    if (sample.chunk.encoding == ChunkEncoding::kConstant) continue;
    for (const std::size_t bytes : {kLargestChunk, kLargestChunk + 8, std::size_t{0} - 8}) {
      std::string elements;
      EXPECT_THROW(DecodeChunk(sample.chunk.encoding, sample.chunk.bytes, sample.width, bytes,
                               sample.base, &elements),
                   Error);
      EXPECT_LT(elements.capacity(), 64U);
    }
  }
  std::string elements;
  EXPECT_THROW(DecodeChunk(ChunkEncoding::kConstant, "1234", 4, kLargestChunk + 4, {}, &elements),
               Error);
  EXPECT_LT(elements.capacity(), 64U);
}

TEST(Chunk, FormsThatDoNotFitTheirBytesAreCorrupt) {
  const std::string raw(100, 'r');
  const std::string base(400, 'b');
  ExpectCorrupt(ChunkEncoding::kConstant, "12345678", 4, 400, {}, "constant of another width");
  ExpectCorrupt(ChunkEncoding::kConstant, "1234", 4, 0, {}, "constant of no elements");
  ExpectCorrupt(ChunkEncoding::kReference, "x", 4, 400, base, "reference with bytes");
  ExpectCorrupt(ChunkEncoding::kReference, "", 4, 396, base, "reference to another size");
  ExpectCorrupt(ChunkEncoding::kDictionary, std::string("\0ab\0\0", 5), 1, 8, {}, "single bytes");
  ExpectCorrupt(static_cast<ChunkEncoding>(6), raw, 4, 100, {}, "unknown encoding");
  // Sound, but no shorter than the elements, so that no encoder wrote it: a literal of LZ4.
  ExpectCorrupt(ChunkEncoding::kLz4,
                "\x40"
                "abcd",
                4, 4, {}, "longer than raw");
  // Two elements of 2 bytes; an index of 8.
  const std::string head("\1aabb", 5);
  const std::string index("\0\1\0\1\1\0\0\1", 8);
  std::string elements;
  DecodeChunk(ChunkEncoding::kDictionary, head + '\0' + index, 2, 16, {}, &elements);
  EXPECT_EQ(elements, "aabbaabbbbaaaabb");
  ExpectCorrupt(ChunkEncoding::kDictionary, head + '\0' + std::string("\0\1\0\2\1\0\0\1", 8), 2, 16,
                {}, "a number that is not listed");
  ExpectCorrupt(ChunkEncoding::kDictionary, head + '\2' + index, 2, 16, {}, "form of the index");
  ExpectCorrupt(ChunkEncoding::kDictionary, head + '\1' + index, 2, 16, {}, "no LZ4 block");
  ExpectCorrupt(ChunkEncoding::kDictionary, std::string("\xFF", 1) + raw, 2, 400, {},
                "a dictionary longer than all");
}

TEST(Chunk, AWrongBaseIsNeverReadOutside) {
  const std::string base = RandomElements(500, 4, 16);
  const EncodedChunk chunk = EncodeChunk(base, 4, base);
  ASSERT_EQ(chunk.encoding, ChunkEncoding::kBased);
  for (const std::size_t length : {0, 1, 999, 1'999}) {
    const std::string shorter = base.substr(base.size() - length);
    ExpectCorrupt(chunk.encoding, chunk.bytes, 4, base.size(), shorter,
                  "base of " + std::to_string(length));
  }
}

TEST(ChunkHash, TellsElementsWidthsAndSizesApart) {
  std::set<ChunkHash> hashes;
  const std::string zeros(4'000, '\0');
  for (const std::int32_t width : kWidths) {
    for (const std::size_t size : {0, 8, 16, 240, 248, 4'000}) {
      hashes.insert(HashOf(std::string_view(zeros).substr(0, size), width));
    }
  }
  EXPECT_EQ(hashes.size(), 24U);
  for (std::size_t at = 0; at < zeros.size(); ++at) {
    std::string changed = zeros;
    changed[at] = '\1';
    hashes.insert(HashOf(changed, 4));
  }
  EXPECT_EQ(hashes.size(), 24U + 4'000U);
  EXPECT_EQ(HashOf(zeros, 4), HashOf(std::string(zeros), 4));
}

// A stored hash must stay findable: XXH3's own test vector for no input and seed 0 is
// 99aa06d3014798d86001c324468d497f; ours has the width as seed, which these values keep.
TEST(ChunkHash, IsTheSameInEveryBuild) {
  const auto text = [](const ChunkHash &hash) {
    std::string hex;
    for (const std::uint8_t byte : hash.bytes) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
  };
  EXPECT_EQ(text(HashOf("", 0)), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(text(HashOf("123456789", 1)), "e3ede0d7b3c8aeaef35243003decde66");
}

// Bit by bit, from the polynomial's definition.
std::uint32_t SlowCrc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<std::uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

// RFC 3720, appendix B.4, and the catalogue's check value.
TEST(Crc32c, HasThePublishedValues) {
  std::string ascending(32, '\0');
  for (std::size_t i = 0; i < ascending.size(); ++i) ascending[i] = static_cast<char>(i);
  std::string descending = ascending;
  std::reverse(descending.begin(), descending.end());
  for (const auto crc : {Crc32c, Crc32cByTable}) {
    EXPECT_EQ(crc("", 0), 0U);
    EXPECT_EQ(crc("123456789", 0), 0xE3069283U);
    EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8A9136AAU);
    EXPECT_EQ(crc(std::string(32, '\xFF'), 0), 0x62A8AB43U);
    EXPECT_EQ(crc(ascending, 0), 0x46DD794EU);
    EXPECT_EQ(crc(descending, 0), 0x113FDB5CU);
  }
}

TEST(Crc32c, IsTheSameByTableByInstructionAndInParts) {
  const std::string bytes = RandomElements(300, 1, 17);
  for (std::size_t first = 0; first < 9; ++first) {
    for (std::size_t length = 0; first + length <= bytes.size(); length += 1 + length / 9) {
      const std::string_view part = std::string_view(bytes).substr(first, length);
      const std::uint32_t expected = SlowCrc32c(part);
      EXPECT_EQ(Crc32c(part), expected);
      EXPECT_EQ(Crc32cByTable(part), expected);
      const std::size_t half = length / 3;
      EXPECT_EQ(Crc32c(part.substr(half), Crc32c(part.substr(0, half))), expected);
      EXPECT_EQ(Crc32cByTable(part.substr(half), Crc32cByTable(part.substr(0, half))), expected);
    }
  }
}

}  // namespace
}  // namespace trails
