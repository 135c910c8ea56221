#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_query.h"

#include "pg/bridge.h"

extern "C" {
#include "nodes/parsenodes.h"
#include "parser/parser.h"
}

#include <cctype>
#include <optional>

namespace trails::pg {

namespace {

constexpr std::string_view kInput = "$input";

bool IsWord(char c) noexcept {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The position after a text that begins at `start` and ends with `end`; the query's end where it
// does not.
std::size_t After(std::string_view query, std::size_t start, std::string_view end) noexcept {
  const std::size_t found = query.find(end, start);
  return found == std::string_view::npos ? query.size() : found + end.size();
}

// The position after a comment, which may have comments inside.
std::size_t AfterComment(std::string_view query, std::size_t start) noexcept {
  int depth = 0;
  std::size_t at = start;
  while (at < query.size()) {
    if (query.substr(at).starts_with("/*")) {
      ++depth;
      at += 2;
    } else if (query.substr(at).starts_with("*/")) {
      at += 2;
      if (--depth == 0) return at;
    } else {
      ++at;
    }
  }
  return at;
}

// The position after a literal with backslashes: E'...'.
std::size_t AfterEscaped(std::string_view query, std::size_t quote) noexcept {
  std::size_t at = quote + 1;
  while (at < query.size() && query[at] != '\'') at += query[at] == '\\' ? 2 : 1;
  return std::min(at + 1, query.size());
}

// The tag, dollars included, of a dollar-quoted text that begins here; empty where none does.
std::string_view DollarTag(std::string_view query, std::size_t at) noexcept {
  std::size_t end = at + 1;
  while (end < query.size() && query[end] != '$' && IsWord(query[end])) ++end;
  if (end >= query.size() || query[end] != '$') return {};
  if (end > at + 1 && std::isdigit(static_cast<unsigned char>(query[at + 1])) != 0) return {};
  return query.substr(at, end + 1 - at);
}

// The position after what stands here and cannot have `$input` inside; nothing where the next
// character is to be looked at by itself.
std::optional<std::size_t> AfterQuoted(std::string_view query, std::size_t at) noexcept {
  const std::string_view rest = query.substr(at);
  if (rest.starts_with("--")) return After(query, at, "\n");
  if (rest.starts_with("/*")) return AfterComment(query, at);
  if (rest.front() == '"') return After(query, at + 1, "\"");
  if (rest.front() == '\'') return After(query, at + 1, "'");
  if (rest.size() > 1 && (rest[0] == 'e' || rest[0] == 'E') && rest[1] == '\'') {
    return AfterEscaped(query, at + 1);
  }
  if (rest.front() == '$') {
    if (const std::string_view tag = DollarTag(query, at); !tag.empty()) {
      return After(query, at + tag.size(), tag);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string StageName(std::int32_t stage) {
  return fmt::format("trails_stage_{}", stage);
}

std::string WithInput(std::int32_t stage, std::string_view query, std::string_view name) {
  std::string replaced;
  bool is_found = false;
  for (std::size_t at = 0; at < query.size();) {
    const bool is_start = at == 0 || !IsWord(query[at - 1]);
    if (const auto end = is_start || !IsWord(query[at]) ? AfterQuoted(query, at) : std::nullopt) {
      replaced += query.substr(at, *end - at);
      at = *end;
      continue;
    }
    const std::string_view rest = query.substr(at);
    if (is_start && rest.starts_with(kInput) &&
        (rest.size() == kInput.size() || !IsWord(rest[kInput.size()]))) {
      replaced += name;
      at += kInput.size();
      is_found = true;
      continue;
    }
    replaced += query[at++];
  }
  if (is_found) return replaced;
  throw Error(ErrorKind::kInvalidArgument, fmt::format("stage {} does not read its input", stage),
              {},
              "Write $input where its query names the rows of the stage before it, as in 'SELECT "
              "row_id, a + 1 AS b FROM $input'.");
}

void CheckStageQuery(std::int32_t stage, const std::string &query) {
  const std::string statement = WithInput(stage, query, StageName(stage - 1));
  const char *const text = statement.c_str();
  const bool is_select = CallPg([=] {
    const List *const parsed = raw_parser(text, RAW_PARSE_DEFAULT);
    if (list_length(parsed) != 1) return false;
    const Node *const node = linitial_node(RawStmt, parsed)->stmt;
    return IsA(node, SelectStmt) &&
           reinterpret_cast<const SelectStmt *>(node)->intoClause == nullptr;
  });
  if (is_select) return;
  throw Error(ErrorKind::kInvalidArgument, fmt::format("stage {} is not one query", stage),
              "A stage is a single SELECT, which writes nothing.");
}

std::string ChainStatement(std::int32_t first, const std::vector<std::string> &queries) {
  std::string with;
  std::int32_t stage = first;
  for (const std::string &query : queries) {
    std::string text = WithInput(stage + 1, query, StageName(stage));
    ++stage;
    // A query may end in a semicolon; a comment at its end goes as far as the line.
    const std::size_t last = text.find_last_not_of(" \t\r\n;");
    text.resize(last + 1);
    with += fmt::format("{} {} AS ({}\n)", with.empty() ? "WITH" : ",", StageName(stage), text);
  }
  return fmt::format("{} SELECT * FROM {}", with, StageName(stage));
}

}  // namespace trails::pg
