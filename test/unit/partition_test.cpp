// Partitions: what is written is read, column by column; no changed, missing or hostile byte gets
// through.
#include "core/intermediates/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "chunk_elements.h"
#include "sealed_partition.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kElsewhere = 77;  // number of another partition
constexpr ChunkHash kContents = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

// A partition with a column of every encoding, and what its columns hold.
struct Sample {
  std::string bytes;
  std::vector<std::string> elements;
  std::string other;  // elements of column 3 of partition kElsewhere
};

Sample MakeSample(std::int64_t rows) {
  Sample sample;
  sample.other = RandomElements(rows, 4, 1);
  std::string alike = sample.other;
  alike[alike.size() / 3] ^= '\1';
  const std::string run = RandomElements(rows / 4, 4, 2);
  PartitionWriter writer(rows);
  const auto add = [&](const std::string &elements, std::int32_t width) {
    writer.Add(elements, width);
    sample.elements.push_back(elements);
  };
  add(std::string(static_cast<std::size_t>(2 * rows), '\5'), 2);
  add(RandomElements(rows, 8, 3), 8);
  add(run + run + run + run, 4);
  add(DrawnElements(rows, 8, 5, 4), 8);
  writer.AddBased(alike, 4, {kElsewhere, 3}, sample.other);
  sample.elements.push_back(alike);
  EXPECT_EQ(writer.last_encoding(), ChunkEncoding::kBased);
  writer.AddReference(sample.other, 4, {kElsewhere, 3});
  sample.elements.push_back(sample.other);
  EXPECT_EQ(writer.last_encoding(), ChunkEncoding::kReference);
  writer.AddReference(sample.elements[1], 8, {0, 1});
  sample.elements.push_back(sample.elements[1]);
  std::string close = sample.elements[1];
  close[5] ^= '\1';
  writer.AddBased(close, 8, {0, 1}, sample.elements[1]);
  sample.elements.push_back(close);
  EXPECT_EQ(writer.last_encoding(), ChunkEncoding::kBased);
  EXPECT_EQ(writer.needs(), (std::vector<std::int64_t>{kElsewhere}));
  sample.bytes = writer.Finish(kContents);
  return sample;
}

constexpr std::int32_t kSampleColumns = 8;

PartitionDirectory DirectoryOf(std::string_view bytes, std::int32_t columns) {
  return {bytes.substr(0, PartitionDirectory::BytesFor(columns)), bytes.size(), columns};
}

// All columns' elements; bases elsewhere are `other`.
std::vector<std::string> ReadAll(std::string_view bytes, std::int32_t columns,
                                 const std::string &other) {
  const PartitionDirectory directory = DirectoryOf(bytes, columns);
  std::vector<std::string> all;
  for (std::int32_t c = 0; c < directory.columns(); ++c) {
    const PartitionEntry &entry = directory.entry(c);
    std::string_view base;
    if (entry.needs_base()) {
      base =
          entry.base.partition == 0 ? all.at(static_cast<std::size_t>(entry.base.column)) : other;
    }
    std::string elements;
    DecodeEntry(entry, bytes.substr(entry.offset, entry.bytes), base, &elements);
    all.push_back(std::move(elements));
  }
  return all;
}

std::string ExpectCorrupt(const std::string &bytes, std::int32_t columns, const std::string &other,
                          const std::string &what) {
  try {
    ReadAll(bytes, columns, other);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptData) << what;
    return std::string(error.what()) + " | " + error.detail() + " | " + error.hint();
  }
  ADD_FAILURE() << what << ": read without an error";
  return "";
}

template <typename Call>
ErrorKind KindOf(Call &&call) {
  try {
    call();
  } catch (const Error &error) {
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return ErrorKind::kBadData;
}

TEST(Partition, EveryColumnComesBack) {
  for (const std::int64_t rows : {100, 1'000, 4'001}) {
    const Sample sample = MakeSample(rows);
    const PartitionDirectory directory = DirectoryOf(sample.bytes, kSampleColumns);
    EXPECT_EQ(directory.rows(), rows);
    EXPECT_EQ(directory.columns(), kSampleColumns);
    EXPECT_EQ(ReadAll(sample.bytes, kSampleColumns, sample.other), sample.elements);
  }
}

TEST(Partition, HasTheDocumentedLayout) {
  PartitionWriter writer(1);
  writer.Add("abcd", 4);
  writer.AddReference("abcdefgh", 8, {0x0102030405060708, 9});
  const std::string bytes = writer.Finish(kContents);
  const std::string payload = "abcd";
  const auto number_at = [&](std::size_t at) {
    std::uint32_t number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof(number));
    return number;
  };
  EXPECT_EQ(bytes.substr(0, 12), std::string("TRPT\1\0\2\0\1\0\0\0", 12));
  EXPECT_EQ(number_at(12), Crc32c(bytes.substr(16, 80), Crc32c(bytes.substr(0, 12))));
  EXPECT_EQ(bytes.substr(16, 16), "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
  EXPECT_EQ(bytes.substr(32, 16), std::string("\0\4\0\0\x60\0\0\0\4\0\0\0\4\0\0\0", 16));
  EXPECT_EQ(number_at(48), Crc32c(payload));
  EXPECT_EQ(bytes.substr(52, 12), std::string(12, '\0'));
  EXPECT_EQ(bytes.substr(64, 16), std::string("\5\x08\x09\0\x64\0\0\0\0\0\0\0\x08\0\0\0", 16));
  EXPECT_EQ(bytes.substr(80, 12), std::string("\0\0\0\0\x08\7\6\5\4\3\2\1", 12));
  EXPECT_EQ(number_at(92), Crc32c("abcdefgh"));
  EXPECT_EQ(bytes.substr(96), payload);
  EXPECT_EQ(PartitionDirectory::BytesFor(2), 96U);
  EXPECT_EQ(Sealed(bytes), bytes);
}

// A hash of the contents alone, so that equal partitions are found.
TEST(Partition, ContentsAreRowsAndColumnsInTheirOrder) {
  const ChunkHash a = HashOf("abcd", 4);
  const ChunkHash b = HashOf("abcd", 2);
  const auto of = [](std::vector<ChunkHash> columns, std::int64_t rows) {
    return HashOfPartition(columns, rows);
  };
  EXPECT_EQ(of({a, b}, 1), of({a, b}, 1));
  EXPECT_NE(of({a, b}, 1), of({b, a}, 1));
  EXPECT_NE(of({a, b}, 1), of({a, b}, 2));
  EXPECT_NE(of({a, b}, 1), of({a}, 1));
}

TEST(Partition, ASealIsOfOnePlaceAndOneContents) {
  const BlockPlace place{12, 256, 3};
  const ChunkHash seal = SealOf(place, kContents);
  EXPECT_EQ(seal, SealOf(place, kContents));
  EXPECT_NE(seal, SealOf({13, 256, 3}, kContents));
  EXPECT_NE(seal, SealOf({12, 0, 3}, kContents));
  EXPECT_NE(seal, SealOf({12, 256, 4}, kContents));
  EXPECT_NE(seal, SealOf({12, 3, 256}, kContents));
  EXPECT_NE(seal, SealOf(place, HashOf("", 1)));
}

TEST(Partition, AnotherChunkThanTheOneReferredToIsCorrupt) {
  const Sample sample = MakeSample(100);
  const PartitionDirectory directory = DirectoryOf(sample.bytes, kSampleColumns);
  EXPECT_EQ(directory.contents(), kContents);
  // Partition kElsewhere, mixed up with one that has other numbers, as many.
  const std::string another = RandomElements(100, 4, 99);
  ASSERT_EQ(another.size(), sample.other.size());
  std::string elements;
  for (const std::int32_t column : {4, 5}) {
    const PartitionEntry &entry = directory.entry(column);
    const std::string payload = sample.bytes.substr(entry.offset, entry.bytes);
    DecodeEntry(entry, payload, sample.other, &elements);
    EXPECT_EQ(elements, sample.elements[static_cast<std::size_t>(column)]);
    EXPECT_EQ(KindOf([&] { DecodeEntry(entry, payload, another, &elements); }),
              ErrorKind::kCorruptData)
        << column;
  }
}

TEST(Partition, ADirectoryIsReadFromItsPrefixAlone) {
  const Sample sample = MakeSample(1'000);
  const std::string prefix = sample.bytes.substr(0, PartitionDirectory::BytesFor(kSampleColumns));
  const PartitionDirectory directory(prefix, sample.bytes.size(), kSampleColumns);
  EXPECT_EQ(directory.entry(1).encoding, ChunkEncoding::kRaw);
  EXPECT_EQ(directory.entry(1).offset, prefix.size() + directory.entry(0).bytes);
  EXPECT_EQ(directory.entry(5).base, (ChunkPlace{kElsewhere, 3}));
  EXPECT_EQ(directory.entry(6).base, (ChunkPlace{0, 1}));
  EXPECT_THROW(directory.entry(kSampleColumns), std::out_of_range);
  EXPECT_THROW(directory.entry(-1), std::out_of_range);
}

TEST(Partition, NeedsEachOtherPartitionOnce) {
  PartitionWriter writer(10);
  writer.Add(RandomElements(10, 4, 5), 4);
  EXPECT_TRUE(writer.needs().empty());
  for (const std::int64_t other : {9, 4, 9, 0}) {
    writer.AddReference(RandomElements(10, 4, 5), 4, {other, 0});
  }
  // A base that does not help is not needed.
  writer.AddBased(RandomElements(10, 4, 6), 4, {5, 0}, RandomElements(10, 4, 7));
  EXPECT_EQ(writer.last_encoding(), ChunkEncoding::kRaw);
  EXPECT_EQ(writer.needs(), (std::vector<std::int64_t>{4, 9}));
}

TEST(Partition, TakesAsManyColumnsAsItMay) {
  PartitionWriter writer(3);
  std::vector<std::string> elements;
  for (std::int32_t c = 0; c < kPartitionColumns; ++c) {
    elements.push_back(RandomElements(3, 2, static_cast<std::uint64_t>(c)));
    writer.Add(elements.back(), 2);
  }
  EXPECT_EQ(writer.columns(), kPartitionColumns);
  EXPECT_EQ(ReadAll(writer.Finish(kContents), kPartitionColumns, ""), elements);
  EXPECT_EQ(KindOf([&] { writer.Add("ab", 2); }), ErrorKind::kLimit);
  EXPECT_EQ(KindOf([&] { writer.AddReference("ab", 2, {0, 0}); }), ErrorKind::kLimit);
  EXPECT_EQ(writer.columns(), kPartitionColumns);
}

TEST(Partition, WrongUseIsAnInternalError) {
  EXPECT_EQ(KindOf([] { PartitionWriter writer(0); }), ErrorKind::kInternal);
  EXPECT_EQ(KindOf([] { PartitionWriter writer(std::int64_t{1} << 32); }), ErrorKind::kInternal);
  EXPECT_EQ(KindOf([] { PartitionWriter(1).Finish(kContents); }), ErrorKind::kInternal);
  PartitionWriter writer(10);
  writer.Add(RandomElements(10, 4, 9), 4);
  writer.AddReference(RandomElements(10, 4, 9), 4, {0, 0});
  const auto refers = [&](std::size_t bytes, std::int32_t width, ChunkPlace place) {
    return KindOf([&] { writer.AddReference(std::string(bytes, 'x'), width, place); });
  };
  EXPECT_EQ(refers(40, 4, {0, 1}), ErrorKind::kInternal) << "to a reference";
  EXPECT_EQ(refers(40, 4, {0, 2}), ErrorKind::kInternal) << "to itself";
  EXPECT_EQ(refers(40, 4, {0, -1}), ErrorKind::kInternal);
  EXPECT_EQ(refers(40, 4, {-1, 0}), ErrorKind::kInternal);
  EXPECT_EQ(refers(40, 4, {5, kPartitionColumns}), ErrorKind::kInternal);
  EXPECT_EQ(refers(40, 8, {0, 0}), ErrorKind::kInternal) << "of another width";
  EXPECT_EQ(refers(44, 4, {0, 0}), ErrorKind::kInternal) << "of another size";
  EXPECT_EQ(refers(42, 4, {5, 0}), ErrorKind::kInternal) << "no whole number of elements";
  EXPECT_EQ(refers(42, 3, {5, 0}), ErrorKind::kInternal) << "no width";
  EXPECT_EQ(refers(kLargestChunk + 4, 4, {5, 0}), ErrorKind::kLimit);
  EXPECT_EQ(writer.columns(), 2);
}

// Every byte of a partition is under a checksum.
TEST(Partition, AnyChangedByteIsCorrupt) {
  const Sample sample = MakeSample(100);
  for (std::size_t at = 0; at < sample.bytes.size(); ++at) {
    for (const char mask : {'\x01', '\x80', '\xFF'}) {
      std::string changed = sample.bytes;
      changed[at] = static_cast<char>(changed[at] ^ mask);
      ExpectCorrupt(changed, kSampleColumns, sample.other, "byte " + std::to_string(at));
    }
  }
}

TEST(Partition, AnyOtherLengthIsCorrupt) {
  const Sample sample = MakeSample(100);
  for (std::size_t length = 0; length < sample.bytes.size(); ++length) {
    // A copy of its own, so that a read past the end is seen by the address sanitizer.
    ExpectCorrupt(std::string(sample.bytes, 0, length), kSampleColumns, sample.other,
                  "length " + std::to_string(length));
  }
  ExpectCorrupt(sample.bytes + '\0', kSampleColumns, sample.other, "one byte more");
}

TEST(Partition, ATruncatedPayloadIsCorrupt) {
  const Sample sample = MakeSample(100);
  const PartitionDirectory directory = DirectoryOf(sample.bytes, kSampleColumns);
  const PartitionEntry &entry = directory.entry(1);
  for (std::size_t length = 0; length <= entry.bytes; ++length) {
    const std::string payload = sample.bytes.substr(entry.offset, length);
    std::string elements;
    if (length == entry.bytes) {
      DecodeEntry(entry, payload, {}, &elements);
      EXPECT_EQ(elements, sample.elements[1]);
    } else {
      EXPECT_EQ(KindOf([&] { DecodeEntry(entry, payload, {}, &elements); }),
                ErrorKind::kCorruptData);
    }
  }
}

TEST(Partition, OtherNumbersOfColumnsAreCorrupt) {
  const Sample sample = MakeSample(100);
  for (const std::int32_t columns : {-1, 0, 1, 7, 9, kPartitionColumns, kPartitionColumns + 1,
                                     std::numeric_limits<std::int32_t>::max()}) {
    EXPECT_EQ(KindOf([&] { PartitionDirectory(sample.bytes, sample.bytes.size(), columns); }),
              ErrorKind::kCorruptData)
        << columns;
  }
}

TEST(Partition, NewerVersionSaysSo) {
  Sample sample = MakeSample(100);
  sample.bytes[4] = 2;
  const std::string words = ExpectCorrupt(Sealed(sample.bytes), kSampleColumns, sample.other, "2");
  EXPECT_NE(words.find("newer format"), std::string::npos) << words;
  EXPECT_NE(words.find("Install"), std::string::npos) << words;
  sample.bytes[4] = 0;
  ExpectCorrupt(Sealed(sample.bytes), kSampleColumns, sample.other, "version 0");
}

// Whoever seals anything gets a clean error or elements of the right size, wherever the hostile
// number stands.
TEST(Partition, HostileNumbersAnywhereAreRefusedOrHarmless) {
  const Sample sample = MakeSample(100);
  const std::size_t head = PartitionDirectory::BytesFor(kSampleColumns);
  int refused = 0;
  int read = 0;
  for (std::size_t at = 0; at + 4 <= head; ++at) {
    for (const std::uint32_t hostile :
         {0U, 1U, 4U, 0x101U, 0x00FFFFFFU, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
      std::string patched = sample.bytes;
      std::memcpy(patched.data() + at, &hostile, sizeof(hostile));
      try {
        ReadAll(Sealed(patched), kSampleColumns, sample.other);
        ++read;
      } catch (const Error &error) {
        ASSERT_EQ(error.kind(), ErrorKind::kCorruptData) << at;
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(read, 10) << "numbers that were in place already, rows, bases elsewhere";
}

struct Patch {
  const char *what;
  std::int32_t column;
  std::size_t at;  // within the entry
  std::uint8_t value;
};

TEST(Partition, EntriesThatNoWriterWroteAreCorrupt) {
  const Sample sample = MakeSample(100);
  const Patch patches[] = {
      {"unknown encoding", 1, 0, 6},
      {"no width", 1, 1, 3},
      {"a base of a raw chunk", 1, 2, 1},
      {"a payload elsewhere", 1, 4, 0xFF},
      {"a payload that is longer", 1, 8, 0x21},
      {"elements that are no multiple of the width", 1, 12, 0x21},
      {"a base beyond the columns of a partition", 5, 3, 1},
      {"a negative partition", 5, 27, 0xFF},
      {"a checksum of elements that are its own", 1, 28, 1},
      {"a reference to itself", 6, 2, 6},
      {"a reference to a later column", 6, 2, 7},
      {"a reference to a reference", 6, 2, 5},
      {"a reference to a based chunk", 6, 2, 4},
      {"a reference to a chunk of another width", 6, 2, 0},
      {"a base that is a reference", 7, 2, 6},
  };
  for (const Patch &patch : patches) {
    std::string patched = sample.bytes;
    const std::size_t at = PartitionDirectory::BytesFor(patch.column) + patch.at;
    ASSERT_NE(static_cast<std::uint8_t>(patched[at]), patch.value) << patch.what;
    patched[at] = static_cast<char>(patch.value);
    patched = Sealed(patched);
    EXPECT_EQ(KindOf([&] { DirectoryOf(patched, kSampleColumns); }), ErrorKind::kCorruptData)
        << patch.what;
  }
  std::string no_rows = sample.bytes;
  no_rows[8] = 0;
  EXPECT_EQ(KindOf([&] { DirectoryOf(Sealed(no_rows), kSampleColumns); }), ErrorKind::kCorruptData);
}

}  // namespace
}  // namespace trails
