// SQL functions that show what the readers made of a relation or a record, for 002_reader.pl.
//
// May touch: src/pg, include/trails. Never Torch.
#include <fmt/format.h>

#include "pg/bridge.h"
#include "pg/record_reader.h"
#include "pg/row_reader.h"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

#include <memory>
#include <string>
#include <vector>

namespace trails::pg {
namespace {

std::string Text(FunctionCallInfo fcinfo, int position) {
  if (PG_ARGISNULL(position)) return {};
  const char *const words = CallPg([=] { return text_to_cstring(PG_GETARG_TEXT_PP(position)); });
  return words;
}

std::vector<std::string> Texts(FunctionCallInfo fcinfo, int position) {
  if (PG_ARGISNULL(position)) return {};
  struct Elements {
    Datum *values;
    int count;
  };
  const auto elements = CallPg([=] {
    Elements found;
    bool *nulls;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(position), TEXTOID, -1, false, TYPALIGN_INT,
                      &found.values, &nulls, &found.count);
    return found;
  });
  std::vector<std::string> texts;
  for (int i = 0; i < elements.count; ++i) {
    const Datum value = elements.values[i];
    const char *const words = CallPg([=] { return TextDatumGetCString(value); });
    texts.emplace_back(words);
  }
  return texts;
}

Datum Result(const std::string &words) {
  return CallPg([&] { return CStringGetTextDatum(words.c_str()); });
}

std::string Show(const Column &column, std::int64_t row) {
  if (column.is_null(row)) return "NULL";
  switch (column.kind()) {
    case ColumnKind::kInteger: return std::to_string(column.integer(row));
    case ColumnKind::kFloat: return fmt::format("{}", column.number(row));
    case ColumnKind::kText:
      return std::string(column.dictionary()[static_cast<std::size_t>(column.code(row))]);
  }
  return {};
}

std::string Show(const Cell &cell, ColumnKind kind) {
  if (cell.is_null) return "NULL";
  switch (kind) {
    case ColumnKind::kInteger: return std::to_string(cell.integer);
    case ColumnKind::kFloat: return fmt::format("{}", cell.number);
    case ColumnKind::kText: return std::string(cell.text);
  }
  return {};
}

ColumnKind Kind(const std::string &word) {
  if (word == "integer") return ColumnKind::kInteger;
  return word == "text" ? ColumnKind::kText : ColumnKind::kFloat;
}

std::vector<InputColumn> Inputs(const std::vector<std::string> &names,
                                const std::vector<std::string> &kinds) {
  std::vector<InputColumn> inputs;
  for (std::size_t i = 0; i < names.size(); ++i) {
    inputs.push_back(InputColumn{names[i], kinds.at(i), Kind(kinds.at(i))});
  }
  return inputs;
}

// Every value, column by column: 'a integer(integer): 1|NULL; ...'
std::string Show(const Table &table) {
  std::string all;
  const auto add = [&all](const char *role, const Column &column) {
    all += fmt::format("{}{} {}:", role, column.name(), column.sql_type());
    for (std::int64_t row = 0; row < column.rows(); ++row) {
      all += row == 0 ? ' ' : '|';
      all += Show(column, row);
    }
    all += "; ";
  };
  for (const Column &column : table.features) add("", column);
  if (!table.target.name().empty()) add("target ", table.target);
  if (table.split) add("split ", *table.split);
  if (table.group) add("group ", *table.group);
  return all;
}

}  // namespace
}  // namespace trails::pg

// abuse_read(relation regclass, target text, features text[], exclude text[], split text,
//            group text, memory_limit bigint, read_for_ms integer, show boolean) -> text
TRAILS_PG_FUNCTION(abuse_read) {
  using namespace trails::pg;
  using trails::Clock;
  ReadRequest request;
  request.relation = PG_GETARG_OID(0);
  request.target = Text(fcinfo, 1);
  if (!PG_ARGISNULL(2)) request.features = Texts(fcinfo, 2);
  request.exclude = Texts(fcinfo, 3);
  request.split = Text(fcinfo, 4);
  request.group = Text(fcinfo, 5);
  request.memory_limit_bytes = PG_ARGISNULL(6) ? 0 : PG_GETARG_INT64(6);
  if (!PG_ARGISNULL(7)) {
    request.read_until = Clock::now() + std::chrono::milliseconds(PG_GETARG_INT32(7));
  }
  trails::Progress progress;
  request.progress = &progress;
  const ReadResult result = ReadTable(request);
  if (PG_GETARG_BOOL(8)) return Result(Show(result.table));
  return Result(fmt::format("{} rows, {}", progress.rows_read.load(),
                            result.complete ? "complete" : "stopped early"));
}

// abuse_inputs(relation regclass, names text[], kinds text[]) -> text
TRAILS_PG_FUNCTION(abuse_inputs) {
  using namespace trails::pg;
  ReadRequest request;
  request.relation = PG_GETARG_OID(0);
  request.inputs = Inputs(Texts(fcinfo, 1), Texts(fcinfo, 2));
  return Result(Show(ReadTable(request).table));
}

// abuse_record(record record, names text[], kinds text[]) -> text, with one reader a session
TRAILS_PG_FUNCTION(abuse_record) {
  using namespace trails::pg;
  static std::unique_ptr<RecordReader> reader;
  static std::string reader_key;
  static std::vector<trails::InputColumn> inputs;
  const std::vector<std::string> names = Texts(fcinfo, 1);
  const std::vector<std::string> kinds = Texts(fcinfo, 2);
  const std::string key = fmt::format("{} {}", fmt::join(names, ","), fmt::join(kinds, ","));
  if (key != reader_key) {
    inputs = Inputs(names, kinds);
    reader = std::make_unique<RecordReader>(inputs, "abused");
    reader_key = key;
  }
  HeapTupleHeader const record = CallPg([=] { return PG_GETARG_HEAPTUPLEHEADER(0); });
  const auto cells = reader->Read(record);
  std::string all;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) all += '|';
    all += Show(cells[i], inputs[i].kind);
  }
  return Result(all);
}

// abuse_record_time(record record, names text[], kinds text[], times integer) -> float8, ns a row
TRAILS_PG_FUNCTION(abuse_record_time) {
  using namespace trails::pg;
  using trails::Clock;
  RecordReader reader(Inputs(Texts(fcinfo, 1), Texts(fcinfo, 2)), "abused");
  HeapTupleHeader const record = CallPg([=] { return PG_GETARG_HEAPTUPLEHEADER(0); });
  const int times = PG_GETARG_INT32(3);
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < times; ++i) (void)reader.Read(record);
  const std::chrono::duration<double, std::nano> spent = Clock::now() - start;
  PG_RETURN_FLOAT8(spent.count() / times);
}
