// Encodes cells and columns with fitted fields. One row and many rows go through the same two
// functions, EncodeInteger and EncodeNumber; a block of rows only looks ids up faster.
//
// May touch: src/core/data, include/trails.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/data/fields.h"
#include "core/data/number_fit.h"
#include "core/data/parallel_for.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kBlockRows = BlockedArray<std::int32_t>::kBlockValues;
// Rows written before the next field's turn: their part of the result stays in the cache.
constexpr std::int64_t kStripRows = 1024;

// The id of the value at `position` of a field's list; one past the end means: not there.
std::int32_t IdAt(const Field &field, std::size_t position) {
  return field.first_id + 1 + static_cast<std::int32_t>(position);
}

std::int32_t EncodeText(const Field &field, std::string_view value) {
  const auto found =
      std::lower_bound(field.texts.begin(), field.texts.end(), value,
                       [](const std::string &a, std::string_view b) { return a < b; });
  if (found == field.texts.end() || *found != value) return field.first_id;
  return IdAt(field, static_cast<std::size_t>(found - field.texts.begin()));
}

std::int32_t EncodeInteger(const Field &field, std::int64_t value) {
  if (value == Column::kNullInteger) return field.null_id;
  const auto found = std::lower_bound(field.integers.begin(), field.integers.end(), value);
  if (found == field.integers.end() || *found != value) return field.first_id;
  return IdAt(field, static_cast<std::size_t>(found - field.integers.begin()));
}

// A float as the integer it is; false for what no vocabulary holds.
bool ToInteger(double number, std::int64_t *integer) {
  constexpr double kBound = 9223372036854775808.0;
  if (!(std::abs(number) < kBound) || number != std::trunc(number)) return false;
  *integer = static_cast<std::int64_t>(number);
  return true;
}

float EncodeNumber(const Field &field, double value) {
  if (std::isnan(value)) return std::numeric_limits<float>::quiet_NaN();
  return Standardise(field.center, field.scale, value);
}

// A field ready for many rows: the column it reads, and a table of ids where one is small enough.
struct FieldReader {
  const Field *field = nullptr;
  Column *column = nullptr;
  std::int32_t slot = 0;          // in its row of ids or of values
  std::vector<std::int32_t> ids;  // by text code + 1, or by integer - least; may be empty
  std::int64_t least = 0;

  std::int32_t IdOfInteger(std::int64_t value) const {
    if (ids.empty() || value == Column::kNullInteger) return EncodeInteger(*field, value);
    if (value < least || value >= least + static_cast<std::int64_t>(ids.size())) {
      return field->first_id;
    }
    return ids[static_cast<std::size_t>(value - least)];
  }
};

void TabulateTexts(FieldReader *reader) {
  const std::vector<std::string_view> &dictionary = reader->column->dictionary();
  // Code -1 is NULL, the code after the last is what the dictionary had no room for.
  reader->ids.assign(dictionary.size() + 2, reader->field->first_id);
  reader->ids.front() = reader->field->null_id;
  for (std::size_t code = 0; code < dictionary.size(); ++code) {
    reader->ids[code + 1] = EncodeText(*reader->field, dictionary[code]);
  }
}

void TabulateIntegers(FieldReader *reader) {
  const std::vector<std::int64_t> &integers = reader->field->integers;
  if (integers.empty()) return;
  const auto range =
      static_cast<std::uint64_t>(integers.back()) - static_cast<std::uint64_t>(integers.front());
  constexpr std::uint64_t kAlwaysSmall = 65'536;
  if (range > kAlwaysSmall + 4 * integers.size()) return;
  reader->least = integers.front();
  reader->ids.assign(range + 1, reader->field->first_id);
  for (std::size_t i = 0; i < integers.size(); ++i) {
    reader->ids[static_cast<std::size_t>(integers[i] - reader->least)] = IdAt(*reader->field, i);
  }
}

void ReadIds(const FieldReader &reader, std::int64_t begin, std::int64_t end, std::int32_t stride,
             std::int32_t *out) {
  const Column &column = *reader.column;
  out += begin * stride + reader.slot;
  for (std::int64_t row = begin; row < end; ++row, out += stride) {
    switch (column.kind()) {
      case ColumnKind::kText:
        *out = reader.ids[static_cast<std::size_t>(column.code(row) + 1)];
        break;
      case ColumnKind::kInteger: *out = reader.IdOfInteger(column.integer(row)); break;
      case ColumnKind::kFloat: {
        std::int64_t integer = Column::kNullInteger;
        const double number = column.number(row);
        const bool known = std::isnan(number) || ToInteger(number, &integer);
        *out = known ? reader.IdOfInteger(integer) : reader.field->first_id;
        break;
      }
    }
  }
}

void ReadValues(const FieldReader &reader, std::int64_t begin, std::int64_t end,
                std::int32_t stride, float *out) {
  out += begin * stride + reader.slot;
  for (std::int64_t row = begin; row < end; ++row, out += stride) {
    *out = EncodeNumber(*reader.field, reader.column->number(row));
  }
}

Column *FindColumn(const InputColumn &wanted, std::vector<Column> *features) {
  const auto found = std::find_if(features->begin(), features->end(),
                                  [&](const Column &c) { return c.name() == wanted.name; });
  if (found == features->end()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("column \"{}\" is missing", wanted.name),
                "The model was trained with it.");
  }
  if (found->kind() != wanted.kind) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("column \"{}\" is of type {}", wanted.name, found->sql_type()),
                fmt::format("The model was trained with type {}.", wanted.sql_type),
                "Cast the column in a view.");
  }
  return &*found;
}

std::vector<FieldReader> MakeReaders(const Fields &fields, std::vector<Column> *features,
                                     std::int32_t threads, const std::stop_token &stop) {
  std::vector<FieldReader> readers(fields.fields.size());
  std::int32_t next_id_slot = 0;
  std::int32_t next_value_slot = 0;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    FieldReader &reader = readers[i];
    reader.field = &fields.fields[i];
    reader.column =
        FindColumn(fields.columns[static_cast<std::size_t>(reader.field->column)], features);
    reader.slot =
        reader.field->kind == FieldKind::kCategorical ? next_id_slot++ : next_value_slot++;
  }
  ParallelFor(static_cast<std::int64_t>(readers.size()), threads, stop, [&](std::int64_t i) {
    FieldReader &reader = readers[static_cast<std::size_t>(i)];
    if (reader.field->kind == FieldKind::kNumeric) return;
    if (reader.column->kind() == ColumnKind::kText) {
      TabulateTexts(&reader);
    } else {
      TabulateIntegers(&reader);
    }
  });
  return readers;
}

void EncodeBlock(const std::vector<FieldReader> &readers, std::int64_t begin, std::int64_t end,
                 EncodedRows *encoded) {
  for (std::int64_t strip = begin; strip < end; strip += kStripRows) {
    const std::int64_t strip_end = std::min(end, strip + kStripRows);
    for (const FieldReader &reader : readers) {
      if (reader.field->kind == FieldKind::kCategorical) {
        ReadIds(reader, strip, strip_end, encoded->categorical, encoded->ids.data());
      } else {
        ReadValues(reader, strip, strip_end, encoded->numeric, encoded->values.data());
      }
    }
  }
}

// Frees columns that no field reads; returns the others.
std::vector<Column *> ReleaseUnread(const std::vector<FieldReader> &readers,
                                    std::vector<Column> *features) {
  std::vector<Column *> read;
  for (Column &column : *features) {
    const bool used = std::any_of(readers.begin(), readers.end(), [&](const FieldReader &reader) {
      return reader.column == &column;
    });
    if (used) {
      read.push_back(&column);
    } else {
      column.Release();
    }
  }
  return read;
}

}  // namespace

void Fields::EncodeRow(std::span<const Cell> cells, std::int32_t *ids, float *values) const {
  for (const Field &field : fields) {
    const auto at = static_cast<std::size_t>(field.column);
    const Cell &cell = cells[at];
    const ColumnKind kind = columns[at].kind;
    double number = cell.number;
    if (kind == ColumnKind::kInteger) number = static_cast<double>(cell.integer);
    const bool is_null = cell.is_null || (kind == ColumnKind::kFloat && std::isnan(number)) ||
                         (kind == ColumnKind::kInteger && cell.integer == Column::kNullInteger);
    if (field.kind == FieldKind::kNumeric) {
      *values++ = EncodeNumber(field, is_null ? std::numeric_limits<double>::quiet_NaN() : number);
      continue;
    }
    std::int64_t integer = cell.integer;
    if (is_null) {
      *ids++ = field.null_id;
    } else if (kind == ColumnKind::kText) {
      *ids++ = EncodeText(field, cell.text);
    } else if (kind == ColumnKind::kFloat && !ToInteger(number, &integer)) {
      *ids++ = field.first_id;
    } else {
      *ids++ = EncodeInteger(field, integer);
    }
  }
}

EncodedRows EncodeAndRelease(const Fields &fields, std::vector<Column> *features,
                             std::int32_t threads, const std::stop_token &stop) {
  EncodedRows encoded;
  encoded.categorical = fields.categorical();
  encoded.numeric = fields.numeric();
  const std::vector<FieldReader> readers = MakeReaders(fields, features, threads, stop);
  const std::vector<Column *> columns = ReleaseUnread(readers, features);
  if (columns.empty()) return encoded;
  encoded.rows = columns.front()->rows();

  // Reserving touches no memory, resizing does: the result grows as the columns shrink.
  encoded.ids.reserve(static_cast<std::size_t>(encoded.rows * encoded.categorical));
  encoded.values.reserve(static_cast<std::size_t>(encoded.rows * encoded.numeric));
  const std::int64_t step = std::max(threads, 1) * kBlockRows;
  for (std::int64_t begin = 0; begin < encoded.rows; begin += step) {
    const std::int64_t end = std::min(encoded.rows, begin + step);
    encoded.ids.resize(static_cast<std::size_t>(end * encoded.categorical));
    encoded.values.resize(static_cast<std::size_t>(end * encoded.numeric));
    const std::int64_t blocks = (end - begin + kBlockRows - 1) / kBlockRows;
    ParallelFor(blocks, threads, stop, [&](std::int64_t block) {
      const std::int64_t first = begin + block * kBlockRows;
      EncodeBlock(readers, first, std::min(end, first + kBlockRows), &encoded);
    });
    for (Column *column : columns) {
      for (std::int64_t block = 0; block < blocks; ++block) {
        column->ReleaseBlock(begin / kBlockRows + block);
      }
    }
  }
  for (Column *column : columns) column->Release();
  return encoded;
}

}  // namespace trails
