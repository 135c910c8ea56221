#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/logged_inputs.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace trails::pg {

namespace {

constexpr std::uint64_t kNullKey = std::uint64_t{1} << 63;

// Calls visit(first column, columns) for each column group.
template <typename Visit>
void ForEachGroup(std::int32_t columns, Visit visit) {
  for (std::int32_t first = 0; first < columns; first += kPartitionColumns) {
    visit(first, std::min(columns - first, kPartitionColumns));
  }
}

std::int32_t ColumnsOf(std::int32_t categorical, std::int32_t numeric, bool has_key,
                       bool has_split) {
  return categorical + numeric + 1 + (has_key ? 2 : 0) + (has_split ? 1 : 0);
}

template <typename Number>
void Append(Number number, std::string *to) {
  to->append(reinterpret_cast<const char *>(&number), sizeof(number));
}

template <typename Number>
Number ElementAt(const std::string &elements, std::size_t row) {
  Number number;
  std::memcpy(&number, elements.data() + row * sizeof(Number), sizeof(Number));
  return number;
}

// Turns columns into rows: to [rows.size(), columns.size()]. A few rows at a time, so that what is
// written stays in the first-level cache.
template <typename Number>
void Spread(std::span<const std::string> columns, std::span<const std::int32_t> rows, Number *to) {
  constexpr std::size_t kTileRows = 16;
  for (std::size_t first = 0; first < rows.size(); first += kTileRows) {
    const auto tile = rows.subspan(first, std::min(kTileRows, rows.size() - first));
    for (std::size_t column = 0; column < columns.size(); ++column) {
      Number *out = to + first * columns.size() + column;
      for (const std::int32_t row : tile) {
        *out = ElementAt<Number>(columns[column], static_cast<std::size_t>(row));
        out += columns.size();
      }
    }
  }
}

template <typename Number>
std::vector<Number> Numbers(const std::string &elements) {
  std::vector<Number> numbers(elements.size() / sizeof(Number));
  std::memcpy(numbers.data(), elements.data(), numbers.size() * sizeof(Number));
  return numbers;
}

}  // namespace

InputWriter::InputWriter(std::int64_t intermediate, std::int32_t categorical, std::int32_t numeric,
                         bool has_key, bool has_split)
    : intermediate_(intermediate),
      categorical_(categorical),
      numeric_(numeric),
      has_key_(has_key),
      has_split_(has_split),
      elements_(static_cast<std::size_t>(ColumnsOf(categorical, numeric, has_key, has_split))),
      widths_(static_cast<std::size_t>(categorical + numeric), 4) {
  widths_.push_back(8);
  if (has_key) widths_.insert(widths_.end(), {8, 1});
  if (has_split) widths_.push_back(1);
}

void InputWriter::Put(const InputRow &row) {
  auto column = elements_.begin();
  for (std::int32_t i = 0; i < categorical_; ++i) Append(row.ids[i], &*column++);
  for (std::int32_t i = 0; i < numeric_; ++i) Append(row.values[i], &*column++);
  Append(row.label, &*column++);
  if (has_key_) {
    std::string &ends = *column++;
    std::string &text = *column++;
    if (row.key) text += *row.key;
    Append(static_cast<std::uint64_t>(text.size()) | (row.key ? 0 : kNullKey), &ends);
  }
  if (has_split_) Append(row.part.value(), &*column);
  ++rows_;
  if (rows_ % kBlockRows == 0) PutBlock();
}

void InputWriter::Finish() {
  if (rows_ % kBlockRows != 0) PutBlock();
}

void InputWriter::PutBlock() {
  const auto block = static_cast<std::int32_t>((rows_ - 1) / kBlockRows);
  const std::int64_t rows = rows_ - block * kBlockRows;
  WithCatalog([&](CatalogSession &catalog) {
    GroupWriter writer(catalog, Shelf::kDurable, false);
    ForEachGroup(static_cast<std::int32_t>(elements_.size()),
                 [&](std::int32_t first, std::int32_t columns) {
                   const auto at = static_cast<std::size_t>(first);
                   const auto count = static_cast<std::size_t>(columns);
                   writer.PutBlock({intermediate_, first, columns}, block, rows,
                                   std::span<const std::string>(elements_).subspan(at, count),
                                   std::span<const std::int32_t>(widths_).subspan(at, count));
                 });
    const WrittenGroup &block_written = writer.written();
    written_.partitions += block_written.partitions;
    written_.bytes += block_written.bytes;
    written_.chunks += block_written.chunks;
    written_.references += block_written.references;
  });
  for (std::string &column : elements_) column.clear();
}

LoggedInputs::LoggedInputs(CatalogSession &catalog, const DatasetRow &dataset,
                           std::vector<std::int32_t> blocks)
    : intermediate_(dataset.intermediate_id),
      all_rows_(dataset.rows),
      categorical_(dataset.categorical),
      numeric_(dataset.numeric),
      has_key_(dataset.has_key()),
      has_split_(dataset.has_split),
      blocks_(std::move(blocks)) {
  ForEachGroup(ColumnsOf(categorical_, numeric_, has_key_, has_split_),
               [&](std::int32_t first, std::int32_t columns) {
                 groups_.emplace_back(catalog, Shelf::kDurable,
                                      ColumnGroup{intermediate_, first, columns}, blocks_);
               });
}

void LoggedInputs::Begin(std::size_t index, InputBlock *block) const {
  block->first_row = blocks_.at(index) * kBlockRows;
  block->rows = std::min(kBlockRows, all_rows_ - block->first_row);
}

void LoggedInputs::ReadColumns(std::size_t index, std::int32_t first, std::int32_t count) {
  elements_.resize(static_cast<std::size_t>(count));
  std::size_t done = 0;
  while (done < elements_.size()) {
    const std::int32_t column = first + static_cast<std::int32_t>(done);
    const std::int32_t within = column % kPartitionColumns;
    const std::size_t here =
        std::min(elements_.size() - done, static_cast<std::size_t>(kPartitionColumns - within));
    std::vector<std::int32_t> columns(here);
    std::iota(columns.begin(), columns.end(), within);
    groups_[static_cast<std::size_t>(column / kPartitionColumns)].Read(index, columns,
                                                                       elements_.data() + done);
    done += here;
  }
}

void LoggedInputs::CheckBytes(std::size_t index, std::int32_t column, std::size_t bytes,
                              std::size_t expected) const {
  if (bytes == expected) return;
  throw Error(ErrorKind::kCorruptData,
              fmt::format("block {} of intermediate {} is corrupt", blocks_[index], intermediate_),
              fmt::format("Column {} has {} bytes instead of {}.", column + 1, bytes, expected));
}

void LoggedInputs::Read(std::size_t index, InputBlock *block) {
  Begin(index, block);
  std::vector<std::int32_t> all(static_cast<std::size_t>(block->rows));
  std::iota(all.begin(), all.end(), 0);
  Read(index, all, block);
}

void LoggedInputs::Read(std::size_t index, std::span<const std::int32_t> rows, InputBlock *block) {
  Begin(index, block);
  const auto stored_rows = static_cast<std::size_t>(block->rows);
  const auto categorical = static_cast<std::size_t>(categorical_);
  const auto numeric = static_cast<std::size_t>(numeric_);
  const std::int32_t label = categorical_ + numeric_;
  ReadColumns(index, 0, label + 1);
  for (std::int32_t column = 0; column <= label; ++column) {
    CheckBytes(index, column, elements_[static_cast<std::size_t>(column)].size(),
               stored_rows * (column == label ? sizeof(double) : sizeof(float)));
  }
  block->rows = std::ssize(rows);
  block->ids.resize(rows.size() * categorical);
  block->values.resize(rows.size() * numeric);
  block->labels.resize(rows.size());
  const std::span<const std::string> columns(elements_);
  Spread(columns.first(categorical), rows, block->ids.data());
  Spread(columns.subspan(categorical, numeric), rows, block->values.data());
  Spread(columns.subspan(categorical + numeric, 1), rows, block->labels.data());
}

void LoggedInputs::ReadLabels(std::size_t index, InputBlock *block) {
  Begin(index, block);
  const std::int32_t column = categorical_ + numeric_;
  ReadColumns(index, column, 1);
  CheckBytes(index, column, elements_[0].size(),
             static_cast<std::size_t>(block->rows) * sizeof(double));
  block->labels = Numbers<double>(elements_[0]);
}

void LoggedInputs::ReadKeys(std::size_t index, InputBlock *block) {
  Begin(index, block);
  block->keys.assign(static_cast<std::size_t>(block->rows), std::nullopt);
  if (!has_key_) return;
  const std::int32_t column = categorical_ + numeric_ + 1;
  ReadColumns(index, column, 2);
  CheckBytes(index, column, elements_[0].size(), block->keys.size() * sizeof(std::uint64_t));
  const auto ends = Numbers<std::uint64_t>(elements_[0]);
  const std::string &text = elements_[1];
  std::size_t start = 0;
  for (std::size_t row = 0; row < ends.size(); ++row) {
    const std::uint64_t end = ends[row] & ~kNullKey;
    if (end < start || end > text.size()) CheckBytes(index, column + 1, text.size(), end);
    if ((ends[row] & kNullKey) == 0) block->keys[row] = text.substr(start, end - start);
    start = end;
  }
  CheckBytes(index, column + 1, text.size(), start);
}

void LoggedInputs::ReadParts(std::size_t index, InputBlock *block) {
  Begin(index, block);
  block->parts.assign(static_cast<std::size_t>(block->rows), std::nullopt);
  if (!has_split_) return;
  const std::int32_t column = ColumnsOf(categorical_, numeric_, has_key_, false);
  ReadColumns(index, column, 1);
  CheckBytes(index, column, elements_[0].size(), block->parts.size());
  for (std::size_t row = 0; row < block->parts.size(); ++row) {
    const auto part = static_cast<std::uint8_t>(elements_[0][row]);
    if (part > static_cast<std::uint8_t>(SplitPart::kTest)) {
      throw Error(
          ErrorKind::kCorruptData,
          fmt::format("block {} of intermediate {} is corrupt", blocks_[index], intermediate_),
          fmt::format("Column {} has a value {}, which is no part of a split.", column + 1, part));
    }
    block->parts[row] = static_cast<SplitPart>(part);
  }
}

ReadWork LoggedInputs::work() const noexcept {
  ReadWork all;
  for (const GroupReader &group : groups_) {
    all.slices += group.work().slices;
    all.bytes += group.work().bytes;
    all.values += group.work().values;
  }
  return all;
}

double LoggedInputs::fetch_seconds() const noexcept {
  double seconds = 0;
  for (const GroupReader &group : groups_) seconds += group.fetch_seconds();
  return seconds;
}

}  // namespace trails::pg
