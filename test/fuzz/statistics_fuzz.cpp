// Feeds the readers of stored quantisers and statistics with bytes that no writer wrote, and codes
// and decodes with whatever they let pass.
//
// The first byte of an input chooses the scheme, the second is the number of columns less one; the
// rest is read as a quantiser and as statistics, as it is and with a right checksum behind it.
//
//   build-fuzz/test/fuzz/statistics_fuzz -max_total_time=60 -malloc_limit_mb=16 CORPUS_FOLDER
//
// An empty corpus folder is filled with sound quantisers and statistics first.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/chunk.h"
#include "core/intermediates/quantiser.h"
#include "core/intermediates/statistics_bytes.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::string_view kSchemes[] = {"f32",       "f16",     "q8",      "kbit(2)", "kbit(3)",
                                         "kbit(4)",   "kbit(5)", "kbit(6)", "kbit(7)", "kbit(8)",
                                         "threshold", "pool",    "stats"};
constexpr std::size_t kStats = std::size(kSchemes) - 1;

// Codes the bytes taken as numbers, and decodes the bytes taken as codes.
void Use(const Quantiser &quantiser, std::string_view bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (values.empty()) return;
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  const auto code_bytes =
      static_cast<std::size_t>(quantiser.BytesFor(static_cast<std::int64_t>(values.size())));
  if (code_bytes > values.size() * sizeof(float)) std::abort();
  std::vector<std::byte> codes(code_bytes);
  quantiser.Encode(values, codes.data());
  quantiser.Decode(codes.data(), values);
  std::memcpy(codes.data(), bytes.data(), codes.size());
  quantiser.Decode(codes.data(), values);
}

// Anything but a sound quantiser or kCorruptData ends the process, as does what a sanitizer sees.
void ReadQuantiser(const Scheme &scheme, const std::string &bytes) {
  std::string_view left = bytes;
  try {
    const Quantiser quantiser = Quantiser::Read(scheme, &left);
    std::string written;
    quantiser.Write(&written);
    if (written + std::string(left) != bytes) std::abort();
    Use(quantiser, bytes);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) std::abort();
  }
}

void ReadGroup(const Scheme &scheme, std::int32_t columns, const std::string &bytes) {
  try {
    const GroupStatistics group = ReadStatisticsBytes(scheme, columns, bytes);
    if (WriteStatistics(scheme, group) != bytes) std::abort();
    if (group.columns.size() != static_cast<std::size_t>(columns)) std::abort();
    for (const Quantiser &quantiser : group.quantisers) Use(quantiser, bytes);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) std::abort();
  }
}

std::string SealedBehind(std::string bytes) {
  const std::uint32_t checksum = Crc32c(bytes);
  bytes.append(reinterpret_cast<const char *>(&checksum), sizeof(checksum));
  return bytes;
}

// A seed without the checksum at its end, which each input gets anew.
void WriteSeed(const std::filesystem::path &folder, std::size_t scheme, std::size_t columns,
               const std::string &bytes) {
  static int number = 0;
  std::ofstream seed(folder / ("seed_" + std::to_string(number++)), std::ios::binary);
  seed << static_cast<char>(scheme) << static_cast<char>(columns - 1)
       << bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
  if (!seed.flush()) std::abort();
}

void WriteSeeds(const std::filesystem::path &folder) {
  RandomStream stream(1);
  std::vector<float> values(40);
  for (float &value : values) value = static_cast<float>(std::max(0.0, stream.Normal()));
  for (std::size_t s = 0; s < std::size(kSchemes); ++s) {
    const Scheme scheme = ParseScheme(kSchemes[s]);
    GroupStatistics group;
    group.name = {static_cast<std::int64_t>(s) + 1, 2, 256};
    group.cost.rows = static_cast<std::int64_t>(values.size());
    for (int column = 0; column < 2; ++column) {
      group.columns.emplace_back().Add(0, values);
      if (s != kStats) group.quantisers.emplace_back(scheme, group.columns.back(), values);
      values[7] = std::numeric_limits<float>::infinity();
    }
    WriteSeed(folder, s, 2, WriteStatistics(scheme, group));
    if (s == kStats) continue;
    for (const Quantiser &quantiser : group.quantisers) {
      std::string bytes;
      quantiser.Write(&bytes);
      WriteSeed(folder, s, 2, bytes);
    }
  }
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
  if (size < 2) return 0;
  const std::size_t chosen = data[0] % std::size(trails::kSchemes);
  const trails::Scheme scheme = trails::ParseScheme(trails::kSchemes[chosen]);
  const std::string bytes(reinterpret_cast<const char *>(data) + 2, size - 2);
  for (const std::string &read : {bytes, trails::SealedBehind(bytes)}) {
    if (chosen != trails::kStats) trails::ReadQuantiser(scheme, read);
    trails::ReadGroup(scheme, 1 + data[1], read);
  }
  return 0;
}
