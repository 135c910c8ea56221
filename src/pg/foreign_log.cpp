#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/foreign_log.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/codes.h"
#include "pg/named_object.h"
#include "pg/row_seal.h"
#include "pg/settings.h"
#include "pg/statistics_cache.h"

namespace trails::pg {

namespace {

// Rows of a batch that are in one block.
struct Piece {
  std::int32_t block = 0;
  std::int64_t first = 0;  // in the batch
  std::int64_t rows = 0;
  std::int64_t before = 0;  // rows that the block has already
};

std::vector<Piece> PiecesOf(std::int64_t rows_before, std::int64_t rows) {
  std::vector<Piece> pieces;
  for (std::int64_t first = 0; first < rows;) {
    Piece piece;
    piece.block = static_cast<std::int32_t>((rows_before + first) / kBlockRows);
    piece.first = first;
    piece.before = (rows_before + first) % kBlockRows;
    piece.rows = std::min(kBlockRows - piece.before, rows - first);
    first += piece.rows;
    pieces.push_back(piece);
  }
  return pieces;
}

std::int32_t ElementBytes(std::int32_t bits) {
  return bits <= 8 ? 1 : bits / 8;
}

// Codes of `count` values, and those of `more_count` after them.
std::string JoinCodes(std::string codes, std::int64_t count, const std::string &more,
                      std::int64_t more_count, std::int32_t bits) {
  if (bits >= 8) return codes + more;
  std::vector<std::uint8_t> all(static_cast<std::size_t>(count + more_count));
  const std::span<std::uint8_t> both(all);
  kernels::UnpackCodes(reinterpret_cast<const std::byte *>(codes.data()), bits,
                       both.first(static_cast<std::size_t>(count)));
  kernels::UnpackCodes(reinterpret_cast<const std::byte *>(more.data()), bits,
                       both.subspan(static_cast<std::size_t>(count)));
  codes.resize(kernels::PackedBytes(all.size(), bits));
  kernels::PackCodes(all, bits, reinterpret_cast<std::byte *>(codes.data()));
  return codes;
}

// values [rows, columns] to out [columns, rows], some columns at a time so that what is read and
// what is written stay in the cache.
void Transpose(const float *values, std::int64_t rows, std::int64_t columns, float *out) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t first = 0; first < columns; first += kTile) {
    const std::int64_t end = std::min(first + kTile, columns);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = first; column < end; ++column) {
        out[column * rows + row] = values[row * columns + column];
      }
    }
  }
}

bool IsFitted(const Scheme &scheme) {
  return scheme.kind == SchemeKind::kQ8 || scheme.kind == SchemeKind::kKbit ||
         scheme.kind == SchemeKind::kThreshold;
}

bool NeedsSample(const Scheme &scheme) {
  return scheme.kind == SchemeKind::kKbit || scheme.kind == SchemeKind::kThreshold;
}

std::string ShapeText(const Shape &shape) {
  return shape.is_spatial() ? fmt::format("[{}, {}, {}]", shape.channels, shape.height, shape.width)
                            : fmt::format("[{}]", shape.channels);
}

// Appends a batch to a layer, and knows what is stored of it.
class Append {
 public:
  Append(CatalogSession &catalog, const ForeignBatch &batch, const IntermediateRow &layer)
      : catalog_(catalog),
        batch_(batch),
        layer_(layer),
        columns_(StoredShape(layer.scheme, layer.shape).columns()),
        pieces_(PiecesOf(layer.rows, static_cast<std::int64_t>(batch.row_ids.size()))) {}

  void RefuseKnownIds() {
    if (layer_.rows == 0) return;
    std::vector<std::int64_t> ids(batch_.row_ids.begin(), batch_.row_ids.end());
    std::ranges::sort(ids);
    std::vector<std::int32_t> blocks(
        static_cast<std::size_t>((layer_.rows + kBlockRows - 1) / kBlockRows));
    std::iota(blocks.begin(), blocks.end(), 0);
    GroupReader reader(catalog_, Shelf::kDurable, RowIdGroup(layer_), blocks);
    const std::int32_t column = 0;
    std::string elements;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      reader.Read(i, std::span(&column, 1), &elements);
      const auto *const stored = reinterpret_cast<const std::int64_t *>(elements.data());
      for (std::size_t row = 0; row < elements.size() / sizeof(std::int64_t); ++row) {
        if (!std::ranges::binary_search(ids, stored[row])) continue;
        throw Error(ErrorKind::kDuplicateObject, fmt::format("row {} of layer \"{}\" is logged "
                                                             "already",
                                                             stored[row], layer_.layer));
      }
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
  }

  // Adds the batch to the statistics, and fits the quantisers of a first one.
  void Observe() {
    known_ = std::make_shared<LayerStatistics>();
    const bool is_first = layer_.rows == 0;
    if (!is_first) {
      const auto before = FindStatistics(catalog_, layer_);
      if (before == nullptr) {
        throw Error(ErrorKind::kCorruptData,
                    fmt::format("statistics of layer \"{}\" are missing", layer_.layer), {},
                    "It can be logged anew after trails.drop_intermediates.");
      }
      *known_ = *before;
    }
    known_->columns.resize(static_cast<std::size_t>(columns_));
    std::vector<ColumnStatistics> seen(static_cast<std::size_t>(columns_));
    std::vector<std::vector<float>> samples(seen.size());
    const auto rows = static_cast<std::int64_t>(batch_.row_ids.size());
    const std::vector<std::int64_t> sampled = SampledRows(rows);
    const bool samples_rows = is_first && NeedsSample(layer_.scheme);
    auto next = sampled.begin();
    for (const Piece &piece : pieces_) {
      Gather(piece);
      const auto end = std::lower_bound(next, sampled.end(), piece.first + piece.rows);
      for (std::int32_t column = 0; column < columns_; ++column) {
        const auto at = static_cast<std::size_t>(column);
        const std::span<const float> values = ColumnOf(piece, column);
        seen[at].Add(layer_.rows + piece.first, values);
        for (auto row = next; samples_rows && row != end; ++row) {
          samples[at].push_back(values[static_cast<std::size_t>(*row - piece.first)]);
        }
      }
      next = end;
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
    for (std::size_t column = 0; column < seen.size(); ++column) {
      if (is_first && layer_.scheme.kind != SchemeKind::kStats) {
        known_->quantisers.emplace_back(layer_.scheme, seen[column], samples[column]);
      }
      RefuseTooLarge(column, seen[column]);
      known_->columns[column].Append(seen[column]);
    }
  }

  void Store() {
    GroupWriter writer(catalog_, Shelf::kDurable, false);
    const bool has_values = layer_.scheme.kind != SchemeKind::kStats;
    for (const Piece &piece : pieces_) {
      if (has_values) Gather(piece);
      for (std::int32_t first = 0; has_values && first < columns_; first += kPartitionColumns) {
        const ColumnGroup group{layer_.intermediate_id, first,
                                std::min(kPartitionColumns, columns_ - first)};
        Put(piece, group, BitsOf(layer_.scheme), Encode(piece, group), &writer);
      }
      const auto *const ids = reinterpret_cast<const char *>(batch_.row_ids.data() + piece.first);
      const auto bytes = static_cast<std::size_t>(piece.rows) * sizeof(std::int64_t);
      Put(piece, RowIdGroup(layer_), 64, {std::string(ids, bytes)}, &writer);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
  }

  // The catalog's row with the batch's rows.
  std::int64_t Register() {
    layer_.rows += static_cast<std::int64_t>(batch_.row_ids.size());
    KeepForeignStatistics(catalog_, layer_, *known_);
    SqlParameters parameters;
    parameters.AddBigint(layer_.intermediate_id).AddBigint(layer_.rows);
    catalog_.WriteOften("UPDATE trails.intermediate SET rows = $2 WHERE intermediate_id = $1",
                        parameters);
    SealRow(catalog_, SealedTable::kIntermediate, layer_.intermediate_id);
    return layer_.rows;
  }

 private:
  // Fills values_ with the piece's, pooled, column by column.
  void Gather(const Piece &piece) {
    const std::int64_t raw_columns = layer_.shape.columns();
    const auto cells = static_cast<std::size_t>(raw_columns * piece.rows);
    const bool is_pooled = layer_.scheme.kind == SchemeKind::kPool;
    std::vector<float> &raw = is_pooled ? raw_ : values_;
    raw.resize(cells);
    Transpose(batch_.values.data() + piece.first * raw_columns, piece.rows, raw_columns,
              raw.data());
    if (!is_pooled) return;
    values_.resize(static_cast<std::size_t>(columns_ * piece.rows));
    PoolMaps(layer_.scheme, layer_.shape, raw_.data(), piece.rows, values_.data());
  }

  std::span<const float> ColumnOf(const Piece &piece, std::int32_t column) const {
    return {values_.data() + column * piece.rows, static_cast<std::size_t>(piece.rows)};
  }

  // Half floats have a scale of the first batch, beyond which there is infinity alone.
  void RefuseTooLarge(std::size_t column, const ColumnStatistics &seen) const {
    if (layer_.scheme.kind != SchemeKind::kF16 && layer_.scheme.kind != SchemeKind::kPool) return;
    float ends[] = {seen.least, seen.largest};
    known_->quantisers[column].RoundTrip(ends);
    if (std::isfinite(ends[0]) && std::isfinite(ends[1])) return;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("values of layer \"{}\" are too large for its scheme", layer_.layer),
                fmt::format("Column {} has values from {} to {}; the scale of {} is that of the "
                            "first batch.",
                            column + 1, seen.least, seen.largest, SchemeText(layer_.scheme)),
                "Send the largest values first, or choose scheme f32.");
  }

  std::vector<std::string> Encode(const Piece &piece, const ColumnGroup &group) const {
    std::vector<std::string> elements(static_cast<std::size_t>(group.columns));
    for (std::int32_t i = 0; i < group.columns; ++i) {
      const std::int32_t column = group.first_column + i;
      const Quantiser &quantiser = known_->quantisers.at(static_cast<std::size_t>(column));
      std::string &codes = elements[static_cast<std::size_t>(i)];
      codes.resize(static_cast<std::size_t>(quantiser.BytesFor(piece.rows)));
      quantiser.Encode(ColumnOf(piece, column), reinterpret_cast<std::byte *>(codes.data()));
    }
    return elements;
  }

  void Put(const Piece &piece, const ColumnGroup &group, std::int32_t bits,
           std::vector<std::string> elements, GroupWriter *writer) {
    if (piece.before > 0) Complete(piece, group, bits, &elements);
    const std::vector<std::int32_t> widths(elements.size(), ElementBytes(bits));
    writer->PutBlock(group, piece.block, piece.before + piece.rows, elements, widths);
  }

  // Takes the block that is not full off the shelf, and puts what it has before `elements`.
  void Complete(const Piece &piece, const ColumnGroup &group, std::int32_t bits,
                std::vector<std::string> *elements) {
    std::vector<std::string> stored(elements->size());
    std::vector<std::int32_t> columns;
    for (std::int32_t i = 0; i < group.columns; ++i) columns.push_back(i);
    GroupReader(catalog_, Shelf::kDurable, group, {piece.block}).Read(0, columns, stored.data());
    const auto bytes = static_cast<std::size_t>((piece.before * bits + 7) / 8);
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (stored[i].size() != bytes) {
        throw Error(
            ErrorKind::kCorruptData,
            fmt::format("block {} of intermediate {} is corrupt", piece.block, group.intermediate),
            fmt::format("Column {} has {} bytes instead of {}.",
                        group.first_column + static_cast<std::int32_t>(i) + 1, stored[i].size(),
                        bytes));
      }
      (*elements)[i] =
          JoinCodes(std::move(stored[i]), piece.before, (*elements)[i], piece.rows, bits);
    }
    SqlParameters parameters;
    parameters.AddBigint(group.intermediate).AddInteger(group.first_column);
    parameters.AddInteger(piece.block);
    catalog_.WriteOften(
        "DELETE FROM trails.row_block WHERE intermediate_id = $1 AND first_column = $2 "
        "AND block = $3",
        parameters);
  }

  CatalogSession &catalog_;
  const ForeignBatch &batch_;
  IntermediateRow layer_;
  std::int32_t columns_;  // stored
  std::vector<Piece> pieces_;
  std::shared_ptr<LayerStatistics> known_;
  std::vector<float> raw_;     // [columns as computed, rows of a piece]
  std::vector<float> values_;  // [columns_, rows of a piece]
};

std::int64_t LockOrInsertForeign(CatalogSession &catalog, std::string_view name) {
  for (;;) {
    if (const auto found = LockForeign(catalog, name)) return *found;
    RefuseOwnModelName(catalog, name, "foreign model");
    SqlParameters parameters;
    parameters.AddOid(catalog.caller()).AddText(name);
    // Whoever inserts it at the same time is waited for; dropped again, it is tried again.
    if (catalog.WriteOften("INSERT INTO trails.logged (owner, kind, name, created_at) "
                           "VALUES ($1, 'foreign', $2, now()) ON CONFLICT (owner, name) DO NOTHING "
                           "RETURNING logged_id",
                           parameters) > 0) {
      SealRow(catalog, SealedTable::kLogged, catalog.Bigint(0, 0));
    }
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
  }
}

// The batch's shape, or that of a layer that is there. Throws where the values do not fit it.
Shape ShapeOf(const ForeignBatch &batch, const std::optional<IntermediateRow> &layer) {
  const auto rows = static_cast<std::int64_t>(batch.row_ids.size());
  const auto count = static_cast<std::int64_t>(batch.values.size());
  Shape shape;
  if (batch.shape) {
    shape = *batch.shape;
  } else if (layer) {
    shape = layer->shape;
  } else {
    shape.channels = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(count / rows, 1, kMostForeignColumns + 1));
  }
  if (layer && shape != layer->shape) {
    throw Error(
        ErrorKind::kInvalidArgument, fmt::format("layer \"{}\" has another shape", batch.layer),
        fmt::format("It is {}, and the batch's is {}.", ShapeText(layer->shape), ShapeText(shape)));
  }
  const std::int64_t columns = std::int64_t{shape.channels} * shape.height * shape.width;
  if (columns > kMostForeignColumns) {
    throw Error(ErrorKind::kLimit, fmt::format("layer \"{}\" has too many columns", batch.layer),
                fmt::format("At most {} can be logged.", kMostForeignColumns));
  }
  if (count != rows * columns) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"values\" has the wrong length",
                fmt::format("{} values are not {} rows of shape {}, which are {}.", count, rows,
                            ShapeText(shape), rows * columns));
  }
  return shape;
}

std::optional<IntermediateRow> FindLayer(CatalogSession &catalog, std::int64_t logged,
                                         const ForeignBatch &batch) {
  SqlParameters parameters;
  parameters.AddBigint(logged).AddInteger(batch.epoch).AddText(batch.layer);
  if (catalog.WriteOften("SELECT intermediate_id, shape, rows, scheme, seal = trails.seal_of(i) "
                         "FROM trails.intermediate AS i "
                         "WHERE logged_id = $1 AND epoch = $2 AND layer = $3",
                         parameters) == 0) {
    return std::nullopt;
  }
  RequireSealed(catalog.Bool(0, 4), SealedTable::kIntermediate, catalog.Bigint(0, 0));
  IntermediateRow layer;
  layer.is_foreign = true;
  layer.intermediate_id = catalog.Bigint(0, 0);
  layer.epoch = batch.epoch;
  layer.layer = batch.layer;
  const std::vector<std::int32_t> sides = catalog.Integers(0, 1);
  layer.rows = catalog.Bigint(0, 2);
  if (!IsPossible(sides, layer.rows)) {
    throw Error(ErrorKind::kCorruptData,
                fmt::format("shape or rows of intermediate {} are corrupt", layer.intermediate_id));
  }
  layer.shape = {sides[0], sides[1], sides[2]};
  layer.scheme = ParseScheme(catalog.Text(0, 3));
  return layer;
}

IntermediateRow InsertLayer(CatalogSession &catalog, std::int64_t logged, const ForeignBatch &batch,
                            const Shape &shape) {
  IntermediateRow layer;
  layer.is_foreign = true;
  layer.epoch = batch.epoch;
  layer.layer = batch.layer;
  layer.shape = shape;
  layer.scheme = batch.scheme.value_or(IntermediateScheme());
  (void)StoredShape(layer.scheme, shape);
  const auto rows = static_cast<std::int64_t>(batch.row_ids.size());
  if (IsFitted(layer.scheme) && rows < kLeastFittedRows) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("the first batch in scheme {} must have at least {} rows",
                            SchemeText(layer.scheme), kLeastFittedRows),
                fmt::format("It has {}, to which the scheme would be fitted.", rows),
                "Send more rows in the first batch, or choose scheme f16.");
  }
  SqlParameters parameters;
  parameters.AddBigint(logged).AddInteger(batch.epoch).AddText(batch.layer);
  parameters.AddInteger(shape.channels).AddInteger(shape.height).AddInteger(shape.width);
  parameters.AddText(SchemeText(layer.scheme));
  catalog.WriteOften(
      "INSERT INTO trails.intermediate (logged_id, epoch, layer, position, shape, rows, scheme) "
      "SELECT $1, $2, $3, coalesce(max(i.position) + 1, 0), ARRAY[$4, $5, $6], 0, $7 "
      "FROM trails.intermediate AS i WHERE i.logged_id = $1 AND i.epoch = $2 "
      "RETURNING intermediate_id",
      parameters);
  layer.intermediate_id = catalog.Bigint(0, 0);
  return layer;
}

}  // namespace

ColumnGroup RowIdGroup(const IntermediateRow &layer) {
  const std::int32_t columns = StoredShape(layer.scheme, layer.shape).columns();
  const std::int32_t groups = (columns + kPartitionColumns - 1) / kPartitionColumns;
  return {layer.intermediate_id, groups * kPartitionColumns, 1};
}

void RefuseRepeatedIds(std::span<const std::int64_t> row_ids) {
  std::vector<std::int64_t> sorted(row_ids.begin(), row_ids.end());
  std::ranges::sort(sorted);
  const auto repeated = std::ranges::adjacent_find(sorted);
  if (repeated == sorted.end()) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("row {} comes twice in argument \"row_ids\"", *repeated));
}

std::optional<std::int64_t> LockForeign(CatalogSession &catalog, std::string_view name) {
  SqlParameters parameters;
  parameters.AddOid(catalog.caller()).AddText(name);
  if (catalog.WriteOften("SELECT logged_id, kind, seal = trails.seal_of(l) FROM trails.logged AS l "
                         "WHERE owner = $1 AND name = $2 FOR UPDATE",
                         parameters) == 0) {
    return std::nullopt;
  }
  RequireSealed(catalog.Bool(0, 2), SealedTable::kLogged, catalog.Bigint(0, 0));
  if (catalog.Text(0, 1) != "foreign") {
    throw Error(ErrorKind::kDuplicateObject,
                fmt::format("\"{}\" is a {}", name, catalog.Text(0, 1)), {},
                "Choose another name for the foreign model.");
  }
  return catalog.Bigint(0, 0);
}

std::int64_t LogForeign(const ForeignBatch &batch) {
  if (batch.row_ids.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "argument \"row_ids\" must not be empty");
  }
  RefuseRepeatedIds(batch.row_ids);
  return WithCatalog([&](CatalogSession &catalog) {
    // Before the row's lock, as whoever collects garbage waits for all who have it.
    LockStore(catalog, false);
    const std::int64_t logged = LockOrInsertForeign(catalog, batch.name);
    std::optional<IntermediateRow> layer = FindLayer(catalog, logged, batch);
    const Shape shape = ShapeOf(batch, layer);
    if (layer && batch.scheme && *batch.scheme != layer->scheme) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("layer \"{}\" is stored in another scheme", batch.layer),
                  fmt::format("It is {}, and the batch's is {}.", SchemeText(layer->scheme),
                              SchemeText(*batch.scheme)),
                  "Leave the scheme NULL for all batches but the first.");
    }
    if (!layer) layer = InsertLayer(catalog, logged, batch, shape);
    Append append(catalog, batch, *layer);
    append.RefuseKnownIds();
    append.Observe();
    append.Store();
    return append.Register();
  });
}

}  // namespace trails::pg
