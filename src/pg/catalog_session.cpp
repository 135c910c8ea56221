#include "pg/catalog_session.h"

extern "C" {
#include "access/detoast.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace trails::pg {

namespace {

Oid OwnerOf(Oid table) {
  return CallPg([=] {
    HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", table);
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
  });
}

// Never destroyed: the plans live as long as the backend.
std::unordered_map<const char *, SPIPlanPtr> &KeptPlans() {
  static auto *const plans = new std::unordered_map<const char *, SPIPlanPtr>;
  return *plans;
}

void CheckResult(int code) {
  if (code < 0) elog(ERROR, "catalog statement failed: %s", SPI_result_code_string(code));
}

std::uint64_t Execute(const char *sql, const SqlParameters &parameters, bool read_only) {
  const int count = static_cast<int>(parameters.types().size());
  Oid *const types = const_cast<Oid *>(parameters.types().data());
  Datum *const values = const_cast<Datum *>(parameters.values().data());
  const char *const nulls = parameters.nulls().c_str();
  return CallPg([=] {
    CheckResult(SPI_execute_with_args(sql, count, types, values, nulls, read_only, 0));
    return SPI_processed;
  });
}

// Keeps the plan for the backend's life.
std::uint64_t ExecuteKept(const char *sql, const SqlParameters &parameters, bool read_only) {
  SPIPlanPtr &plan = KeptPlans()[sql];
  if (plan == nullptr) {
    const int count = static_cast<int>(parameters.types().size());
    Oid *const types = const_cast<Oid *>(parameters.types().data());
    plan = CallPg([=] {
      SPIPlanPtr const prepared = SPI_prepare(sql, count, types);
      if (prepared == nullptr) CheckResult(SPI_result);
      CheckResult(SPI_keepplan(prepared));
      return prepared;
    });
  }
  SPIPlanPtr const kept = plan;
  Datum *const values = const_cast<Datum *>(parameters.values().data());
  const char *const nulls = parameters.nulls().c_str();
  return CallPg([=] {
    CheckResult(SPI_execute_plan(kept, values, nulls, read_only, 0));
    return SPI_processed;
  });
}

constexpr std::int32_t kPieceBytes = 1 << 20;

// Written like C. Whether a value is worth to be fetched piece by piece, and can be.
bool HasPieces(const char *value) {
  if (!VARATT_IS_EXTERNAL_ONDISK(value)) return false;
  struct varatt_external pointer;
  VARATT_EXTERNAL_GET_POINTER(pointer, value);
  return !VARATT_EXTERNAL_IS_COMPRESSED(pointer) &&
         VARATT_EXTERNAL_GET_EXTSIZE(pointer) > static_cast<uint32>(kPieceBytes);
}

// The session that is open, the inner one of several.
CatalogSession *innermost = nullptr;

// Between two statements another session may drop what the first has found.
void CheckRow(std::uint64_t row) {
  if (SPI_tuptable != nullptr && row < SPI_tuptable->numvals) return;
  throw Error(ErrorKind::kUndefinedObject, "what is asked for was dropped by another session");
}

// Of an array of a type as wide as Element.
template <typename Element>
std::vector<Element> Elements(Datum value) {
  const ArrayType *const array = CallPg([=] { return DatumGetArrayTypeP(value); });
  if (ARR_HASNULL(array)) {
    throw Error(ErrorKind::kCorruptData, "array in a table of trails has NULL inside");
  }
  const int count = CallPg([=] { return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); });
  const auto *const first = reinterpret_cast<const Element *>(ARR_DATA_PTR(array));
  return {first, first + count};
}

}  // namespace

Oid CatalogTable(const char *name) {
  const Oid table = CallPg([=] {
    const Oid schema = get_namespace_oid("trails", true);
    return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
  });
  if (!OidIsValid(table)) {
    throw Error(ErrorKind::kUndefinedObject, "extension \"trails\" is not complete",
                "Table \"trails." + std::string(name) + "\" does not exist.",
                "Create the extension in this database with CREATE EXTENSION trails.");
  }
  return table;
}

SqlParameters &SqlParameters::Add(Oid type, Datum value, bool is_null) {
  types_.push_back(type);
  values_.push_back(value);
  nulls_.push_back(is_null ? 'n' : ' ');
  return *this;
}

SqlParameters &SqlParameters::AddBigint(std::int64_t value) {
  return Add(INT8OID, Int64GetDatum(value));
}

SqlParameters &SqlParameters::AddInteger(std::int32_t value) {
  return Add(INT4OID, Int32GetDatum(value));
}

SqlParameters &SqlParameters::AddBool(bool value) {
  return Add(BOOLOID, BoolGetDatum(value));
}

SqlParameters &SqlParameters::AddDouble(double value) {
  const ArrayElement element = DoubleElement(value);
  return Add(FLOAT8OID, element.value, element.is_null);
}

SqlParameters &SqlParameters::AddOid(Oid value) {
  return Add(OIDOID, ObjectIdGetDatum(value));
}

SqlParameters &SqlParameters::AddText(std::string_view value) {
  const char *const text = value.data();
  const int length = static_cast<int>(value.size());
  return Add(TEXTOID,
             CallPg([=] { return PointerGetDatum(cstring_to_text_with_len(text, length)); }));
}

SqlParameters &SqlParameters::AddBytes(std::string_view value) {
  const char *const first = value.data();
  const std::size_t length = value.size();
  return Add(BYTEAOID, CallPg([=] {
               auto *const bytes = static_cast<bytea *>(palloc(VARHDRSZ + length));
               SET_VARSIZE(bytes, VARHDRSZ + length);
               memcpy(VARDATA(bytes), first, length);
               return PointerGetDatum(bytes);
             }));
}

SqlParameters &SqlParameters::AddUuid(const std::array<std::uint8_t, UUID_LEN> &value) {
  const std::uint8_t *const bytes = value.data();
  return Add(UUIDOID, CallPg([=] {
               auto *const uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
               memcpy(uuid->data, bytes, sizeof(uuid->data));
               return UUIDPGetDatum(uuid);
             }));
}

SqlParameters &SqlParameters::AddInterval(const Interval &value) {
  const Interval *const source = &value;
  return Add(INTERVALOID, CallPg([=] {
               auto *const copy = static_cast<Interval *>(palloc(sizeof(Interval)));
               *copy = *source;
               return IntervalPGetDatum(copy);
             }));
}

SqlParameters &SqlParameters::AddTimestamp(TimestampTz value) {
  return Add(TIMESTAMPTZOID, TimestampTzGetDatum(value));
}

SqlParameters &SqlParameters::AddTexts(const std::vector<std::string> &values) {
  return AddArray(TEXTOID, values, TextElement);
}

Oid SqlParameters::ArrayTypeOf(Oid element) {
  return CallPg([=] { return get_array_type(element); });
}

ArrayElement *SqlParameters::AllocateElements(std::int64_t count) {
  // Building the ten columns of 300,000 candidates takes 200 ms.
  CHECK_FOR_INTERRUPTS();
  return static_cast<ArrayElement *>(
      MemoryContextAllocHuge(CurrentMemoryContext, sizeof(ArrayElement) * (count + 1)));
}

Datum SqlParameters::MakeArray(Oid element, const ArrayElement *elements, std::int64_t count) {
  auto *const values = static_cast<Datum *>(
      MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * (count + 1)));
  auto *const nulls =
      static_cast<bool *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * (count + 1)));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = elements[i].value;
    nulls[i] = elements[i].is_null;
  }
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(element, &length, &by_value, &alignment);
  int dimensions[1] = {static_cast<int>(count)};
  int bounds[1] = {1};
  return PointerGetDatum(construct_md_array(values, nulls, 1, dimensions, bounds, element, length,
                                            by_value, alignment));
}

ArrayElement TextElement(const std::string &text) {
  return {PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size()))),
          false};
}

ArrayElement DoubleElement(double value) noexcept {
  return std::isnan(value) ? ArrayElement{0, true} : ArrayElement{Float8GetDatum(value), false};
}

ArrayElement IntegerElement(std::int32_t value) noexcept {
  return {Int32GetDatum(value), false};
}

ArrayElement BigintElement(std::int64_t value) noexcept {
  return {Int64GetDatum(value), false};
}

CatalogSession::CatalogSession(bool as_owner) : outer_(innermost), as_owner_(as_owner) {
  const Oid owner = OwnerOf(CatalogTable("model"));
  // The transaction's abort undoes the setting if this throws; the role comes last, since the
  // destructor of a session that was never made would not give it back.
  guc_level_ = CallPg([] {
    const int level = NewGUCNestLevel();
    (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                            GUC_ACTION_SAVE, true, 0, false);
    // These statements take milliseconds, and compiling one seconds, where a recursion is
    // estimated high.
    (void)set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                            false);
    return level;
  });
  GetUserIdAndSecContext(&role_, &role_context_);
  const bool on_behalf = outer_ != nullptr && outer_->as_owner_ && role_ == owner;
  caller_ = as_owner && on_behalf ? outer_->caller_ : role_;
  innermost = this;
  if (as_owner) SetUserIdAndSecContext(owner, role_context_ | SECURITY_LOCAL_USERID_CHANGE);
}

CatalogSession::~CatalogSession() {
  innermost = outer_;
  SetUserIdAndSecContext(role_, role_context_);
}

void CatalogSession::Close() {
  const int level = guc_level_;
  SetUserIdAndSecContext(role_, role_context_);
  CallPg([=] { AtEOXact_GUC(false, level); });
}

std::uint64_t CatalogSession::Read(const char *sql, const SqlParameters &parameters) {
  return Execute(sql, parameters, true);
}

std::uint64_t CatalogSession::Write(const char *sql, const SqlParameters &parameters) {
  return Execute(sql, parameters, false);
}

std::uint64_t CatalogSession::ReadOften(const char *sql, const SqlParameters &parameters) {
  return ExecuteKept(sql, parameters, true);
}

std::uint64_t CatalogSession::WriteOften(const char *sql, const SqlParameters &parameters) {
  return ExecuteKept(sql, parameters, false);
}

void CatalogSession::FreeRows() {
  CallPg([] {
    SPI_freetuptable(SPI_tuptable);
    SPI_tuptable = nullptr;
  });
}

Datum CatalogSession::Value(std::uint64_t row, int column, bool *is_null) const {
  CheckRow(row);
  return CallPg([=] {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1, is_null);
  });
}

bool CatalogSession::IsNull(std::uint64_t row, int column) const {
  bool is_null = false;
  (void)Value(row, column, &is_null);
  return is_null;
}

std::int64_t CatalogSession::Bigint(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  return is_null ? 0 : DatumGetInt64(value);
}

std::int32_t CatalogSession::Integer(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  return is_null ? 0 : DatumGetInt32(value);
}

bool CatalogSession::Bool(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  return !is_null && DatumGetBool(value);
}

double CatalogSession::Double(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  return is_null ? std::numeric_limits<double>::quiet_NaN() : DatumGetFloat8(value);
}

Oid CatalogSession::ObjectId(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  return is_null ? InvalidOid : DatumGetObjectId(value);
}

std::string CatalogSession::Text(std::uint64_t row, int column) const {
  CheckRow(row);
  const char *const text = CallPg(
      [=] { return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1); });
  return text == nullptr ? std::string() : std::string(text);
}

std::vector<std::int32_t> CatalogSession::Integers(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  if (is_null) return {};
  return Elements<std::int32_t>(value);
}

std::vector<std::int64_t> CatalogSession::Bigints(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  if (is_null) return {};
  return Elements<std::int64_t>(value);
}

std::array<std::uint8_t, UUID_LEN> CatalogSession::Uuid(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  std::array<std::uint8_t, UUID_LEN> bytes{};
  if (!is_null) std::copy_n(DatumGetUUIDP(value)->data, bytes.size(), bytes.begin());
  return bytes;
}

void CatalogSession::AppendBytes(std::uint64_t row, int column, std::string *bytes) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  if (is_null) return;
  // Of a value that is compressed a slice would be decompressed from its beginning.
  const bool in_pieces = CallPg([=] { return HasPieces(DatumGetPointer(value)); });
  if (!in_pieces) {
    struct varlena *const plain = CallPg([=] { return PG_DETOAST_DATUM_PACKED(value); });
    bytes->append(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
    if (PointerGetDatum(plain) != value) pfree(plain);
    return;
  }
  for (std::int32_t at = 0, got = kPieceBytes; got == kPieceBytes; at += got) {
    struct varlena *const piece = CallPg([=] {
      CHECK_FOR_INTERRUPTS();
      return PG_DETOAST_DATUM_SLICE(value, at, kPieceBytes);
    });
    got = static_cast<std::int32_t>(VARSIZE_ANY_EXHDR(piece));
    bytes->append(VARDATA_ANY(piece), VARSIZE_ANY_EXHDR(piece));
    pfree(piece);
  }
}

std::string CatalogSession::Stored(std::uint64_t row, int column) const {
  bool is_null = false;
  const Datum value = Value(row, column, &is_null);
  if (is_null) return {};
  const char *const first = DatumGetPointer(value);
  return {first, VARSIZE_ANY(first)};
}

}  // namespace trails::pg
