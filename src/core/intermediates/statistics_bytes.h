// Statistics and quantisers of a column group, as the store keeps them.
//
//   "TRST" | version u16 | columns u16 | rows i64 | operations a row f64 |
//   intermediate i64 | epoch i32 | first column i32
//   each column: rows, zeros, not finite, NaN i64 | least, largest f32 | sum, squares f64 |
//                largest rows u16 | (row i64, value f32) each | its quantiser (not with kStats)
//   CRC-32C of all before u32
//
// Little-endian. They say whose they are, so that a row that was mixed up with another is seen.
//
// May touch: src/core/intermediates, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/column_statistics.h"
#include "core/intermediates/quantiser.h"
#include "core/intermediates/scheme.h"

namespace trails {

// Bytes that PeekCost needs.
inline constexpr std::size_t kStatisticsHeaderBytes = 40;

// What a RERUN of the group's layer takes: beside the statistics, so that the worth of any stored
// group can be told without its model.
struct GroupCost {
  std::int64_t rows = 0;
  double flops_per_row = 0;

  bool operator==(const GroupCost &) const = default;
};

// Whose statistics they are.
struct GroupName {
  std::int64_t intermediate = 0;
  std::int32_t epoch = 0;
  std::int32_t first_column = 0;

  bool operator==(const GroupName &) const = default;
};

struct GroupStatistics {
  GroupName name;
  GroupCost cost;
  std::vector<ColumnStatistics> columns;
  std::vector<Quantiser> quantisers;  // [columns]; none with kStats
};

// Throws Error(kInternal) without a column, with more than kPartitionColumns, or with another
// number of quantisers than the scheme has.
std::string WriteStatistics(const Scheme &scheme, const GroupStatistics &group);

// Throws Error(kCorruptData) for anything but what WriteStatistics wrote for that scheme and so
// many columns, and for a column of other rows than the group's. Whether the name is the right one
// is for the caller to see. Never reads outside `bytes`.
GroupStatistics ReadStatisticsBytes(const Scheme &scheme, std::int32_t columns,
                                    std::string_view bytes);

// The cost from the first kStatisticsHeaderBytes bytes, whose checksum is not looked at.
// Throws Error(kCorruptData) for fewer bytes, another magic, a newer version or numbers that no
// group has.
GroupCost PeekCost(std::string_view prefix);

}  // namespace trails
