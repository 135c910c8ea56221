// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
// Before PostgreSQL's headers, which redefine printf.
#include <fmt/format.h>

#include "pg/row_reader.h"
#include "pg/spi_session.h"

extern "C" {
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "utils/plancache.h"
}

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "pg/column_type.h"
#include "pg/scan_settings.h"

namespace trails::pg {

namespace {

using std::chrono::milliseconds;

// The least memory of a value in a Column, bytes.
constexpr std::int64_t kLeastValueBytes = 4;

std::string Bytes(double bytes) {
  constexpr double kGigabyte = 1 << 30;
  constexpr double kMegabyte = 1 << 20;
  if (bytes >= kGigabyte) return fmt::format("{:.1f} GB", bytes / kGigabyte);
  if (bytes >= kMegabyte) return fmt::format("{:.1f} MB", bytes / kMegabyte);
  return fmt::format("{:.1f} kB", bytes / 1024);
}

[[noreturn]] void ThrowTooLarge(const std::string &relation, double rows, std::size_t columns,
                                double needed, bool is_exact, std::int64_t limit) {
  throw Error(
      ErrorKind::kLimit, "relation " + Quoted(relation) + " does not fit in trails.memory_limit",
      fmt::format("Reading {} {:.0f} rows of {} columns needs {} {}; the limit is {}.",
                  is_exact ? "its" : "about", rows, columns, is_exact ? "more than" : "at least",
                  Bytes(needed), Bytes(static_cast<double>(limit))),
      "Leave columns out with exclude, pass a view with fewer rows, or have "
      "trails.memory_limit raised.");
}

// How a value of a slot reaches its column.
enum class Path : std::uint8_t { kInt2, kInt4, kInt8, kFloat4, kFloat8, kCell };

Path PathOf(const ValueReader &reader, ColumnKind wanted) noexcept {
  if (reader.kind != wanted) return Path::kCell;
  switch (reader.base_type) {
    case INT2OID: return Path::kInt2;
    case INT4OID: return Path::kInt4;
    case INT8OID: return Path::kInt8;
    case FLOAT4OID: return Path::kFloat4;
    case FLOAT8OID: return Path::kFloat8;
    default: return Path::kCell;
  }
}

// One column of the SELECT list and where it goes.
struct Feed {
  Column *column = nullptr;
  Oid type = InvalidOid;
  ColumnKind kind = ColumnKind::kFloat;
  Path path = Path::kCell;
  ValueReader reader;
  Cell cell;  // kCell: the value of the row in hand
};

// Fills the columns from the rows of one scan.
//
// Converting a value may ereport and appending one may throw, so these are two steps: Stage is C,
// Append is C++. Values that need no conversion wait in a batch: one way into C++ for many rows,
// and one column filled after the other.
class RowSink {
 public:
  RowSink(const ReadRequest &request, const ResolvedRequest &resolved, Table *table)
      : request_(request), resolved_(resolved) {
    table->features.resize(resolved.features.size());
    for (std::size_t i = 0; i < resolved.features.size(); ++i) {
      Add(resolved.features[i], &table->features[i]);
    }
    if (resolved.target) Add(*resolved.target, &table->target);
    if (resolved.split) Add(*resolved.split, &table->split.emplace(), TEXTOID);
    if (resolved.group) Add(*resolved.group, &table->group.emplace());
    // A batch of 32 kB stays in the first-level cache.
    batch_rows_ = std::clamp<std::size_t>(4096 / feeds_.size(), 16, 512);
    values_.resize(batch_rows_ * feeds_.size());
    nulls_ = std::make_unique<bool[]>(batch_rows_ * feeds_.size());
  }

  std::size_t columns() const noexcept { return feeds_.size(); }
  bool complete() const noexcept { return complete_; }
  void ExpectRows(double rows) noexcept { expected_rows_ = rows; }

  // Written like C. `context` outlives the scan.
  void ResolveTypes(MemoryContext context) {
    for (Feed &feed : feeds_) {
      feed.reader = ResolveValueReader(feed.type, context);
      feed.path = PathOf(feed.reader, feed.kind);
      has_cells_ = has_cells_ || feed.path == Path::kCell;
    }
    row_context_ = AllocSetContextCreate(context, "trails row", ALLOCSET_DEFAULT_SIZES);
  }

  // Written like C. True when Append must follow before the next row.
  bool Stage(TupleTableSlot *slot) {
    slot_getallattrs(slot);
    const std::size_t at = staged_ * feeds_.size();
    std::memcpy(&values_[at], slot->tts_values, feeds_.size() * sizeof(Datum));
    std::memcpy(&nulls_[at], slot->tts_isnull, feeds_.size());
    ++staged_;
    if (has_cells_) ReadCells(&values_[at], &nulls_[at]);
    return has_cells_ || staged_ == batch_rows_ ||
           rows_ + static_cast<std::int64_t>(staged_) >= next_look_;
  }

  // Appends what Stage left. Returns false when the scan shall stop.
  bool Append() {
    if (has_cells_) {
      for (const Feed &feed : feeds_) {
        if (feed.path == Path::kCell) AppendCell(feed);
      }
    }
    if (staged_ < batch_rows_ && rows_ + static_cast<std::int64_t>(staged_) < next_look_) {
      return true;
    }
    Flush();
    if (rows_ >= next_look_) LookAround();
    if (rows_ >= next_weighing_) Weigh();
    return complete_;
  }

  // Appends the rest after the last row.
  void Finish() {
    Flush();
    PublishRows();
  }

 private:
  void Add(const ResolvedColumn &column, Column *target, Oid read_as = InvalidOid) {
    const bool as_text = read_as == TEXTOID;
    const ColumnKind kind = as_text ? ColumnKind::kText : column.kind;
    *target = Column(column.name, kind, column.sql_type);
    Feed feed;
    feed.column = target;
    feed.type = as_text ? TEXTOID : column.type;
    feed.kind = kind;
    feeds_.push_back(feed);
  }

  // Written like C.
  void ReadCells(const Datum *value, const bool *is_null) {
    MemoryContextReset(row_context_);
    MemoryContext const caller = MemoryContextSwitchTo(row_context_);
    for (Feed &feed : feeds_) {
      if (feed.path == Path::kCell) {
        feed.reader.Read(*value, *is_null, &feed.cell);
        (void)ConvertKind(feed.reader.kind, feed.kind, &feed.cell);
      }
      ++value;
      ++is_null;
    }
    MemoryContextSwitchTo(caller);
  }

  void Flush() {
    const Datum *value = values_.data();
    const bool *is_null = nulls_.get();
    for (const Feed &feed : feeds_) FlushColumn(feed, value++, is_null++);
    rows_ += static_cast<std::int64_t>(staged_);
    staged_ = 0;
  }

  void FlushColumn(const Feed &feed, const Datum *values, const bool *nulls) {
    Column *const column = feed.column;
    const auto each = [&](auto append) {
      for (std::size_t row = 0; row < staged_; ++row) {
        if (nulls[row * feeds_.size()]) {
          column->AppendNull();
        } else {
          append(values[row * feeds_.size()]);
        }
      }
    };
    switch (feed.path) {
      case Path::kInt2: each([=](Datum v) { column->AppendInteger(DatumGetInt16(v)); }); return;
      case Path::kInt4: each([=](Datum v) { column->AppendInteger(DatumGetInt32(v)); }); return;
      case Path::kInt8:
        // The smallest bigint stands for NULL in a Column; see column_type.cpp.
        each([=](Datum v) {
          column->AppendInteger(std::max<std::int64_t>(DatumGetInt64(v), Column::kNullInteger + 1));
        });
        return;
      case Path::kFloat4: each([=](Datum v) { column->AppendFloat(DatumGetFloat4(v)); }); return;
      case Path::kFloat8: each([=](Datum v) { column->AppendFloat(DatumGetFloat8(v)); }); return;
      case Path::kCell: return;
    }
  }

  static void AppendCell(const Feed &feed) {
    if (feed.cell.is_null) {
      feed.column->AppendNull();
      return;
    }
    switch (feed.kind) {
      case ColumnKind::kInteger: feed.column->AppendInteger(feed.cell.integer); return;
      case ColumnKind::kFloat: feed.column->AppendFloat(feed.cell.number); return;
      case ColumnKind::kText: feed.column->AppendText(feed.cell.text); return;
    }
  }

  // Looks at the clock every 1 to 4 ms, however fast rows come.
  void LookAround() {
    const Clock::time_point now = Clock::now();
    if (now - last_look_ < milliseconds(1)) stride_ = std::min<std::int64_t>(stride_ * 2, 1 << 16);
    if (now - last_look_ > milliseconds(4)) stride_ = std::max<std::int64_t>(stride_ / 2, 1);
    last_look_ = now;
    next_look_ = rows_ + stride_;
    if (request_.read_until) {
      const std::chrono::duration<double> after(request_.seconds_per_value_after *
                                                static_cast<double>(rows_) *
                                                static_cast<double>(columns()));
      if (now + after >= *request_.read_until) complete_ = false;
    }
    PublishRows();
  }

  void PublishRows() const {
    if (request_.progress == nullptr) return;
    request_.progress->rows_read.store(rows_, std::memory_order_relaxed);
    if (request_.progress_session != nullptr) {
      request_.progress_session->PublishNowAndThen(*request_.progress);
    }
  }

  // Weighing walks the dictionaries, hence at every sixteenth more rows only.
  void Weigh() {
    next_weighing_ = rows_ + std::max<std::int64_t>(rows_ / 16, 1 << 14);
    if (request_.memory_limit_bytes <= 0) return;
    std::int64_t held = 0;
    for (const Feed &feed : feeds_) held += feed.column->bytes();
    if (held <= request_.memory_limit_bytes) return;
    const auto rows = static_cast<double>(rows_);
    const bool is_exact = expected_rows_ <= rows;
    const double all_rows = std::max(expected_rows_, rows);
    ThrowTooLarge(resolved_.name, all_rows, columns(), static_cast<double>(held) / rows * all_rows,
                  is_exact, request_.memory_limit_bytes);
  }

  const ReadRequest &request_;
  const ResolvedRequest &resolved_;
  std::vector<Feed> feeds_;
  std::size_t batch_rows_ = 0;
  std::size_t staged_ = 0;     // rows in the batch
  std::vector<Datum> values_;  // [batch_rows_, feeds]
  std::unique_ptr<bool[]> nulls_;
  bool has_cells_ = false;
  bool complete_ = true;
  MemoryContext row_context_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t stride_ = 1;
  std::int64_t next_look_ = 1;
  std::int64_t next_weighing_ = 1 << 14;
  double expected_rows_ = 0;
  Clock::time_point last_look_ = Clock::now();
};

// What the executor sees of a RowSink.
struct SinkReceiver {
  DestReceiver base;
  RowSink *sink;
};

bool ReceiveRow(TupleTableSlot *slot, DestReceiver *self) {
  RowSink *const sink = reinterpret_cast<SinkReceiver *>(self)->sink;
  if (!sink->Stage(slot)) return true;
  return EnterCpp([=] { return sink->Append(); });
}

SinkReceiver MakeReceiver(RowSink *sink) {
  SinkReceiver receiver{};
  receiver.base.receiveSlot = ReceiveRow;
  receiver.base.rStartup = [](DestReceiver *, int, TupleDesc) {};
  receiver.base.rShutdown = [](DestReceiver *) {};
  receiver.base.rDestroy = [](DestReceiver *) {};
  receiver.base.mydest = DestNone;
  receiver.sink = sink;
  return receiver;
}

std::string Query(const ResolvedRequest &resolved) {
  std::string list;
  const auto add = [&list](const std::string &expression) {
    list += (list.empty() ? "" : ", ") + expression;
  };
  for (const ResolvedColumn &column : resolved.features) add(Quoted(column.name));
  if (resolved.target) add(Quoted(resolved.target->name));
  if (resolved.split) add("CAST(" + Quoted(resolved.split->name) + " AS pg_catalog.text)");
  if (resolved.group) add(Quoted(resolved.group->name));
  return "SELECT " + list + " FROM " + resolved.relation;
}

// The planner's estimate of the rows; 0 when there is none.
double PlannedRows(SPIPlanPtr plan) {
  CachedPlan *const cached = SPI_plan_get_cached_plan(plan);
  if (cached == nullptr) return 0;
  const PlannedStmt *const statement = linitial_node(PlannedStmt, cached->stmt_list);
  const double rows = statement->planTree->plan_rows;
  ReleaseCachedPlan(cached, nullptr);
  return rows;
}

// Estimates for a table come from its size on disk and are sound; those for a view may be off by
// orders of magnitude, and refuse nothing.
void RefuseIfTooLarge(const ReadRequest &request, const ResolvedRequest &resolved,
                      double planned_rows, std::size_t columns) {
  const bool is_sound = resolved.relkind == RELKIND_RELATION ||
                        resolved.relkind == RELKIND_MATVIEW ||
                        resolved.relkind == RELKIND_PARTITIONED_TABLE;
  const double least = planned_rows * static_cast<double>(columns) * kLeastValueBytes;
  if (is_sound && request.memory_limit_bytes > 0 &&
      least > static_cast<double>(request.memory_limit_bytes)) {
    ThrowTooLarge(resolved.name, planned_rows, columns, least, false, request.memory_limit_bytes);
  }
}

void Scan(const ReadRequest &request, const ResolvedRequest &resolved, RowSink *sink) {
  const ScanSettings settings;
  const SpiSession session;
  const std::string query = Query(resolved);
  // Cursor options 0: without CURSOR_OPT_PARALLEL_OK no plan is parallel.
  SPIPlanPtr const plan = CallPg([&] {
    SPIPlanPtr const prepared = SPI_prepare_cursor(query.c_str(), 0, nullptr, 0);
    if (prepared == nullptr) elog(ERROR, "SPI_prepare failed: %d", SPI_result);
    return prepared;
  });
  const double planned_rows = CallPg([=] { return PlannedRows(plan); });
  RefuseIfTooLarge(request, resolved, planned_rows, sink->columns());
  sink->ExpectRows(planned_rows);
  SinkReceiver receiver = MakeReceiver(sink);
  CallPg([&] {
    sink->ResolveTypes(CurrentMemoryContext);
    SPIExecuteOptions options{};
    options.read_only = true;
    options.must_return_tuples = true;
    options.dest = &receiver.base;
    const int code = SPI_execute_plan_extended(plan, &options);
    if (code < 0) elog(ERROR, "SPI_execute_plan_extended failed: %d", code);
  });
}

void TellSkipped(const ResolvedRequest &resolved) {
  if (resolved.skipped_columns.empty()) return;
  const std::vector<std::string> &skipped = resolved.skipped_columns;
  Tell(Notice{NoticeLevel::kNotice,
              fmt::format("skipping {} column{} of a type that is not supported: {}",
                          skipped.size(), skipped.size() == 1 ? "" : "s", fmt::join(skipped, ", ")),
              {},
              "A view can convert them."});
}

}  // namespace

ReadResult ReadTable(const ReadRequest &request) {
  ResolvedRequest resolved = DescribeColumns(request);
  TellSkipped(resolved);
  ReadResult result;
  result.table.relation = Quoted(resolved.schema) + "." + Quoted(resolved.name);
  RowSink sink(request, resolved, &result.table);
  Scan(request, resolved, &sink);
  sink.Finish();
  result.complete = sink.complete();
  result.skipped_columns = std::move(resolved.skipped_columns);
  return result;
}

}  // namespace trails::pg
