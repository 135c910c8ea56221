// May touch: PostgreSQL headers (through bridge.h), include/trails. Never Torch.
#include "pg/column_type.h"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace trails::pg {

struct EnumLabel {
  Oid oid;
  NameData label;
};

struct EnumLabels {
  int count;
  EnumLabel *first;  // [count], by oid
};

namespace {

constexpr double kEpochDays = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;  // 1970 to 2000
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void ReadInt2(Datum value, const ValueReader &, Cell *cell) {
  cell->integer = DatumGetInt16(value);
}

void ReadInt4(Datum value, const ValueReader &, Cell *cell) {
  cell->integer = DatumGetInt32(value);
}

void ReadInt8(Datum value, const ValueReader &, Cell *cell) {
  // The smallest bigint stands for NULL in a Column, so it becomes its neighbour.
  cell->integer = std::max<std::int64_t>(DatumGetInt64(value), Column::kNullInteger + 1);
}

void PutNumber(double number, Cell *cell) {
  cell->number = number;
  cell->is_null = std::isnan(number);
}

void ReadFloat4(Datum value, const ValueReader &, Cell *cell) {
  PutNumber(DatumGetFloat4(value), cell);
}

void ReadFloat8(Datum value, const ValueReader &, Cell *cell) {
  PutNumber(DatumGetFloat8(value), cell);
}

void ReadNumeric(Datum value, const ValueReader &, Cell *cell) {
  PutNumber(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value)), cell);
}

void ReadDate(Datum value, const ValueReader &, Cell *cell) {
  const DateADT date = DatumGetDateADT(value);
  cell->number = DATE_IS_NOBEGIN(date) ? -kInfinity
                 : DATE_IS_NOEND(date) ? kInfinity
                                       : (date + kEpochDays) * SECS_PER_DAY;
}

void ReadTimestamp(Datum value, const ValueReader &, Cell *cell) {
  const Timestamp time = DatumGetTimestamp(value);
  cell->number = TIMESTAMP_IS_NOBEGIN(time) ? -kInfinity
                 : TIMESTAMP_IS_NOEND(time)
                     ? kInfinity
                     : static_cast<double>(time) / USECS_PER_SEC + kEpochDays * SECS_PER_DAY;
}

// As extract(epoch from interval): a year has 365.25 days, what is left of it months of 30.
void ReadInterval(Datum value, const ValueReader &, Cell *cell) {
  const Interval *const interval = DatumGetIntervalP(value);
  const double days = interval->month / MONTHS_PER_YEAR * DAYS_PER_YEAR +
                      interval->month % MONTHS_PER_YEAR * double{DAYS_PER_MONTH} + interval->day;
  cell->number = days * SECS_PER_DAY + static_cast<double>(interval->time) / USECS_PER_SEC;
}

void ReadBoolean(Datum value, const ValueReader &, Cell *cell) {
  cell->text = DatumGetBool(value) ? std::string_view("true") : std::string_view("false");
}

void ReadText(Datum value, const ValueReader &, Cell *cell) {
  const text *const packed = DatumGetTextPP(value);
  cell->text = {VARDATA_ANY(packed), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(packed))};
}

void ReadBpchar(Datum value, const ValueReader &reader, Cell *cell) {
  ReadText(value, reader, cell);
  const std::size_t last = cell->text.find_last_not_of(' ');
  cell->text = cell->text.substr(0, last + 1);  // npos + 1 is 0: all blanks
}

void ReadName(Datum value, const ValueReader &, Cell *cell) {
  // Not DatumGetName: it names a type that trails::Name hides here.
  cell->text = NameStr(*reinterpret_cast<const NameData *>(DatumGetPointer(value)));
}

void ReadChar(Datum value, const ValueReader &, Cell *cell) {
  cell->text = DatumGetCString(DirectFunctionCall1(charout, value));
}

void ReadUuid(Datum value, const ValueReader &, Cell *cell) {
  cell->text = DatumGetCString(DirectFunctionCall1(uuid_out, value));
}

bool ByOid(const EnumLabel &a, const EnumLabel &b) {
  return a.oid < b.oid;
}

void ReadEnum(Datum value, const ValueReader &reader, Cell *cell) {
  const EnumLabel wanted{DatumGetObjectId(value), {}};
  const EnumLabel *const first = reader.labels->first;
  const EnumLabel *const end = first + reader.labels->count;
  const EnumLabel *const found = std::lower_bound(first, end, wanted, ByOid);
  if (found != end && found->oid == wanted.oid) {
    cell->text = NameStr(found->label);
    return;
  }
  // A label that was added after the labels were resolved.
  cell->text = DatumGetCString(DirectFunctionCall1(enum_out, value));
}

EnumLabels *LoadEnumLabels(Oid type, MemoryContext context) {
  auto *const labels =
      static_cast<EnumLabels *>(MemoryContextAllocZero(context, sizeof(EnumLabels)));
  int capacity = 64;
  labels->first =
      static_cast<EnumLabel *>(MemoryContextAlloc(context, sizeof(EnumLabel) * capacity));
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
  Relation const relation = table_open(EnumRelationId, AccessShareLock);
  SysScanDesc const scan =
      systable_beginscan(relation, EnumTypIdLabelIndexId, true, nullptr, 1, &key);
  for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple);
       tuple = systable_getnext(scan)) {
    const auto *const row = reinterpret_cast<const FormData_pg_enum *>(GETSTRUCT(tuple));
    if (labels->count == capacity) {
      capacity *= 2;
      labels->first =
          static_cast<EnumLabel *>(repalloc(labels->first, sizeof(EnumLabel) * capacity));
    }
    labels->first[labels->count++] = EnumLabel{row->oid, row->enumlabel};
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  std::sort(labels->first, labels->first + labels->count, ByOid);
  return labels;
}

}  // namespace

ValueReader ResolveValueReader(Oid type, MemoryContext context) {
  ValueReader reader;
  reader.base_type = getBaseType(type);
  const auto set = [&reader](ColumnKind kind, ValueReader::Convert convert) {
    reader.kind = kind;
    reader.convert = convert;
  };
  switch (reader.base_type) {
    case INT2OID: set(ColumnKind::kInteger, ReadInt2); break;
    case INT4OID: set(ColumnKind::kInteger, ReadInt4); break;
    case INT8OID: set(ColumnKind::kInteger, ReadInt8); break;
    case FLOAT4OID: set(ColumnKind::kFloat, ReadFloat4); break;
    case FLOAT8OID: set(ColumnKind::kFloat, ReadFloat8); break;
    case NUMERICOID: set(ColumnKind::kFloat, ReadNumeric); break;
    case DATEOID: set(ColumnKind::kFloat, ReadDate); break;
    case TIMESTAMPOID: set(ColumnKind::kFloat, ReadTimestamp); break;
    case TIMESTAMPTZOID: set(ColumnKind::kFloat, ReadTimestamp); break;
    case INTERVALOID: set(ColumnKind::kFloat, ReadInterval); break;
    case BOOLOID: set(ColumnKind::kText, ReadBoolean); break;
    case TEXTOID: set(ColumnKind::kText, ReadText); break;
    case VARCHAROID: set(ColumnKind::kText, ReadText); break;
    case BPCHAROID: set(ColumnKind::kText, ReadBpchar); break;
    case NAMEOID: set(ColumnKind::kText, ReadName); break;
    case CHAROID: set(ColumnKind::kText, ReadChar); break;
    case UUIDOID: set(ColumnKind::kText, ReadUuid); break;
    default:
      if (type_is_enum(reader.base_type)) {
        set(ColumnKind::kText, ReadEnum);
        reader.labels = LoadEnumLabels(reader.base_type, context);
      } else if (IsBinaryCoercible(reader.base_type, TEXTOID)) {
        set(ColumnKind::kText, ReadText);  // citext
      }
  }
  return reader;
}

bool KindsAreConvertible(ColumnKind from, ColumnKind to) noexcept {
  return (from == ColumnKind::kText) == (to == ColumnKind::kText);
}

bool ConvertKind(ColumnKind from, ColumnKind to, Cell *cell) noexcept {
  if (!KindsAreConvertible(from, to)) return false;
  if (from == to || cell->is_null) return true;
  if (to == ColumnKind::kFloat) {
    cell->number = static_cast<double>(cell->integer);
    return true;
  }
  // The largest double below 2^63.
  constexpr double kMost = 9223372036854774784.0;
  if (std::isnan(cell->number)) {
    cell->is_null = true;
  } else {
    cell->integer = std::llround(std::clamp(cell->number, -kMost, kMost));
  }
  return true;
}

}  // namespace trails::pg
