#include "core/intermediates/statistics_bytes.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/intermediates/chunk.h"
#include "core/intermediates/partition.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::string_view kMagic = "TRST";
constexpr std::uint16_t kVersion = 1;
static_assert(kStatisticsHeaderBytes == 4 + 2 * sizeof(std::uint16_t) + 2 * sizeof(std::int64_t) +
                                            sizeof(double) + 2 * sizeof(std::int32_t));

[[noreturn]] void ThrowCorrupt(std::string detail) {
  throw Error(ErrorKind::kCorruptData, "stored statistics are corrupt", std::move(detail));
}

template <typename T>
void Put(T value, std::string *to) {
  static_assert(std::is_arithmetic_v<T>);
  to->append(reinterpret_cast<const char *>(&value), sizeof(value));
}

template <typename T>
T Take(std::string_view *from) {
  static_assert(std::is_arithmetic_v<T>);
  if (from->size() < sizeof(T)) ThrowCorrupt("They end too early.");
  T value;
  std::memcpy(&value, from->data(), sizeof(value));
  from->remove_prefix(sizeof(value));
  return value;
}

void PutColumn(const ColumnStatistics &column, std::string *to) {
  for (const std::int64_t count : {column.rows, column.zeros, column.not_finite, column.nans}) {
    Put(count, to);
  }
  Put(column.least, to);
  Put(column.largest, to);
  Put(column.sum, to);
  Put(column.squares, to);
  Put(static_cast<std::uint16_t>(column.top.size()), to);
  for (const RowValue &row : column.top) {
    Put(row.row, to);
    Put(row.value, to);
  }
}

ColumnStatistics TakeColumn(std::int64_t rows, std::string_view *from) {
  ColumnStatistics column;
  for (std::int64_t *const count :
       {&column.rows, &column.zeros, &column.not_finite, &column.nans}) {
    *count = Take<std::int64_t>(from);
    if (*count < 0 || *count > rows) ThrowCorrupt("A column counts rows that it cannot have.");
  }
  if (column.rows != rows) {
    ThrowCorrupt(fmt::format("A column is of {} rows, and all are of {}.", column.rows, rows));
  }
  column.least = Take<float>(from);
  column.largest = Take<float>(from);
  column.sum = Take<double>(from);
  column.squares = Take<double>(from);
  const auto largest_rows = Take<std::uint16_t>(from);
  if (largest_rows > ColumnStatistics::kLargestRows) ThrowCorrupt("A column has too many rows.");
  for (std::uint16_t i = 0; i < largest_rows; ++i) {
    const auto row = Take<std::int64_t>(from);
    if (row < 0 || row >= rows) ThrowCorrupt("A row is outside the intermediate.");
    column.top.push_back({row, Take<float>(from)});
  }
  return column;
}

struct Header {
  std::uint16_t columns = 0;
  GroupName name;
  GroupCost cost;
};

Header TakeHeader(std::string_view *from) {
  if (!from->starts_with(kMagic)) ThrowCorrupt("They do not begin as statistics do.");
  from->remove_prefix(kMagic.size());
  const auto version = Take<std::uint16_t>(from);
  if (version == 0 || version > kVersion) {
    ThrowCorrupt(fmt::format("They have version {}, this build reads {}.", version, kVersion));
  }
  Header header;
  header.columns = Take<std::uint16_t>(from);
  header.cost.rows = Take<std::int64_t>(from);
  header.cost.flops_per_row = Take<double>(from);
  if (header.cost.rows < 0 || !(header.cost.flops_per_row >= 0) ||
      std::isinf(header.cost.flops_per_row)) {
    ThrowCorrupt("Their rows or operations cannot be.");
  }
  header.name.intermediate = Take<std::int64_t>(from);
  header.name.epoch = Take<std::int32_t>(from);
  header.name.first_column = Take<std::int32_t>(from);
  return header;
}

}  // namespace

std::string WriteStatistics(const Scheme &scheme, const GroupStatistics &group) {
  const std::size_t quantisers = scheme.kind == SchemeKind::kStats ? 0 : group.columns.size();
  if (group.columns.empty() || group.columns.size() > kPartitionColumns ||
      group.quantisers.size() != quantisers) {
    throw Error(ErrorKind::kInternal, "statistics are not those of a column group");
  }
  std::string bytes(kMagic);
  Put(kVersion, &bytes);
  Put(static_cast<std::uint16_t>(group.columns.size()), &bytes);
  Put(group.cost.rows, &bytes);
  Put(group.cost.flops_per_row, &bytes);
  Put(group.name.intermediate, &bytes);
  Put(group.name.epoch, &bytes);
  Put(group.name.first_column, &bytes);
  for (std::size_t i = 0; i < group.columns.size(); ++i) {
    PutColumn(group.columns[i], &bytes);
    if (quantisers > 0) group.quantisers[i].Write(&bytes);
  }
  Put(Crc32c(bytes), &bytes);
  return bytes;
}

GroupStatistics ReadStatisticsBytes(const Scheme &scheme, std::int32_t columns,
                                    std::string_view bytes) {
  if (bytes.size() < kStatisticsHeaderBytes + sizeof(std::uint32_t)) {
    ThrowCorrupt("They end too early.");
  }
  std::string_view checksum = bytes.substr(bytes.size() - sizeof(std::uint32_t));
  std::string_view left = bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
  if (Take<std::uint32_t>(&checksum) != Crc32c(left)) ThrowCorrupt("Their checksum is wrong.");
  const Header header = TakeHeader(&left);
  if (header.columns != columns) {
    ThrowCorrupt(fmt::format("They are of {} columns, not of {}.", header.columns, columns));
  }
  GroupStatistics group;
  group.name = header.name;
  group.cost = header.cost;
  for (std::int32_t i = 0; i < columns; ++i) {
    group.columns.push_back(TakeColumn(header.cost.rows, &left));
    if (scheme.kind != SchemeKind::kStats) {
      group.quantisers.push_back(Quantiser::Read(scheme, &left));
    }
  }
  if (!left.empty()) ThrowCorrupt("Something follows them.");
  return group;
}

GroupCost PeekCost(std::string_view prefix) {
  return TakeHeader(&prefix).cost;
}

}  // namespace trails
