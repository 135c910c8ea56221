// XXH_INLINE_ALL: xxHash is compiled into this file, so that no library is needed at run time.
//
// May touch: src/core/data, include/trails, xxHash.
#define XXH_INLINE_ALL
#include "core/data/row_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <bit>
#include <cmath>

#include "core/data/parallel_for.h"

namespace trails {

namespace {

// Changing any of these moves rows between splits: models trained before would then be judged on
// rows they were trained on.
constexpr std::uint64_t kNullSalt = 0x6E756C6C;
constexpr std::uint64_t kIntegerSalt = 0x696E7465;
constexpr std::uint64_t kFloatSalt = 0x666C6F61;
constexpr std::uint64_t kTextSalt = 0x74657874;
constexpr std::uint64_t kDataSalt = 0x64617461;

std::uint64_t HashNumber(double value, std::uint64_t seed) {
  constexpr double kBound = 9223372036854775808.0;
  if (std::abs(value) < kBound && value == std::trunc(value)) {
    const auto integer = static_cast<std::int64_t>(value);
    return HashWord(static_cast<std::uint64_t>(integer), seed ^ kIntegerSalt);
  }
  return HashWord(std::bit_cast<std::uint64_t>(value), seed ^ kFloatSalt);
}

// Hashes the values of one column; of text each distinct value once.
class ColumnHasher {
 public:
  ColumnHasher(const Column &column, std::uint64_t seed)
      : column_(column), seed_(seed), null_(HashWord(0, seed ^ kNullSalt)) {
    if (column.kind() != ColumnKind::kText) return;
    texts_.reserve(column.dictionary().size() + 1);
    for (const std::string_view text : column.dictionary()) {
      texts_.push_back(XXH3_64bits_withSeed(text.data(), text.size(), seed ^ kTextSalt));
    }
    // What the dictionary had no room for is one value.
    texts_.push_back(HashWord(1, seed ^ kNullSalt));
  }

  std::uint64_t operator()(std::int64_t row) const {
    switch (column_.kind()) {
      case ColumnKind::kText: {
        const std::int32_t code = column_.code(row);
        return code < 0 ? null_ : texts_[static_cast<std::size_t>(code)];
      }
      case ColumnKind::kInteger: {
        const std::int64_t value = column_.integer(row);
        if (value == Column::kNullInteger) return null_;
        return HashWord(static_cast<std::uint64_t>(value), seed_ ^ kIntegerSalt);
      }
      case ColumnKind::kFloat: break;
    }
    const double value = column_.number(row);
    return std::isnan(value) ? null_ : HashNumber(value, seed_);
  }

 private:
  const Column &column_;
  std::uint64_t seed_;
  std::uint64_t null_;
  std::vector<std::uint64_t> texts_;
};

}  // namespace

std::uint64_t HashWord(std::uint64_t word, std::uint64_t seed) {
  std::array<unsigned char, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<unsigned char>(word >> (8 * i));
  }
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t HashCell(const Cell &cell, ColumnKind kind, std::uint64_t seed) {
  if (cell.is_null) return HashWord(0, seed ^ kNullSalt);
  switch (kind) {
    case ColumnKind::kText:
      return XXH3_64bits_withSeed(cell.text.data(), cell.text.size(), seed ^ kTextSalt);
    case ColumnKind::kInteger:
      if (cell.integer == Column::kNullInteger) return HashWord(0, seed ^ kNullSalt);
      return HashWord(static_cast<std::uint64_t>(cell.integer), seed ^ kIntegerSalt);
    case ColumnKind::kFloat: break;
  }
  return std::isnan(cell.number) ? HashWord(0, seed ^ kNullSalt) : HashNumber(cell.number, seed);
}

std::vector<std::uint64_t> HashColumn(const Column &column, std::uint64_t seed) {
  const ColumnHasher hasher(column, seed);
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(column.rows()));
  for (std::int64_t row = 0; row < column.rows(); ++row) {
    hashes[static_cast<std::size_t>(row)] = hasher(row);
  }
  return hashes;
}

std::uint64_t SeedOfColumn(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

std::vector<std::uint64_t> HashRows(const Table &table, const std::stop_token &stop) {
  constexpr std::int64_t kRowsBetweenStops = 1 << 18;
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(table.rows()), 0);
  for (const Column &column : table.features) {
    const ColumnHasher hasher(column, SeedOfColumn(column.name()));
    for (std::int64_t row = 0; row < table.rows(); ++row) {
      if (row % kRowsBetweenStops == 0) ThrowIfStopped(stop);
      // A sum does not care for the order of the columns.
      hashes[static_cast<std::size_t>(row)] += hasher(row);
    }
  }
  return hashes;
}

std::string HashData(const Table &table, const std::vector<std::uint64_t> &row_hashes) {
  const ColumnHasher target(table.target, kDataSalt);
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    const std::uint64_t mixed = HashWord(row_hashes[static_cast<std::size_t>(row)], target(row));
    low += HashWord(mixed, kDataSalt);
    high += HashWord(mixed, ~kDataSalt);
  }
  const auto rows = static_cast<std::uint64_t>(table.rows());
  return fmt::format("{:016x}{:016x}", HashWord(high, rows), HashWord(low, rows));
}

}  // namespace trails
