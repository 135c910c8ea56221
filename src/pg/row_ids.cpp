#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/row_ids.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "pg/foreign_log.h"
#include "pg/pipeline_catalog.h"

namespace trails::pg {

namespace {

[[noreturn]] void ThrowNotLogged(const std::string &layer, std::int64_t id) {
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("row {} of layer \"{}\" was not logged", id, layer));
}

}  // namespace

RowIds::RowIds(const IntermediateRow &layer)
    : layer_(layer.layer), is_positions_(!layer.has_row_ids()) {
  if (!is_positions_) ids_ = ReadIds(layer);
}

std::vector<std::int64_t> RowIds::ReadIds(const IntermediateRow &layer) const {
  return WithCatalog([&](CatalogSession &catalog) {
    if (layer.is_stage) return *ReadRowIds(catalog, layer);
    SqlParameters parameters;
    parameters.AddBigint(layer.intermediate_id);
    const bool is_there =
        catalog.WriteOften("SELECT rows FROM trails.intermediate WHERE intermediate_id = $1",
                           parameters) > 0;
    if (!is_there) {
      throw Error(ErrorKind::kUndefinedObject,
                  fmt::format("layer \"{}\" was dropped meanwhile", layer.layer));
    }
    const std::int64_t rows = catalog.Bigint(0, 0);
    std::vector<std::int32_t> blocks(
        static_cast<std::size_t>((rows + kBlockRows - 1) / kBlockRows));
    std::iota(blocks.begin(), blocks.end(), 0);
    const ColumnGroup group = RowIdGroup(layer);
    GroupReader reader(catalog, Shelf::kDurable, group, blocks);
    const std::int32_t column = 0;
    std::vector<std::int64_t> ids(static_cast<std::size_t>(rows));
    std::string elements;
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      reader.Read(block, std::span(&column, 1), &elements);
      const auto first = static_cast<std::int64_t>(block) * kBlockRows;
      const auto bytes =
          static_cast<std::size_t>(std::min(kBlockRows, rows - first)) * sizeof(rows);
      // Blocks are looked up after the rows, and may have more of them by then.
      if (elements.size() < bytes) {
        throw Error(
            ErrorKind::kCorruptData,
            fmt::format("block {} of intermediate {} is corrupt", block, layer.intermediate_id),
            fmt::format("The ids of its rows have {} bytes instead of {}.", elements.size(),
                        bytes));
      }
      std::memcpy(ids.data() + first, elements.data(), bytes);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
    return ids;
  });
}

std::int64_t RowIds::PositionOf(std::int64_t id) const {
  if (is_positions_) return id - 1;
  const auto found = std::ranges::find(ids_, id);
  if (found == ids_.end()) ThrowNotLogged(layer_, id);
  return found - ids_.begin();
}

std::vector<std::int64_t> RowIds::PositionsOf(const std::vector<std::int64_t> &ids) const {
  std::vector<std::int64_t> positions;
  if (is_positions_) {
    for (const std::int64_t id : ids) positions.push_back(PositionOf(id));
    return positions;
  }
  std::vector<std::int64_t> by_id(ids_.size());
  std::iota(by_id.begin(), by_id.end(), 0);
  const auto id_at = [this](std::int64_t position) {
    return ids_[static_cast<std::size_t>(position)];
  };
  if (!std::ranges::is_sorted(ids_)) std::ranges::sort(by_id, {}, id_at);
  for (const std::int64_t id : ids) {
    const auto found = std::ranges::lower_bound(by_id, id, {}, id_at);
    if (found == by_id.end() || id_at(*found) != id) ThrowNotLogged(layer_, id);
    positions.push_back(*found);
  }
  return positions;
}

std::int64_t RowIds::FirstDifference(const RowIds &other, std::int64_t rows) const {
  if (is_positions_ && other.is_positions_) return rows;
  std::int64_t row = 0;
  while (row < rows && IdOf(row) == other.IdOf(row)) ++row;
  return row;
}

}  // namespace trails::pg
