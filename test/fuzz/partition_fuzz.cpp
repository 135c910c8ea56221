// Feeds the readers of partitions and column chunks with bytes that no writer wrote. Three ways in:
//
//   the bytes as a partition
//   the bytes as a partition whose checksums are right, since no mutation would ever guess them
//   encoding, width, size and base from the first bytes, and the rest as the chunk's bytes
//
// and one through the writer: the bytes as the columns of a partition, which must come back.
//
//   build-fuzz/test/fuzz/partition_fuzz -max_total_time=60 -malloc_limit_mb=16 CORPUS_FOLDER
//
// An empty corpus folder is filled with sound partitions and chunks first.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/chunk.h"
#include "core/intermediates/partition.h"
#include "trails/error.h"
#include "unit/chunk_elements.h"
#include "unit/sealed_partition.h"

namespace trails {
namespace {

// Elements of chunks in other partitions.
const std::string &Elsewhere() {
  static const std::string elements = RandomElements(64, 8, 1);
  return elements;
}

// A constant's elements are bounded by kLargestChunk alone; writing 64 MiB teaches nothing.
constexpr std::size_t kLargestConstant = 1 << 16;

// What was decoded must come through the encoder; anything but kCorruptData on the way in ends the
// process, as does what a sanitizer sees.
bool Decode(ChunkEncoding encoding, std::string_view bytes, std::int32_t width,
            std::size_t element_bytes, std::string_view base, std::string *elements) {
  if (encoding == ChunkEncoding::kConstant && element_bytes > kLargestConstant) return false;
  // A copy of its own, so that a read past its end is seen.
  const std::string stored(bytes);
  try {
    DecodeChunk(encoding, stored, width, element_bytes, base, elements);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) std::abort();
    return false;
  }
  if (elements->size() != element_bytes) std::abort();
  return true;
}

void RoundTrip(std::string_view elements, std::int32_t width, std::string_view base) {
  const EncodedChunk chunk = EncodeChunk(elements, width, base);
  std::string decoded;
  DecodeChunk(chunk.encoding, chunk.bytes, width, elements.size(), base, &decoded);
  if (decoded != elements || chunk.bytes.size() > elements.size()) std::abort();
}

void ReadPartition(const std::string &bytes) {
  std::vector<std::string> all;
  try {
    const PartitionDirectory directory(bytes, bytes.size(), ColumnsOf(bytes));
    for (std::int32_t c = 0; c < directory.columns(); ++c) {
      const PartitionEntry &entry = directory.entry(c);
      std::string_view base;
      if (entry.needs_base()) {
        base = entry.base.partition == 0 ? all.at(static_cast<std::size_t>(entry.base.column))
                                         : Elsewhere();
      }
      if (entry.offset > bytes.size() || entry.bytes > bytes.size() - entry.offset) std::abort();
      std::string elements;
      if (entry.encoding != ChunkEncoding::kConstant || entry.element_bytes <= kLargestConstant) {
        DecodeEntry(entry, std::string_view(bytes).substr(entry.offset, entry.bytes), base,
                    &elements);
        if (elements.size() != entry.element_bytes) std::abort();
      }
      all.push_back(std::move(elements));
    }
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) std::abort();
  }
}

// encoding u8 | width u8 | element bytes u32 | base bytes u8 | base | bytes.
constexpr std::size_t kChunkHeaderBytes = 7;

void ReadChunk(std::string_view bytes) {
  if (bytes.size() < kChunkHeaderBytes) return;
  const auto encoding = static_cast<ChunkEncoding>(bytes[0]);
  const auto width = static_cast<std::int32_t>(static_cast<std::uint8_t>(bytes[1]));
  std::uint32_t element_bytes = 0;
  std::memcpy(&element_bytes, bytes.data() + 2, sizeof(element_bytes));
  const std::size_t base_bytes = static_cast<std::uint8_t>(bytes[6]);
  bytes.remove_prefix(kChunkHeaderBytes);
  const std::string base(bytes.substr(0, base_bytes));
  const std::string_view chunk = bytes.substr(base.size());
  std::string elements;
  if (Decode(encoding, chunk, width, element_bytes, base, &elements)) {
    RoundTrip(elements, width, base);
  }
}

// Columns of `width` from consecutive parts of the bytes, each based on the first.
void WriteAndRead(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const std::int32_t width = 1 << (static_cast<std::uint8_t>(bytes[0]) % 4);
  const std::size_t columns = 1 + static_cast<std::uint8_t>(bytes[1]) % 4;
  bytes.remove_prefix(2);
  const std::size_t column_bytes = bytes.size() / columns / 8 * 8;
  PartitionWriter writer(1);
  for (std::size_t c = 0; c < columns; ++c) {
    const std::string_view elements = bytes.substr(c * column_bytes, column_bytes);
    RoundTrip(elements, width, {});
    if (c == 0) {
      writer.Add(elements, width);
    } else {
      writer.AddBased(elements, width, {0, 0}, bytes.substr(0, column_bytes));
    }
  }
  writer.AddReference(bytes.substr(0, column_bytes), width, {0, 0});
  const ChunkHash contents = HashOf(bytes, 1);
  const std::string partition = writer.Finish(contents);
  const PartitionDirectory directory(partition, partition.size(), writer.columns());
  if (directory.contents() != contents) std::abort();
  for (std::int32_t c = 0; c < directory.columns(); ++c) {
    const PartitionEntry &entry = directory.entry(c);
    const std::string_view base = bytes.substr(0, column_bytes);
    const std::size_t source = entry.encoding == ChunkEncoding::kReference
                                   ? 0
                                   : static_cast<std::size_t>(c) * column_bytes;
    std::string elements;
    DecodeEntry(entry, std::string_view(partition).substr(entry.offset, entry.bytes), base,
                &elements);
    if (elements != bytes.substr(source, column_bytes)) std::abort();
  }
}

void WriteSeed(const std::filesystem::path &folder, const std::string &bytes) {
  static int number = 0;
  std::ofstream seed(folder / ("seed_" + std::to_string(number++)), std::ios::binary);
  seed << bytes;
  if (!seed.flush()) std::abort();
}

void WriteChunkSeed(const std::filesystem::path &folder, const std::string &elements,
                    std::int32_t width, const std::string &base) {
  const EncodedChunk chunk = EncodeChunk(elements, width, base);
  std::string bytes = {static_cast<char>(chunk.encoding), static_cast<char>(width)};
  const auto element_bytes = static_cast<std::uint32_t>(elements.size());
  bytes.append(reinterpret_cast<const char *>(&element_bytes), sizeof(element_bytes));
  bytes += static_cast<char>(base.size());
  WriteSeed(folder, bytes + base + chunk.bytes);
}

void WriteSeeds(const std::filesystem::path &folder) {
  std::string alike = Elsewhere();
  alike[100] ^= '\1';
  const std::string run = RandomElements(30, 4, 2);
  const std::string drawn = DrawnElements(200, 8, 40, 3);
  PartitionWriter writer(64);
  writer.Add(std::string(256, '\7'), 4);
  writer.Add(RandomElements(40, 2, 4), 2);
  writer.Add(run + run, 4);
  writer.Add(drawn, 8);
  writer.AddBased(alike, 8, {5, 0}, Elsewhere());
  writer.AddReference(drawn, 8, {0, 3});
  WriteSeed(folder, writer.Finish(HashOf(drawn, 8)));
  const std::string base = RandomElements(60, 4, 5);
  std::string close = base;
  close[9] ^= '\1';
  WriteChunkSeed(folder, std::string(256, '\7'), 8, {});
  WriteChunkSeed(folder, run, 4, {});
  WriteChunkSeed(folder, run + run, 4, {});
  WriteChunkSeed(folder, drawn, 8, {});
  WriteChunkSeed(folder, DrawnElements(400, 2, 4, 6), 2, {});
  WriteChunkSeed(folder, close, 4, base);
}

}  // namespace
}  // namespace trails

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
  for (int a = 1; a < *argc; ++a) {
    const std::filesystem::path folder = (*argv)[a];
    if (std::filesystem::is_directory(folder) && std::filesystem::is_empty(folder)) {
      trails::WriteSeeds(folder);
      break;  // only the first folder is written to by the fuzzer
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char *>(data), size);
  trails::ReadPartition(bytes);
  trails::ReadPartition(trails::Sealed(bytes));
  trails::ReadChunk(bytes);
  trails::WriteAndRead(bytes);
  return 0;
}
