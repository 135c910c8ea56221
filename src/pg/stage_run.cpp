#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_run.h"

#include "pg/spi_session.h"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
}

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "core/intermediates/partition.h"
#include "pg/column_request.h"
#include "pg/lost_columns.h"
#include "pg/pipeline_catalog.h"
#include "pg/scan_settings.h"
#include "pg/settings.h"
#include "pg/stage_dependence.h"
#include "pg/stage_order.h"
#include "pg/stage_query.h"

namespace trails::pg {

namespace {

constexpr const char *kStageSettings[] = {"search_path", "TimeZone", "DateStyle", "IntervalStyle",
                                          "extra_float_digits"};
constexpr const char *kRowId = "row_id";

// The role and the settings of a stage's queries, until the scope ends. While an exception unwinds,
// settings are left to the (sub)transaction's abort.
class StageScope {
 public:
  explicit StageScope(const StageCall &call) {
    std::vector<const char *> values;
    for (const std::string &value : call.settings.values) values.push_back(value.c_str());
    if (values.size() != std::size(kStageSettings)) {
      throw Error(ErrorKind::kCorruptData,
                  fmt::format("settings of pipeline \"{}\" are corrupt", call.pipeline));
    }
    const char *const *const first = values.data();
    level_ = CallPg([=] {
      const int level = NewGUCNestLevel();
      const auto set = [](const char *name, const char *value) {
        (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                                false);
      };
      for (std::size_t i = 0; i < std::size(kStageSettings); ++i) set(kStageSettings[i], first[i]);
      set("transaction_read_only", "on");
      return level;
    });
    GetUserIdAndSecContext(&caller_, &context_);
    if (caller_ != call.owner) {
      SetUserIdAndSecContext(
          call.owner, context_ | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    }
  }
  ~StageScope() {
    SetUserIdAndSecContext(caller_, context_);
    if (std::uncaught_exceptions() == exceptions_) AtEOXact_GUC(false, level_);
  }
  StageScope(const StageScope &) = delete;
  StageScope &operator=(const StageScope &) = delete;

 private:
  const int exceptions_ = std::uncaught_exceptions();
  Oid caller_ = InvalidOid;
  int context_ = 0;
  int level_ = 0;
};

// What the rows are of, for messages: 'stage 2', 'relation "homes"'.
struct ResultColumns {
  std::vector<StageColumn> columns;
  std::vector<int> positions;    // [columns], of the result
  std::optional<int> row_id;     // position; none: counted
  Oid row_id_type = InvalidOid;  // INT2OID, INT4OID or INT8OID
};

// Collects rows that come ascending by row_id, in blocks.
class StageSink {
 public:
  StageSink(std::string what, ResultColumns result)
      : what_(std::move(what)),
        result_(std::move(result)),
        reader_(result_.columns, result_.positions),
        bytes_left_(MemoryLimitBytes()) {}

  void Receive(TupleTableSlot *slot) {
    if (blocks_.empty() || blocks_.back().rows() == kBlockRows) blocks_.emplace_back();
    StageBlock &block = blocks_.back();
    bytes_left_ -= reader_.Append(slot, &block);
    if (bytes_left_ < 0) {
      throw Error(
          ErrorKind::kLimit, fmt::format("rows of {} do not fit in trails.memory_limit", what_),
          fmt::format("It was reached after {} rows.", rows_), "Keep fewer columns or rows.");
    }
    block.row_ids.push_back(NextId(slot));
    ++rows_;
  }

  StageRows Take() {
    if (rows_ == 0) throw Error(ErrorKind::kBadData, fmt::format("{} has no rows", what_));
    return {result_.columns, std::move(blocks_)};
  }

 private:
  std::int64_t NextId(TupleTableSlot *slot) {
    if (!result_.row_id) return rows_ + 1;
    const auto at = static_cast<std::size_t>(*result_.row_id);
    if (slot->tts_isnull[at]) {
      throw Error(ErrorKind::kBadData, fmt::format("a row of {} has no row_id", what_),
                  "A row_id is a number, never NULL.");
    }
    const Datum value = slot->tts_values[at];
    const std::int64_t id = result_.row_id_type == INT2OID   ? DatumGetInt16(value)
                            : result_.row_id_type == INT4OID ? DatumGetInt32(value)
                                                             : DatumGetInt64(value);
    if (rows_ > 0 && id == last_) {
      throw Error(ErrorKind::kBadData, fmt::format("row_id {} comes twice in {}", id, what_),
                  "Each row of a stage has a row_id of its own.");
    }
    last_ = id;
    return id;
  }

  std::string what_;
  ResultColumns result_;
  StageRowReader reader_;
  std::int64_t bytes_left_;
  std::int64_t rows_ = 0;
  std::int64_t last_ = 0;
  std::vector<StageBlock> blocks_;
};

using RowUse = std::function<void(TupleTableSlot *)>;

// A DestReceiver that hands rows on.
struct RowReceiver {
  DestReceiver base;
  const RowUse *use;
};

bool ReceiveRow(TupleTableSlot *slot, DestReceiver *self) {
  const RowUse *const use = reinterpret_cast<RowReceiver *>(self)->use;
  return EnterCpp([=] {
    (*use)(slot);
    return true;
  });
}

SPIPlanPtr Prepare(const std::string &statement) {
  const char *const text = statement.c_str();
  return CallPg([=] {
    // Without CURSOR_OPT_PARALLEL_OK: sums of doubles must come in one order.
    SPIPlanPtr const plan = SPI_prepare_cursor(text, 0, nullptr, 0);
    if (plan == nullptr) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    return plan;
  });
}

void Execute(SPIPlanPtr plan, const RowUse &use) {
  RowReceiver receiver{};
  receiver.base.receiveSlot = ReceiveRow;
  receiver.base.rStartup = [](DestReceiver *, int, TupleDesc) {};
  receiver.base.rShutdown = [](DestReceiver *) {};
  receiver.base.rDestroy = [](DestReceiver *) {};
  receiver.base.mydest = DestNone;
  receiver.use = &use;
  CallPg([&] {
    SPIExecuteOptions options{};
    options.read_only = true;
    options.must_return_tuples = true;
    options.dest = &receiver.base;
    const int code = SPI_execute_plan_extended(plan, &options);
    if (code < 0) elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(code));
  });
}

// The result's row type. Valid as long as the plan is.
TupleDesc ResultType(SPIPlanPtr plan) {
  return CallPg([=] {
    return static_cast<CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
  });
}

// The statement, analysed. Valid as long as the plan is.
List *TreesOf(SPIPlanPtr plan) {
  return CallPg([=] {
    return static_cast<CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)))->query_list;
  });
}

// What a query hands on of a lost column is one too, whatever is called so.
StageColumn DescribeHandedOn(std::string name, const FormData_pg_attribute &attribute) {
  if (attribute.atttypid != kLostType) {
    return DescribeStageColumn(std::move(name), attribute.atttypid, attribute.atttypmod);
  }
  StageColumn lost;
  lost.name = std::move(name);
  return lost;
}

// Columns of a row type but the one at `row_id`, each name once.
void DescribeColumns(TupleDesc type, int row_id, const std::string &what, bool has_lost,
                     ResultColumns *result) {
  std::set<std::string> names;
  for (int i = 0; i < type->natts; ++i) {
    const FormData_pg_attribute *const attribute = TupleDescAttr(type, i);
    const std::string name = NameStr(attribute->attname);
    if (!names.insert(name).second) {
      throw Error(ErrorKind::kInvalidArgument, fmt::format("{} has two columns \"{}\"", what, name),
                  {}, "Name them with AS.");
    }
    if (i == row_id) continue;
    result->columns.push_back(
        has_lost ? DescribeHandedOn(name, *attribute)
                 : DescribeStageColumn(name, attribute->atttypid, attribute->atttypmod));
    result->positions.push_back(i);
  }
}

int FindColumn(TupleDesc type, std::string_view name) {
  for (int i = 0; i < type->natts; ++i) {
    if (name == NameStr(TupleDescAttr(type, i)->attname)) return i;
  }
  return -1;
}

// has_lost: of the input.
ResultColumns DescribeStage(TupleDesc type, const std::string &what, bool has_lost) {
  ResultColumns result;
  const int row_id = FindColumn(type, kRowId);
  if (row_id < 0 || TupleDescAttr(type, row_id)->atttypid != INT8OID) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} has no bigint column \"row_id\"", what),
                row_id < 0 ? "" : "It has one of another type.",
                "Every stage hands on the row_id of the rows that it keeps.");
  }
  DescribeColumns(type, row_id, what, has_lost, &result);
  if (result.columns.empty()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("{} has no column but row_id", what));
  }
  result.row_id = row_id;
  result.row_id_type = INT8OID;
  return result;
}

std::vector<std::string> NamesOf(TupleDesc type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->natts; ++i) {
    if (!TupleDescAttr(type, i)->attisdropped) {
      names.emplace_back(NameStr(TupleDescAttr(type, i)->attname));
    }
  }
  return names;
}

// The source's columns. row_id stays one of them, unless it is called so.
ResultColumns DescribeSource(TupleDesc type, const std::string &what, const std::string &row_id) {
  ResultColumns result;
  const int own = FindColumn(type, kRowId);
  if (own >= 0 && row_id != kRowId) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("{} has a column \"row_id\"", what), {},
                "Name it as row_id, or leave it out in a view.");
  }
  if (!row_id.empty()) {
    const int position = FindColumn(type, row_id);
    if (position < 0) {
      throw Error(ErrorKind::kUndefinedColumn,
                  fmt::format("column \"{}\" of {} does not exist", row_id, what), {},
                  ColumnHint(NamesOf(type), row_id));
    }
    const Oid found = TupleDescAttr(type, position)->atttypid;
    const Oid base = CallPg([=] { return getBaseType(found); });
    if (base != INT2OID && base != INT4OID && base != INT8OID) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("column \"{}\" of {} is no integer", row_id, what), {},
                  "A row_id is a unique integer; without one rows are counted.");
    }
    result.row_id = position;
    result.row_id_type = base;
  }
  DescribeColumns(type, own, what, false, &result);
  if (result.columns.empty()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("{} has no column but row_id", what));
  }
  return result;
}

// Makes the rows of the stage known to statements of this SPI session under its name. The caller
// ends the tuplestore; after an error the (sub)transaction's abort does.
Tuplestorestate *RegisterRows(std::int32_t stage, const StageRows &rows) {
  const std::string name = StageName(stage);
  TupleDesc const row_type = RowTypeOf(rows.columns);
  Tuplestorestate *const store =
      CallPg([] { return tuplestore_begin_heap(false, false, work_mem); });
  PutStageRows(rows, StageLayer(stage), row_type, store);
  const char *const text = name.c_str();
  const auto count = static_cast<double>(rows.rows());
  CallPg([=] {
    auto *const relation =
        static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
    relation->md.name = pstrdup(text);
    relation->md.reliddesc = InvalidOid;
    relation->md.tupdesc = row_type;
    relation->md.enrtype = ENR_NAMED_TUPLESTORE;
    relation->md.enrtuples = count;
    relation->reldata = store;
    const int code = SPI_register_relation(relation);
    if (code != SPI_OK_REL_REGISTER) {
      elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(code));
    }
  });
  return store;
}

}  // namespace

StageSettings StageSettings::Current() {
  StageSettings settings;
  for (const char *const name : kStageSettings) {
    settings.values.emplace_back(
        CallPg([=] { return GetConfigOptionByName(name, nullptr, false); }));
  }
  return settings;
}

StageRows ReadStageSource(Oid relation, const std::string &row_id) {
  const ScanSettings settings;
  const SpiSession session;
  const char *const name = CallPg([=] { return get_rel_name(relation); });
  const char *const schema =
      CallPg([=] { return get_namespace_name(get_rel_namespace(relation)); });
  if (name == nullptr || schema == nullptr) {
    throw Error(ErrorKind::kUndefinedObject, "the source does not exist");
  }
  const std::string what = fmt::format("relation \"{}\"", name);
  std::string statement = fmt::format("SELECT * FROM {}.{}", Quoted(schema), Quoted(name));
  SPIPlanPtr const all = Prepare(statement);
  StageSink sink(what, DescribeSource(ResultType(all), what, row_id));
  const RowUse receive = [&sink](TupleTableSlot *slot) { sink.Receive(slot); };
  Execute(row_id.empty() ? all : Prepare(statement + " ORDER BY " + Quoted(row_id)), receive);
  return sink.Take();
}

StageRows RunStages(const StageCall &call, const StageRows &input) {
  const StageScope scope(call);
  const ScanSettings scan;
  const SpiSession session;
  const std::string what =
      fmt::format("stage {} of pipeline \"{}\"",
                  call.first + static_cast<std::int32_t>(call.queries.size()), call.pipeline);
  const LostColumns lost(input.columns, call.first);
  lost.RefuseNames(call.queries);
  Tuplestorestate *const given = RegisterRows(call.first, input);
  const std::string statement = ChainStatement(call.first, call.queries);
  SPIPlanPtr const plan = Prepare(statement);
  lost.RefuseUnnamed(TreesOf(plan));
  if (call.warns) WarnOfDependence(what, TreesOf(plan));
  StageSink sink(what, DescribeStage(ResultType(plan), what, HasLost(input.columns)));
  StageOrder order(what, ResultType(plan), FindColumn(ResultType(plan), kRowId), input);
  Execute(plan, [&order](TupleTableSlot *slot) { order.Add(slot); });
  order.Give([&sink](TupleTableSlot *slot) { sink.Receive(slot); });
  CallPg([=] { tuplestore_end(given); });
  return sink.Take();
}

}  // namespace trails::pg
