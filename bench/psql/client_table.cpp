#include "client_table.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

#include "trails/error.h"

namespace trails::bench {

namespace {

struct Finish {
  void operator()(PGconn *connection) const noexcept { PQfinish(connection); }
  void operator()(PGresult *result) const noexcept { PQclear(result); }
  void operator()(char *memory) const noexcept { PQfreemem(memory); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Result = std::unique_ptr<PGresult, Finish>;

[[noreturn]] void ThrowServerError(PGconn *connection) {
  throw Error(ErrorKind::kInternal, PQerrorMessage(connection));
}

Connection Connect() {
  Connection connection(PQconnectdb(""));
  if (PQstatus(connection.get()) != CONNECTION_OK) ThrowServerError(connection.get());
  return connection;
}

Result Query(PGconn *connection, const std::string &sql, ExecStatusType expected) {
  Result result(PQexec(connection, sql.c_str()));
  if (PQresultStatus(result.get()) != expected) ThrowServerError(connection);
  return result;
}

ColumnKind KindOf(const std::string &column, std::string_view type) {
  if (type == "smallint" || type == "integer" || type == "bigint") return ColumnKind::kInteger;
  if (type == "real" || type == "double precision" || type.starts_with("numeric")) {
    return ColumnKind::kFloat;
  }
  if (type == "text" || type == "boolean" || type.starts_with("character")) {
    return ColumnKind::kText;
  }
  throw Error(
      ErrorKind::kNotSupported,
      fmt::format("column \"{}\" has type {}, which this client cannot read", column, type));
}

std::vector<Column> DescribeColumns(PGconn *connection, const std::string &relation) {
  const std::unique_ptr<char, Finish> quoted(
      PQescapeLiteral(connection, relation.data(), relation.size()));
  if (quoted == nullptr) ThrowServerError(connection);
  const Result rows =
      Query(connection,
            fmt::format("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                        "WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped "
                        "ORDER BY attnum",
                        quoted.get()),
            PGRES_TUPLES_OK);
  std::vector<Column> columns;
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    const std::string name = PQgetvalue(rows.get(), row, 0);
    const std::string type = PQgetvalue(rows.get(), row, 1);
    columns.emplace_back(name, KindOf(name, type), type);
  }
  return columns;
}

template <typename Value>
Value ParseNumber(std::string_view word, const Column &column) {
  Value value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw Error(ErrorKind::kBadData,
                fmt::format("not a number in column \"{}\": \"{}\"", column.name(), word));
  }
  return value;
}

// Undoes COPY's escapes; `word` has at least one.
std::string Unescape(std::string_view word) {
  static constexpr std::string_view kLetters = "bfnrtv", kMeant = "\b\f\n\r\t\v";
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '\\' || i + 1 == word.size()) {
      text += word[i];
      continue;
    }
    const std::size_t letter = kLetters.find(word[++i]);
    text += letter == std::string_view::npos ? word[i] : kMeant[letter];
  }
  return text;
}

void Append(std::string_view word, Column *column) {
  if (word == "\\N") {
    column->AppendNull();
    return;
  }
  switch (column->kind()) {
    case ColumnKind::kInteger:
      column->AppendInteger(ParseNumber<std::int64_t>(word, *column));
      break;
    case ColumnKind::kFloat: column->AppendFloat(ParseNumber<double>(word, *column)); break;
    case ColumnKind::kText:
      if (column->sql_type() == "boolean") {
        column->AppendText(word == "t" ? "true" : "false");
      } else if (word.find('\\') == std::string_view::npos) {
        column->AppendText(word);
      } else {
        column->AppendText(Unescape(word));
      }
      break;
  }
}

void CopyRows(PGconn *connection, const std::string &relation, std::vector<Column> *columns) {
  Query(connection, fmt::format("COPY (SELECT * FROM {}) TO STDOUT", relation), PGRES_COPY_OUT);
  char *buffer = nullptr;
  for (int size; (size = PQgetCopyData(connection, &buffer, 0)) != -1;) {
    if (size == -2) ThrowServerError(connection);
    const std::unique_ptr<char, Finish> owner(buffer);
    std::string_view line(buffer, static_cast<std::size_t>(size) - 1);  // without the line feed
    for (Column &column : *columns) {
      const std::size_t tab = line.find('\t');
      Append(line.substr(0, tab), &column);
      line.remove_prefix(tab == std::string_view::npos ? line.size() : tab + 1);
    }
  }
  const Result end(PQgetResult(connection));
  if (PQresultStatus(end.get()) != PGRES_COMMAND_OK) ThrowServerError(connection);
}

}  // namespace

Table ReadThroughLibpq(const std::string &relation, const std::string &target,
                       const std::string &split) {
  const Connection connection = Connect();
  std::vector<Column> columns = DescribeColumns(connection.get(), relation);
  CopyRows(connection.get(), relation, &columns);
  Table table;
  table.relation = relation;
  bool found = false;
  for (Column &column : columns) {
    if (column.name() == target) {
      table.target = std::move(column);
      found = true;
    } else if (column.name() == split) {
      table.split = std::move(column);
    } else {
      table.features.push_back(std::move(column));
    }
  }
  if (!found || !table.split) {
    throw Error(ErrorKind::kUndefinedColumn, fmt::format("relation \"{}\" has no column \"{}\"",
                                                         relation, found ? split : target));
  }
  return table;
}

}  // namespace trails::bench
