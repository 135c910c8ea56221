#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_columns.h"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/intermediates/column_block.h"
#include "core/intermediates/partition.h"
#include "pg/column_request.h"
#include "pg/lost_columns.h"
#include "pg/memory_scope.h"

namespace trails::pg {

namespace {

constexpr std::int32_t kNullLength = -1;

// Bytes of a value in memory, 0 for what is kept as text; nothing where the type is not supported.
std::optional<std::int32_t> BytesOf(Oid type) {
  switch (type) {
    case BOOLOID: return 1;
    case INT2OID: return 2;
    case INT4OID:
    case FLOAT4OID:
    case DATEOID: return 4;
    case INT8OID:
    case FLOAT8OID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID: return 8;
    case NUMERICOID:
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID: return 0;
    default:
      if (CallPg([=] { return type_is_enum(type); })) return 0;
      return std::nullopt;
  }
}

// Text types are their bytes; the others are written and read by their functions.
bool IsVarlenaText(Oid type) noexcept {
  return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

template <typename Number>
void AppendNumber(Number number, std::string *to) {
  to->append(reinterpret_cast<const char *>(&number), sizeof(number));
}

template <typename Number>
Number At(const std::string &elements, std::size_t i) noexcept {
  Number number;
  std::memcpy(&number, elements.data() + i * sizeof(number), sizeof(number));
  return number;
}

void AppendDatum(Datum value, std::int32_t bytes, std::string *to) {
  switch (bytes) {
    case 1: AppendNumber(static_cast<std::uint8_t>(DatumGetBool(value) ? 1 : 0), to); return;
    case 2: AppendNumber(DatumGetInt16(value), to); return;
    case 4: AppendNumber(DatumGetInt32(value), to); return;
    default: AppendNumber(DatumGetInt64(value), to);
  }
}

// Written like C.
Datum DatumAt(const std::string &elements, std::int32_t bytes, std::size_t row) noexcept {
  switch (bytes) {
    case 1: return BoolGetDatum(elements[row] != 0);
    case 2: return Int16GetDatum(At<std::int16_t>(elements, row));
    case 4: return Int32GetDatum(At<std::int32_t>(elements, row));
    default: return Int64GetDatum(At<std::int64_t>(elements, row));
  }
}

double RealAt(Oid type, const std::string &elements, std::size_t row) noexcept {
  switch (type) {
    case BOOLOID: return elements[row] != 0 ? 1 : 0;
    case INT2OID: return At<std::int16_t>(elements, row);
    case INT4OID: return At<std::int32_t>(elements, row);
    case FLOAT4OID: return At<float>(elements, row);
    case FLOAT8OID: return At<double>(elements, row);
    default: return static_cast<double>(At<std::int64_t>(elements, row));
  }
}

float RealOfText(std::string_view text) {
  const std::string terminated(text);
  char *end = nullptr;
  const float value = std::strtof(terminated.c_str(), &end);
  if (!terminated.empty() && *end == '\0') return value;
  throw Error(ErrorKind::kCorruptData, "stored number of a pipeline is corrupt",
              fmt::format("\"{}\" is none.", text));
}

// Calls visit(row, is_null, text) for each row of a column of texts.
template <typename Visit>
void ForEachText(const StageBlock &block, std::size_t column, Visit visit) {
  const std::string &texts = block.elements[2 * column];
  const std::string &lengths = block.elements[2 * column + 1];
  std::size_t start = 0;
  for (std::size_t row = 0; row < block.row_ids.size(); ++row) {
    const std::int32_t length = At<std::int32_t>(lengths, row);
    const auto bytes = static_cast<std::size_t>(length < 0 ? 0 : length);
    visit(row, length < 0, std::string_view(texts).substr(start, bytes));
    start += bytes;
  }
}

// The value that is being read, for the context of errors: its type may have changed since it was
// logged, as an enum of which a label was renamed. Plain data.
struct ReadValue {
  const char *layer = nullptr;
  const char *column = nullptr;  // nullptr: none
};

// Written like C.
void TellReadValue(void *told) {
  const auto *const value = static_cast<const ReadValue *>(told);
  if (value->column == nullptr) return;
  errcontext("logged value of column \"%s\" of layer \"%s\"", value->column, value->layer);
}

// How one column becomes Datums. Plain data.
struct ColumnInput {
  const std::string *values = nullptr;
  const std::string *nulls = nullptr;
  Oid type = InvalidOid;
  std::int32_t typmod = -1;
  std::int32_t bytes = 0;
  std::size_t start = 0;  // of the next text
  Oid io_parameter = InvalidOid;
  FmgrInfo function;
};

// Written like C. The value of the next row.
Datum NextDatum(ColumnInput *column, std::size_t row, bool *is_null) {
  if (!OidIsValid(column->type)) {
    *is_null = true;
    return 0;
  }
  if (column->bytes > 0) {
    *is_null = (*column->nulls)[row] != 0;
    return *is_null ? Datum{0} : DatumAt(*column->values, column->bytes, row);
  }
  const std::int32_t length = At<std::int32_t>(*column->nulls, row);
  *is_null = length < 0;
  if (*is_null) return Datum{0};
  const char *const first = column->values->data() + column->start;
  column->start += static_cast<std::size_t>(length);
  if (IsVarlenaText(column->type)) return PointerGetDatum(cstring_to_text_with_len(first, length));
  return InputFunctionCall(&column->function, pnstrdup(first, static_cast<Size>(length)),
                           column->io_parameter, column->typmod);
}

}  // namespace

bool StageColumn::is_number() const noexcept {
  switch (oid) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case FLOAT4OID:
    case FLOAT8OID:
    case NUMERICOID: return true;
    default: return false;
  }
}

std::int64_t StageRows::rows() const noexcept {
  return blocks.empty()
             ? 0
             : static_cast<std::int64_t>(blocks.size() - 1) * kBlockRows + blocks.back().rows();
}

std::vector<std::int32_t> ElementWidths(const std::vector<StageColumn> &columns) {
  std::vector<std::int32_t> widths;
  for (const StageColumn &column : columns) {
    widths.push_back(column.bytes == 0 ? 1 : column.bytes);
    widths.push_back(column.bytes == 0 ? 4 : 1);
  }
  return widths;
}

StageColumn DescribeStageColumn(std::string name, Oid type, std::int32_t typmod) {
  StageColumn column;
  column.name = std::move(name);
  column.typmod = typmod;
  std::int32_t *const modifier = &column.typmod;
  column.oid = CallPg([=] { return getBaseTypeAndTypmod(type, modifier); });
  const Oid base = column.oid;
  const std::int32_t base_modifier = column.typmod;
  column.type = CallPg([=] {
    const bool is_built_in = base < FirstNormalObjectId;
    return format_type_extended(base, base_modifier,
                                static_cast<bits16>(FORMAT_TYPE_TYPEMOD_GIVEN |
                                                    (is_built_in ? 0 : FORMAT_TYPE_FORCE_QUALIFY)));
  });
  const std::optional<std::int32_t> bytes = BytesOf(base);
  if (!bytes) {
    throw Error(ErrorKind::kNotSupported,
                fmt::format("column \"{}\" is of type {}, which stages of a pipeline cannot have",
                            column.name, column.type),
                {}, "Cast it to a number, text, or a timestamp in a view or stage.");
  }
  column.bytes = *bytes;
  return column;
}

StageColumn ParseStageColumn(std::string name, const std::string &type) {
  StageColumn column;
  const char *const text = type.c_str();
  Oid *const oid = &column.oid;
  std::int32_t *const typmod = &column.typmod;
  CallPg([=] { parseTypeString(text, oid, typmod, true); });
  const Oid found = column.oid;
  // A domain, or what a stage cannot have, has taken the name of an enum.
  if (OidIsValid(found) && CallPg([=] { return getBaseType(found); }) == found && BytesOf(found)) {
    return DescribeStageColumn(std::move(name), found, column.typmod);
  }
  column.oid = InvalidOid;
  column.name = std::move(name);
  column.type = type;
  return column;
}

std::string ColumnDefinitions(const std::vector<StageColumn> &columns) {
  std::string list = "row_id bigint";
  for (const StageColumn &column : columns) {
    if (!column.is_lost()) list += ", " + Quoted(column.name) + " " + column.type;
  }
  return list;
}

void CheckStageColumn(const StageColumn &column, const StageBlock &block, std::size_t position) {
  const auto rows = static_cast<std::size_t>(block.rows());
  const std::string &values = block.elements.at(2 * position);
  const std::string &nulls = block.elements.at(2 * position + 1);
  std::size_t expected = rows * static_cast<std::size_t>(column.bytes);
  bool is_sound = nulls.size() == rows * (column.bytes == 0 ? sizeof(std::int32_t) : 1);
  if (is_sound && column.bytes == 0) {
    for (std::size_t row = 0; row < rows; ++row) {
      const auto length = At<std::int32_t>(nulls, row);
      is_sound = is_sound && length >= kNullLength;
      expected += static_cast<std::size_t>(length < 0 ? 0 : length);
    }
  }
  if (is_sound && values.size() == expected) return;
  throw Error(ErrorKind::kCorruptData, "stored rows of a pipeline are corrupt",
              fmt::format("Chunks of column \"{}\" have {} and {} bytes for {} rows.", column.name,
                          values.size(), nulls.size(), rows),
              "trails.check_store names all that is corrupt.");
}

void StageReals(const std::vector<StageColumn> &columns, const StageBlock &block,
                std::size_t column, std::span<const std::int32_t> rows, float *out) {
  const StageColumn &described = columns.at(column);
  if (!described.is_number()) throw Error(ErrorKind::kInternal, "column of a stage is no number");
  if (described.bytes > 0) {
    const std::string &values = block.elements[2 * column];
    const std::string &nulls = block.elements[2 * column + 1];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<std::size_t>(rows[i]);
      out[i] = nulls[row] != 0 ? kNoValue : static_cast<float>(RealAt(described.oid, values, row));
    }
    return;
  }
  std::size_t next = 0;
  ForEachText(block, column, [&](std::size_t row, bool is_null, std::string_view text) {
    if (next == rows.size() || static_cast<std::size_t>(rows[next]) != row) return;
    out[next++] = is_null ? kNoValue : RealOfText(text);
  });
}

std::vector<std::optional<std::string>> StageTexts(const StageRows &rows, std::size_t column) {
  const StageColumn &described = rows.columns.at(column);
  std::vector<std::optional<std::string>> texts;
  Oid output = InvalidOid;
  bool is_varlena = false;
  CallPg([&] { getTypeOutputInfo(described.oid, &output, &is_varlena); });
  for (const StageBlock &block : rows.blocks) {
    if (described.bytes == 0) {
      ForEachText(block, column, [&](std::size_t, bool is_null, std::string_view text) {
        texts.push_back(is_null ? std::nullopt : std::optional<std::string>(text));
      });
      continue;
    }
    const MemoryScope memory;
    const std::string &values = block.elements[2 * column];
    const std::string &nulls = block.elements[2 * column + 1];
    for (std::size_t row = 0; row < nulls.size(); ++row) {
      if (nulls[row] != 0) {
        texts.emplace_back();
        continue;
      }
      const Datum value = DatumAt(values, described.bytes, row);
      texts.emplace_back(CallPg([=] { return OidOutputFunctionCall(output, value); }));
    }
  }
  return texts;
}

StageRowReader::StageRowReader(std::vector<StageColumn> columns, std::vector<int> positions)
    : columns_(std::move(columns)),
      positions_(std::move(positions)),
      output_(columns_.size()),
      pieces_(columns_.size()) {
  row_context_ = CallPg([] {
    return AllocSetContextCreate(CurrentMemoryContext, "trails stage row", ALLOCSET_DEFAULT_SIZES);
  });
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].bytes > 0 || columns_[i].is_lost() || IsVarlenaText(columns_[i].oid)) continue;
    const Oid type = columns_[i].oid;
    FmgrInfo *const function = &output_[i];
    CallPg([=] {
      Oid out = InvalidOid;
      bool is_varlena = false;
      getTypeOutputInfo(type, &out, &is_varlena);
      fmgr_info(out, function);
    });
  }
}

std::int64_t StageRowReader::Append(TupleTableSlot *slot, StageBlock *block) {
  const std::size_t count = columns_.size();
  const StageColumn *const columns = columns_.data();
  const int *const positions = positions_.data();
  FmgrInfo *const output = output_.data();
  Piece *const pieces = pieces_.data();
  MemoryContext const context = row_context_;
  CallPg([=] {
    slot_getallattrs(slot);
    MemoryContextReset(context);
    MemoryContext const before = MemoryContextSwitchTo(context);
    for (std::size_t i = 0; i < count; ++i) {
      const int at = positions[i];
      if (columns[i].bytes > 0 || columns[i].is_lost() || slot->tts_isnull[at]) continue;
      if (IsVarlenaText(columns[i].oid)) {
        const text *const packed = DatumGetTextPP(slot->tts_values[at]);
        pieces[i] = {VARDATA_ANY(packed), static_cast<std::int32_t>(VARSIZE_ANY_EXHDR(packed))};
      } else {
        const char *const written = OutputFunctionCall(&output[i], slot->tts_values[at]);
        pieces[i] = {written, static_cast<std::int32_t>(std::strlen(written))};
      }
    }
    MemoryContextSwitchTo(before);
  });
  block->elements.resize(2 * count);
  std::int64_t bytes = 8;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(positions_[i]);
    const bool is_null = slot->tts_isnull[at] || columns_[i].is_lost();
    std::string &values = block->elements[2 * i];
    std::string &nulls = block->elements[2 * i + 1];
    if (columns_[i].bytes > 0) {
      AppendDatum(is_null ? Datum{0} : slot->tts_values[at], columns_[i].bytes, &values);
      nulls += is_null ? '\1' : '\0';
      bytes += columns_[i].bytes + 1;
    } else {
      if (!is_null) values.append(pieces_[i].text, static_cast<std::size_t>(pieces_[i].bytes));
      AppendNumber(is_null ? kNullLength : pieces_[i].bytes, &nulls);
      bytes += 4 + (is_null ? 0 : pieces_[i].bytes);
    }
  }
  return bytes;
}

void PutStageRows(const StageRows &rows, const std::string &layer, TupleDesc row_type,
                  Tuplestorestate *store) {
  const std::size_t count = rows.columns.size();
  const MemoryScope memory;
  std::vector<ColumnInput> inputs(count);
  for (std::size_t i = 0; i < count; ++i) {
    ColumnInput *const input = &inputs[i];
    input->type = rows.columns[i].oid;
    input->typmod = rows.columns[i].typmod;
    input->bytes = rows.columns[i].bytes;
    if (input->bytes > 0 || rows.columns[i].is_lost() || IsVarlenaText(input->type)) continue;
    CallPg([=] {
      Oid in = InvalidOid;
      getTypeInputInfo(input->type, &in, &input->io_parameter);
      fmgr_info(in, &input->function);
    });
  }
  std::vector<Datum> values(count + 1);
  std::string nulls(count + 1, '\0');
  ReadValue reading{layer.c_str(), nullptr};
  ReadValue *const read = &reading;
  const StageColumn *const described = rows.columns.data();
  for (const StageBlock &block : rows.blocks) {
    for (std::size_t i = 0; i < count; ++i) {
      inputs[i].values = &block.elements.at(2 * i);
      inputs[i].nulls = &block.elements.at(2 * i + 1);
      inputs[i].start = 0;
    }
    const MemoryScope block_memory;
    ColumnInput *const columns = inputs.data();
    Datum *const datums = values.data();
    bool *const is_null = reinterpret_cast<bool *>(nulls.data());
    const std::int64_t *const ids = block.row_ids.data();
    const auto block_rows = static_cast<std::size_t>(block.rows());
    CallPg([=] {
      CHECK_FOR_INTERRUPTS();
      ErrorContextCallback context{error_context_stack, TellReadValue, read};
      error_context_stack = &context;
      for (std::size_t row = 0; row < block_rows; ++row) {
        datums[0] = Int64GetDatum(ids[row]);
        is_null[0] = false;
        for (std::size_t i = 0; i < count; ++i) {
          read->column = described[i].name.c_str();
          datums[i + 1] = NextDatum(&columns[i], row, &is_null[i + 1]);
        }
        read->column = nullptr;
        tuplestore_putvalues(store, row_type, datums, is_null);
      }
      error_context_stack = context.previous;
    });
  }
}

TupleDesc RowTypeOf(const std::vector<StageColumn> &columns) {
  const int count = static_cast<int>(columns.size()) + 1;
  TupleDesc const row_type = CallPg([=] {
    TupleDesc const made = CreateTemplateTupleDesc(count);
    TupleDescInitEntry(made, 1, "row_id", INT8OID, -1, 0);
    return made;
  });
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const StageColumn *const column = &columns[i];
    const auto number = static_cast<AttrNumber>(i + 2);
    CallPg([=] {
      TupleDescInitEntry(row_type, number, column->name.c_str(),
                         column->is_lost() ? kLostType : column->oid, column->typmod, 0);
    });
  }
  return row_type;
}

}  // namespace trails::pg
