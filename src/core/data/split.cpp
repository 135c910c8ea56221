// May touch: src/core/data, include/trails.
#include "core/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "core/data/row_hash.h"
#include "trails/error.h"

namespace trails {

namespace {

// Changing any of these moves rows between splits: models trained before would then be judged on
// rows they were trained on.
constexpr std::uint64_t kSplitSalt = 0x73706C69;
constexpr double kTrainShare = 0.8;
constexpr double kValidShare = 0.1;
constexpr std::int64_t kFewestRows = 20;

SplitPart PartOfWord(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower == "train") return SplitPart::kTrain;
  if (lower == "valid" || lower == "validation") return SplitPart::kValid;
  return lower == "test" ? SplitPart::kTest : SplitPart::kNone;
}

constexpr std::uint64_t kLastKey = std::numeric_limits<std::uint64_t>::max();

// The last of the keys whose upper 53 bits are below that share of all.
std::uint64_t LastKeyBelow(double share) {
  return (static_cast<std::uint64_t>(std::ceil(share * 0x1.0p53)) << 11) - 1;
}

SplitPart PartOfKey(std::uint64_t key, const SplitBounds &bounds) {
  if (key <= bounds.last_train) return SplitPart::kTrain;
  return key <= bounds.last_valid ? SplitPart::kValid : SplitPart::kTest;
}

void Add(SplitPart part, std::int64_t row, Split *split) {
  const auto at = static_cast<std::int32_t>(row);
  switch (part) {
    case SplitPart::kTrain: split->train.push_back(at); break;
    case SplitPart::kValid: split->valid.push_back(at); break;
    case SplitPart::kTest: split->test.push_back(at); break;
    case SplitPart::kNone: break;
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
  std::vector<SplitPart> parts;
  for (const std::string_view word : column.dictionary()) parts.push_back(PartOfWord(word));
  parts.push_back(SplitPart::kNone);
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    const std::int32_t code = column.code(row);
    if (code < 0 || table.target.is_null(row)) continue;
    Add(parts[static_cast<std::size_t>(code)], row, split);
  }
}

// keys [rows]: rows of equal key stay together.
void SplitByKeys(const Table &table, const std::vector<std::uint64_t> &keys,
                 const SplitBounds &bounds, Split *split) {
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (table.target.is_null(row)) continue;
    Add(PartOfKey(keys[static_cast<std::size_t>(row)], bounds), row, split);
  }
}

SplitBounds BoundsOfShares() {
  return {LastKeyBelow(kTrainShare), LastKeyBelow(kTrainShare + kValidShare)};
}

SplitBounds BoundsOfRanks(const Table &table, const std::vector<std::uint64_t> &keys) {
  std::vector<std::uint64_t> ranked;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (!table.target.is_null(row)) ranked.push_back(keys[static_cast<std::size_t>(row)]);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.erase(std::unique(ranked.begin(), ranked.end()), ranked.end());
  // The ends are given away first, so that a few keys still make every part they can.
  const std::size_t count = ranked.size();
  const std::size_t tested = count < 3 ? 0 : std::max<std::size_t>(1, count / 10);
  const std::size_t validated = count < 2 ? 0 : std::max<std::size_t>(1, count / 10);
  SplitBounds bounds{kLastKey, kLastKey};
  if (validated > 0) bounds.last_train = ranked[count - tested - validated - 1];
  if (tested > 0) bounds.last_valid = ranked[count - tested - 1];
  return bounds;
}

std::uint64_t KeyOf(std::uint64_t hash) {
  return HashWord(hash, kSplitSalt);
}

std::vector<std::uint64_t> SplitKeys(const Table &table,
                                     const std::vector<std::uint64_t> &row_hashes) {
  std::vector<std::uint64_t> keys = table.group ? HashColumn(*table.group, kSplitSalt) : row_hashes;
  for (std::uint64_t &key : keys) key = KeyOf(key);
  return keys;
}

bool Overflows(const Column &column) {
  return column.kind() == ColumnKind::kText &&
         column.dictionary().size() >= static_cast<std::size_t>(Column::kMaxDistinct);
}

// Whether a row alone tells its key.
bool RowsTellKeys(const Table &table) {
  if (table.group) return !Overflows(*table.group);
  return std::none_of(table.features.begin(), table.features.end(), Overflows);
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

Split SplitRows(const Table &table, const std::vector<std::uint64_t> &row_hashes) {
  Split split;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    split.null_targets += table.target.is_null(row) ? 1 : 0;
  }
  if (table.split) {
    SplitByColumn(table, &split);
    split.bounds.emplace();
  } else {
    const std::vector<std::uint64_t> keys = SplitKeys(table, row_hashes);
    SplitBounds bounds = BoundsOfShares();
    SplitByKeys(table, keys, bounds, &split);
    if (split.train.empty() || split.valid.empty() || split.test.empty()) {
      split = Split{{}, {}, {}, split.null_targets, {}};
      bounds = BoundsOfRanks(table, keys);
      SplitByKeys(table, keys, bounds, &split);
    }
    if (RowsTellKeys(table)) split.bounds = bounds;
  }
  CheckSplit(table, split);
  return split;
}

std::vector<std::string> SplitRule::columns() const {
  if (!split.empty()) return {split};
  return group.empty() ? features : std::vector<std::string>{group};
}

RowSplitter::RowSplitter(const SplitRule &rule, std::span<const InputColumn> columns)
    : by_words_(!rule.split.empty()), bounds_(rule.bounds) {
  for (const std::string &name : rule.columns()) {
    const auto found = std::ranges::find(columns, name, &InputColumn::name);
    if (found == columns.end()) {
      throw Error(ErrorKind::kUndefinedColumn, fmt::format("column \"{}\" is not there", name),
                  "It decides which rows were trained on.");
    }
    sources_.push_back({static_cast<std::size_t>(found - columns.begin()), found->kind,
                        rule.group.empty() ? SeedOfColumn(name) : kSplitSalt});
  }
}

SplitPart RowSplitter::PartOf(std::span<const Cell> cells) const {
  if (by_words_) {
    const Cell &cell = cells[sources_.front().cell];
    return cell.is_null ? SplitPart::kNone : PartOfWord(cell.text);
  }
  std::uint64_t hash = 0;
  for (const Source &source : sources_)
    hash += HashCell(cells[source.cell], source.kind, source.seed);
  return PartOfKey(KeyOf(hash), bounds_);
}

std::string_view Name(SplitPart part) noexcept {
  switch (part) {
    case SplitPart::kTrain: return "train";
    case SplitPart::kValid: return "valid";
    case SplitPart::kTest: return "test";
    case SplitPart::kNone: break;
  }
  return "none";
}

bool LooksLikeSplit(const Column &column) {
  if (column.kind() != ColumnKind::kText || column.dictionary().size() < 2) return false;
  return std::all_of(column.dictionary().begin(), column.dictionary().end(),
                     [](std::string_view word) { return PartOfWord(word) != SplitPart::kNone; });
}

}  // namespace trails
