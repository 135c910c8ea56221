// Statements on the extension's own tables, with a pinned search_path and without JIT.
//
// Callers have SELECT on the tables at most, so what writes for them, or reads what row security
// hides, runs as the tables' owner and checks ownership itself. What only shows them their own rows
// runs as the caller.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include "pg/bridge.h"
#include "pg/spi_session.h"

extern "C" {
#include "datatype/timestamp.h"
}

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trails::pg {

// One value of an array parameter.
struct ArrayElement {
  Datum value = 0;
  bool is_null = false;
};

// The parameters $1, $2, ... of a statement, in the order of the calls. Values are copied into
// the memory context that is current.
//
// Every Add may throw PgError (out of memory).
class SqlParameters {
 public:
  SqlParameters &AddBigint(std::int64_t value);
  SqlParameters &AddInteger(std::int32_t value);
  SqlParameters &AddBool(bool value);
  SqlParameters &AddDouble(double value);  // NaN becomes NULL
  SqlParameters &AddOid(Oid value);
  SqlParameters &AddText(std::string_view value);
  SqlParameters &AddBytes(std::string_view value);  // bytea
  SqlParameters &AddUuid(const std::array<std::uint8_t, 16> &value);
  SqlParameters &AddInterval(const Interval &value);
  SqlParameters &AddTimestamp(TimestampTz value);
  // A text[] parameter.
  SqlParameters &AddTexts(const std::vector<std::string> &values);

  // An array of `element`'s type with one element an item. get(item) returns an ArrayElement and
  // is written like C (see CallPg); for text use TextElement.
  template <typename Item, typename Get>
  SqlParameters &AddArray(Oid element, const std::vector<Item> &items, Get get) {
    const Item *const first = items.data();
    const auto count = static_cast<std::int64_t>(items.size());
    return Add(ArrayTypeOf(element), CallPg([=] {
                 auto *const elements = AllocateElements(count);
                 for (std::int64_t i = 0; i < count; ++i) elements[i] = get(first[i]);
                 return MakeArray(element, elements, count);
               }));
  }

  const std::vector<Oid> &types() const noexcept { return types_; }
  const std::vector<Datum> &values() const noexcept { return values_; }
  const std::string &nulls() const noexcept { return nulls_; }  // as SPI wants them

 private:
  SqlParameters &Add(Oid type, Datum value, bool is_null = false);
  static Oid ArrayTypeOf(Oid element);
  static ArrayElement *AllocateElements(std::int64_t count);
  static Datum MakeArray(Oid element, const ArrayElement *elements, std::int64_t count);

  std::vector<Oid> types_;
  std::vector<Datum> values_;
  std::string nulls_;
};

// For SqlParameters::AddArray's get, hence written like C.
ArrayElement TextElement(const std::string &text);
ArrayElement DoubleElement(double value) noexcept;  // NaN becomes NULL
ArrayElement IntegerElement(std::int32_t value) noexcept;
ArrayElement BigintElement(std::int64_t value) noexcept;

// The session that WithCatalog and WithCatalogAsCaller give to their bodies. Not for keeping.
class CatalogSession {
 public:
  CatalogSession(const CatalogSession &) = delete;
  CatalogSession &operator=(const CatalogSession &) = delete;

  // The role on whose behalf this runs: the one that was current before the switch; of a session
  // inside another one, that one's.
  Oid caller() const noexcept { return caller_; }

  // Runs one statement; its rows, if any, are read by the accessors until the next statement.
  // Returns the rows processed. Throws PgError.
  std::uint64_t Read(const char *sql, const SqlParameters &parameters);
  std::uint64_t Write(const char *sql, const SqlParameters &parameters);
  // As Read, and keeps the plan for the backend's life. `sql` must be a literal: its address is
  // the plan's name.
  std::uint64_t ReadOften(const char *sql, const SqlParameters &parameters);
  // As Write, and keeps the plan. For queries too: unlike ReadOften it sees what this command has
  // written itself.
  std::uint64_t WriteOften(const char *sql, const SqlParameters &parameters);
  // Frees the last statement's rows before the session ends: for the many statements of a loop.
  void FreeRows();

  // A value of the last statement's rows; row and column count from 0. NULL is 0 or empty, of a
  // Double NaN. Throw Error(kUndefinedObject) for a row that the statement did not find, as when
  // another session dropped it; Error(kCorruptData) for NULL inside an array.
  bool IsNull(std::uint64_t row, int column) const;
  std::int64_t Bigint(std::uint64_t row, int column) const;
  std::int32_t Integer(std::uint64_t row, int column) const;
  double Double(std::uint64_t row, int column) const;
  bool Bool(std::uint64_t row, int column) const;  // NULL is false
  Oid ObjectId(std::uint64_t row, int column) const;
  std::string Text(std::uint64_t row, int column) const;
  std::vector<std::int32_t> Integers(std::uint64_t row, int column) const;  // integer[]
  std::vector<std::int64_t> Bigints(std::uint64_t row, int column) const;   // bigint[]
  std::array<std::uint8_t, 16> Uuid(std::uint64_t row, int column) const;
  // Appends a bytea to `bytes`; piece by piece, so that a cancel is seen, where it is out of line
  // and not compressed.
  void AppendBytes(std::uint64_t row, int column, std::string *bytes) const;
  // A bytea as the row has it: the TOAST pointer where its bytes are out of line, of which slices
  // can be fetched as long as the statement's snapshot, or an older one, is active.
  std::string Stored(std::uint64_t row, int column) const;

 private:
  template <typename Body>
  friend auto WithCatalogAs(bool owner, Body &&body);

  explicit CatalogSession(bool as_owner);
  ~CatalogSession();
  void Close();  // when all went well; after an error the transaction's abort does it
  Datum Value(std::uint64_t row, int column, bool *is_null) const;

  SpiSession spi_;
  CatalogSession *const outer_;  // the session that this one is inside of
  bool as_owner_;
  Oid role_ = InvalidOid;  // that was current before, and is afterwards
  int role_context_ = 0;
  Oid caller_ = InvalidOid;
  int guc_level_ = 0;
};

// WithCatalog or WithCatalogAsCaller, which say what it does.
template <typename Body>
auto WithCatalogAs(bool owner, Body &&body) {
  CatalogSession session(owner);
  if constexpr (std::is_void_v<std::invoke_result_t<Body, CatalogSession &>>) {
    body(session);
    session.Close();
  } else {
    auto result = body(session);
    session.Close();
    return result;
  }
}

// Returns body(session), run as the owner of trails' tables. Role, search_path and SPI are as
// before afterwards, also after an error. Throws PgError, Error(kUndefinedObject) when the
// extension is not created in this database, and what body throws.
// Cost: some microseconds.
template <typename Body>
auto WithCatalog(Body &&body) {
  return WithCatalogAs(true, std::forward<Body>(body));
}

// The same, run as the caller: their privileges and row security hold.
template <typename Body>
auto WithCatalogAsCaller(Body &&body) {
  return WithCatalogAs(false, std::forward<Body>(body));
}

// The oid of a table of the extension's schema. Throws Error(kUndefinedObject).
Oid CatalogTable(const char *name);

}  // namespace trails::pg
