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

std::int32_t ColumnsOf(std::int32_t categorical, std::int32_t numeric, bool has_key) {
  return categorical + numeric + 1 + (has_key ? 2 : 0);
}

template <typename Number>
void Append(Number number, std::string *to) {
  to->append(reinterpret_cast<const char *>(&number), sizeof(number));
}

// Spreads a column over rows of `stride` numbers.
template <typename Number>
void Spread(const std::string &elements, std::size_t stride, Number *first) {
  const std::size_t rows = elements.size() / sizeof(Number);
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(first + row * stride, elements.data() + row * sizeof(Number), sizeof(Number));
  }
}

}  // namespace

InputWriter::InputWriter(std::int64_t intermediate, std::int32_t categorical, std::int32_t numeric,
                         bool has_key)
    : intermediate_(intermediate),
      categorical_(categorical),
      numeric_(numeric),
      has_key_(has_key),
      elements_(static_cast<std::size_t>(ColumnsOf(categorical, numeric, has_key))),
      widths_(static_cast<std::size_t>(categorical + numeric), 4) {
  widths_.push_back(8);
  if (has_key) widths_.insert(widths_.end(), {8, 1});
}

void InputWriter::Put(const InputRow &row) {
  auto column = elements_.begin();
  for (std::int32_t i = 0; i < categorical_; ++i) Append(row.ids[i], &*column++);
  for (std::int32_t i = 0; i < numeric_; ++i) Append(row.values[i], &*column++);
  Append(row.label, &*column++);
  if (has_key_) {
    std::string &text = elements_.back();
    if (row.key) text += *row.key;
    Append(static_cast<std::uint64_t>(text.size()) | (row.key ? 0 : kNullKey), &*column);
  }
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
      blocks_(std::move(blocks)) {
  ForEachGroup(ColumnsOf(categorical_, numeric_, has_key_),
               [&](std::int32_t first, std::int32_t columns) {
                 groups_.emplace_back(catalog, Shelf::kDurable,
                                      ColumnGroup{intermediate_, first, columns}, blocks_);
               });
}

void LoggedInputs::Begin(std::size_t index, InputBlock *block) const {
  block->first_row = blocks_.at(index) * kBlockRows;
  block->rows = std::min(kBlockRows, all_rows_ - block->first_row);
}

std::vector<std::string> LoggedInputs::ReadColumns(std::size_t index, std::int32_t first,
                                                   std::int32_t count) {
  std::vector<std::string> elements(static_cast<std::size_t>(count));
  std::size_t done = 0;
  while (done < elements.size()) {
    const std::int32_t column = first + static_cast<std::int32_t>(done);
    const std::int32_t within = column % kPartitionColumns;
    const std::size_t here =
        std::min(elements.size() - done, static_cast<std::size_t>(kPartitionColumns - within));
    std::vector<std::int32_t> columns(here);
    std::iota(columns.begin(), columns.end(), within);
    groups_[static_cast<std::size_t>(column / kPartitionColumns)].Read(index, columns,
                                                                       elements.data() + done);
    done += here;
  }
  return elements;
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
  const auto rows = static_cast<std::size_t>(block->rows);
  const std::vector<std::string> elements = ReadColumns(index, 0, categorical_ + numeric_ + 1);
  block->ids.resize(rows * static_cast<std::size_t>(categorical_));
  block->values.resize(rows * static_cast<std::size_t>(numeric_));
  block->labels.resize(rows);
  for (std::int32_t column = 0; column <= categorical_ + numeric_; ++column) {
    const std::string &bytes = elements[static_cast<std::size_t>(column)];
    const bool is_label = column == categorical_ + numeric_;
    CheckBytes(index, column, bytes.size(), rows * (is_label ? sizeof(double) : sizeof(float)));
    if (is_label) {
      Spread(bytes, 1, block->labels.data());
    } else if (column < categorical_) {
      Spread(bytes, static_cast<std::size_t>(categorical_), block->ids.data() + column);
    } else {
      Spread(bytes, static_cast<std::size_t>(numeric_),
             block->values.data() + (column - categorical_));
    }
  }
}

void LoggedInputs::ReadLabels(std::size_t index, InputBlock *block) {
  Begin(index, block);
  const std::int32_t column = categorical_ + numeric_;
  const std::vector<std::string> elements = ReadColumns(index, column, 1);
  block->labels.resize(static_cast<std::size_t>(block->rows));
  CheckBytes(index, column, elements[0].size(), block->labels.size() * sizeof(double));
  Spread(elements[0], 1, block->labels.data());
}

void LoggedInputs::ReadKeys(std::size_t index, InputBlock *block) {
  Begin(index, block);
  block->keys.assign(static_cast<std::size_t>(block->rows), std::nullopt);
  if (!has_key_) return;
  const std::int32_t column = categorical_ + numeric_ + 1;
  const std::vector<std::string> elements = ReadColumns(index, column, 2);
  std::vector<std::uint64_t> ends(block->keys.size());
  CheckBytes(index, column, elements[0].size(), ends.size() * sizeof(std::uint64_t));
  Spread(elements[0], 1, ends.data());
  const std::string &text = elements[1];
  std::size_t start = 0;
  for (std::size_t row = 0; row < ends.size(); ++row) {
    const std::uint64_t end = ends[row] & ~kNullKey;
    if (end < start || end > text.size()) CheckBytes(index, column + 1, text.size(), end);
    if ((ends[row] & kNullKey) == 0) block->keys[row] = text.substr(start, end - start);
    start = end;
  }
  CheckBytes(index, column + 1, text.size(), start);
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
