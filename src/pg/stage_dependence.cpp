#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_dependence.h"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
}

#include <vector>

#include "core/space/name_hint.h"
#include "pg/column_request.h"

namespace trails::pg {

namespace {

// Plain data, palloc'd.
struct Dependence {
  List *relations = NIL;  // oids, each once
  List *functions = NIL;
  bool reads_session = false;  // CURRENT_DATE, SESSION_USER and the like
};

using Walker = bool (*)();  // as the headers of PostgreSQL 15 have it in C++

Walker AsWalker(bool (*walker)(Node *, void *)) noexcept {
  return reinterpret_cast<Walker>(reinterpret_cast<void (*)()>(walker));
}

// Written like C. Stable, and yet another one in every transaction.
bool IsClock(Oid function) noexcept {
  return function == F_NOW || function == F_TRANSACTION_TIMESTAMP ||
         function == F_STATEMENT_TIMESTAMP;
}

// Written like C. For check_functions_in_node: never true, so that all are looked at.
bool NoteFunction(Oid function, void *to) {
  auto *const found = static_cast<Dependence *>(to);
  if (func_volatile(function) == PROVOLATILE_VOLATILE || IsClock(function)) {
    found->functions = list_append_unique_oid(found->functions, function);
  }
  return false;
}

// Written like C. The rows of a view begin with an entry of the view itself, which stands for all
// that it reads and calls.
bool IsOfView(const Query *query) noexcept {
  if (query->rtable == NIL) return false;
  const auto *const first = static_cast<const RangeTblEntry *>(linitial(query->rtable));
  return first->rtekind == RTE_RELATION && first->relkind == RELKIND_VIEW;
}

// Written like C. For query_tree_walker, to a Dependence; true is never returned.
bool NoteDependence(Node *node, void *to) {
  auto *const found = static_cast<Dependence *>(to);
  if (node == nullptr) return false;
  switch (nodeTag(node)) {
    case T_Query: {
      auto *const query = reinterpret_cast<Query *>(node);
      if (IsOfView(query)) {
        const auto *const view = static_cast<const RangeTblEntry *>(linitial(query->rtable));
        found->relations = list_append_unique_oid(found->relations, view->relid);
        return false;
      }
      return query_tree_walker(query, AsWalker(NoteDependence), to, QTW_EXAMINE_RTES_BEFORE);
    }
    case T_RangeTblEntry: {
      const auto *const entry = reinterpret_cast<const RangeTblEntry *>(node);
      if (entry->rtekind == RTE_RELATION) {
        found->relations = list_append_unique_oid(found->relations, entry->relid);
      }
      return false;
    }
    case T_SQLValueFunction: found->reads_session = true; break;
    default: break;
  }
  (void)check_functions_in_node(node, NoteFunction, to);
  return expression_tree_walker(node, AsWalker(NoteDependence), to);
}

// What `named` calls each of the oids, in their order; one that is gone since is left out.
template <typename Named>
std::vector<std::string> NamesOf(const List *oids, Named named) {
  std::vector<std::string> names;
  for (int i = 0; i < list_length(oids); ++i) {
    const Oid oid = list_nth_oid(oids, i);
    const char *const name = CallPg([=] { return named(oid); });
    if (name != nullptr) names.emplace_back(name);
  }
  return names;
}

std::string Listed(std::string_view one, std::string_view several,
                   const std::vector<std::string> &names) {
  return fmt::format("{} {}", names.size() == 1 ? one : several, ListNames(names));
}

}  // namespace

void WarnOfDependence(const std::string &what, List *statement) {
  Dependence found;
  CallPg([&] {
    ListCell *cell = nullptr;
    foreach (cell, statement) {
      (void)NoteDependence(static_cast<Node *>(lfirst(cell)), &found);
    }
  });
  std::vector<std::string> relations = NamesOf(found.relations, get_rel_name);
  for (std::string &name : relations) name = Quoted(name);
  std::vector<std::string> functions = NamesOf(found.functions, get_func_name);
  for (std::string &name : functions) name += "()";
  std::vector<std::string> parts;
  if (!relations.empty()) parts.push_back("reads " + Listed("relation", "relations", relations));
  if (!functions.empty()) parts.push_back("calls " + Listed("function", "functions", functions));
  if (found.reads_session) parts.emplace_back("asks for the time or the user of the session");
  if (parts.empty()) return;
  Notice notice;
  notice.level = NoticeLevel::kWarning;
  notice.message = what + " depends on more than its input";
  notice.detail = fmt::format(
      "Its query {}. What it gives when it is run again may differ from what it gave, and from "
      "what is stored.",
      fmt::join(parts, " and "));
  notice.hint = "Let the source have such columns, as a view can: its rows are logged as they are.";
  Tell(notice);
}

}  // namespace trails::pg
