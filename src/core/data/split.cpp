// XXH_INLINE_ALL: xxHash is compiled into this file, so that no library is needed at run time.
//
// May touch: src/core/data, include/trails, xxHash.
#define XXH_INLINE_ALL
#include "core/data/split.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "core/data/parallel_for.h"
#include "trails/error.h"

namespace trails {

namespace {

// Changing any of these moves rows between splits: models trained before would then be judged on
// rows they were trained on.
constexpr std::uint64_t kNullSalt = 0x6E756C6C;
constexpr std::uint64_t kIntegerSalt = 0x696E7465;
constexpr std::uint64_t kFloatSalt = 0x666C6F61;
constexpr std::uint64_t kTextSalt = 0x74657874;
constexpr std::uint64_t kSplitSalt = 0x73706C69;
constexpr std::uint64_t kDataSalt = 0x64617461;
constexpr double kTrainShare = 0.8;
constexpr double kValidShare = 0.1;
constexpr std::int64_t kFewestRows = 20;

std::uint64_t HashWord(std::uint64_t word, std::uint64_t seed) {
  std::array<unsigned char, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<unsigned char>(word >> (8 * i));
  }
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

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

enum class Part : std::uint8_t { kNone, kTrain, kValid, kTest };

Part PartOfWord(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower == "train") return Part::kTrain;
  if (lower == "valid" || lower == "validation") return Part::kValid;
  return lower == "test" ? Part::kTest : Part::kNone;
}

Part PartOfShare(double share) {
  if (share < kTrainShare) return Part::kTrain;
  return share < kTrainShare + kValidShare ? Part::kValid : Part::kTest;
}

void Add(Part part, std::int64_t row, Split *split) {
  const auto at = static_cast<std::int32_t>(row);
  switch (part) {
    case Part::kTrain: split->train.push_back(at); break;
    case Part::kValid: split->valid.push_back(at); break;
    case Part::kTest: split->test.push_back(at); break;
    case Part::kNone: break;
  }
}

void SplitByColumn(const Table &table, Split *split) {
  const Column &column = *table.split;
  if (column.kind() != ColumnKind::kText) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("split column \"{}\" is of type {}", column.name(), column.sql_type()),
                "A split column holds the words train, valid and test.",
                "Make such a column in a view.");
  }
  std::vector<Part> parts;
  for (const std::string_view word : column.dictionary()) parts.push_back(PartOfWord(word));
  parts.push_back(Part::kNone);
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    const std::int32_t code = column.code(row);
    if (code < 0 || table.target.is_null(row)) continue;
    Add(parts[static_cast<std::size_t>(code)], row, split);
  }
}

// keys [rows]: rows of equal key stay together.
void SplitByShare(const Table &table, const std::vector<std::uint64_t> &keys, Split *split) {
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (table.target.is_null(row)) continue;
    const std::uint64_t key = keys[static_cast<std::size_t>(row)];
    Add(PartOfShare(static_cast<double>(key >> 11) * 0x1.0p-53), row, split);
  }
}

void SplitByRank(const Table &table, const std::vector<std::uint64_t> &keys, Split *split) {
  std::vector<std::uint64_t> ranked;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (!table.target.is_null(row)) ranked.push_back(keys[static_cast<std::size_t>(row)]);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.erase(std::unique(ranked.begin(), ranked.end()), ranked.end());
  // The ends are given away first, so that a few keys still make every part they can.
  const auto count = static_cast<std::int64_t>(ranked.size());
  const std::int64_t tested = count < 3 ? 0 : std::max<std::int64_t>(1, count / 10);
  const std::int64_t validated = count < 2 ? 0 : std::max<std::int64_t>(1, count / 10);
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (table.target.is_null(row)) continue;
    const auto found =
        std::lower_bound(ranked.begin(), ranked.end(), keys[static_cast<std::size_t>(row)]);
    const std::int64_t rank = found - ranked.begin();
    Add(rank < count - tested - validated ? Part::kTrain
        : rank < count - tested           ? Part::kValid
                                          : Part::kTest,
        row, split);
  }
}

std::vector<std::uint64_t> SplitKeys(const Table &table,
                                     const std::vector<std::uint64_t> &row_hashes) {
  std::vector<std::uint64_t> keys(static_cast<std::size_t>(table.rows()));
  std::optional<ColumnHasher> group;
  if (table.group) group.emplace(*table.group, kSplitSalt);
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    keys[at] = HashWord(group ? (*group)(row) : row_hashes[at], kSplitSalt);
  }
  return keys;
}

void CheckSplit(const Table &table, const Split &split) {
  const std::int64_t labelled = table.rows() - split.null_targets;
  const auto usable =
      static_cast<std::int64_t>(split.train.size() + split.valid.size() + split.test.size());
  const std::string relation = fmt::format("relation \"{}\"", table.relation);
  if (table.rows() > 0 && labelled == 0) {
    throw Error(ErrorKind::kBadData,
                fmt::format("target column \"{}\" holds only NULL", table.target.name()));
  }
  if (usable < kFewestRows) {
    throw Error(
        ErrorKind::kBadData, fmt::format("{} has too few rows to learn from", relation),
        fmt::format("It has {} rows, {} of them with a target, {} of those in a split; {} "
                    "are needed.",
                    table.rows(), labelled, usable, kFewestRows),
        table.split && usable < labelled
            ? fmt::format("Column \"{}\" should say train, valid or test.", table.split->name())
            : "");
  }
  if (!split.train.empty() && !split.valid.empty()) return;
  const char *missing = split.train.empty() ? "train" : "validate";
  throw Error(ErrorKind::kBadData, fmt::format("{} has no row to {} on", relation, missing),
              table.split ? fmt::format("Column \"{}\" marks none.", table.split->name())
              : table.group
                  ? fmt::format("All rows have the same value of \"{}\".", table.group->name())
                  : "All rows have the same feature values.",
              "Mark rows with train, valid and test in a column and name it in split.");
}

}  // namespace

std::vector<std::uint64_t> HashRows(const Table &table, const std::stop_token &stop) {
  constexpr std::int64_t kRowsBetweenStops = 1 << 18;
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(table.rows()), 0);
  for (const Column &column : table.features) {
    const std::uint64_t name = XXH3_64bits(column.name().data(), column.name().size());
    const ColumnHasher hasher(column, name);
    for (std::int64_t row = 0; row < table.rows(); ++row) {
      if (row % kRowsBetweenStops == 0) ThrowIfStopped(stop);
      // A sum does not care for the order of the columns.
      hashes[static_cast<std::size_t>(row)] += hasher(row);
    }
  }
  return hashes;
}

Split SplitRows(const Table &table, const std::vector<std::uint64_t> &row_hashes) {
  Split split;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    split.null_targets += table.target.is_null(row) ? 1 : 0;
  }
  if (table.split) {
    SplitByColumn(table, &split);
  } else {
    const std::vector<std::uint64_t> keys = SplitKeys(table, row_hashes);
    SplitByShare(table, keys, &split);
    if (split.train.empty() || split.valid.empty() || split.test.empty()) {
      split = Split{{}, {}, {}, split.null_targets};
      SplitByRank(table, keys, &split);
    }
  }
  CheckSplit(table, split);
  return split;
}

bool LooksLikeSplit(const Column &column) {
  if (column.kind() != ColumnKind::kText || column.dictionary().size() < 2) return false;
  return std::all_of(column.dictionary().begin(), column.dictionary().end(),
                     [](std::string_view word) { return PartOfWord(word) != Part::kNone; });
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
