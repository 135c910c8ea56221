#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/lost_columns.h"

extern "C" {
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
}

#include <algorithm>
#include <cctype>
#include <utility>

#include "pg/column_request.h"
#include "pg/pipeline_catalog.h"

namespace trails::pg {

namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Whether the column may be meant somewhere in the query. A name can be written in escapes too.
bool MayName(const std::string &query, const StageColumn &column) {
  const std::string lower = Lower(query);
  const std::string quoted = Lower(Quoted(column.name));
  return lower.find(quoted.substr(1, quoted.size() - 2)) != std::string::npos ||
         lower.find("u&\"") != std::string::npos;
}

using Walker = bool (*)();  // as the headers of PostgreSQL 15 have it in C++

Walker AsWalker(bool (*walker)(Node *, void *)) noexcept {
  return reinterpret_cast<Walker>(reinterpret_cast<void (*)()>(walker));
}

// Written like C. Whether each lost column has its name among those of the given rows, which do not
// keep what they are called anew by.
bool HaveNames(const RangeTblEntry &given, const std::vector<const StageColumn *> &lost) {
  for (const StageColumn *const column : lost) {
    bool is_found = false;
    ListCell *cell = nullptr;
    foreach (cell, given.eref->colnames) {
      is_found = is_found || column->name == strVal(lfirst(cell));
    }
    if (!is_found) return false;
  }
  return true;
}

// Written like C. For query_tree_walker, lost the columns: true where columns are used that nothing
// names.
bool UsesUnnamed(Node *node, void *lost) {
  if (node == nullptr) return false;
  switch (nodeTag(node)) {
    case T_Query:
      return query_tree_walker(reinterpret_cast<Query *>(node), AsWalker(UsesUnnamed), lost,
                               QTW_EXAMINE_RTES_BEFORE);
    case T_RangeTblEntry: {
      const auto *const entry = reinterpret_cast<const RangeTblEntry *>(node);
      if (entry->rtekind == RTE_NAMEDTUPLESTORE) {
        return !HaveNames(*entry, *static_cast<const std::vector<const StageColumn *> *>(lost));
      }
      const bool is_call = entry->rtekind == RTE_FUNCTION || entry->rtekind == RTE_TABLEFUNC ||
                           entry->rtekind == RTE_VALUES;
      return !is_call && entry->alias != nullptr && entry->alias->colnames != NIL;
    }
    case T_Var: return reinterpret_cast<const Var *>(node)->varattno == InvalidAttrNumber;
    case T_JoinExpr:
      if (reinterpret_cast<const JoinExpr *>(node)->isNatural) return true;
      break;
    case T_CommonTableExpr:
      if (reinterpret_cast<const CommonTableExpr *>(node)->aliascolnames != NIL) return true;
      break;
    default: break;
  }
  return expression_tree_walker(node, AsWalker(UsesUnnamed), lost);
}

}  // namespace

bool HasLost(const std::vector<StageColumn> &columns) noexcept {
  return std::ranges::any_of(columns, &StageColumn::is_lost);
}

void ThrowLost(const StageColumn &column, std::string_view layer) {
  throw Error(ErrorKind::kUndefinedObject,
              fmt::format("column \"{}\" of layer \"{}\" is of a type that does not exist any more",
                          column.name, layer),
              fmt::format("It was of type {}.", column.type),
              "Create the type again, or ask for other columns.");
}

StageRows WithoutLost(StageRows rows) {
  if (!HasLost(rows.columns)) return rows;
  const std::vector<StageColumn> all = std::exchange(rows.columns, {});
  for (const StageColumn &column : all) {
    if (!column.is_lost()) rows.columns.push_back(column);
  }
  for (StageBlock &block : rows.blocks) {
    std::vector<std::string> elements;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].is_lost()) continue;
      elements.push_back(std::move(block.elements.at(2 * i)));
      elements.push_back(std::move(block.elements.at(2 * i + 1)));
    }
    block.elements = std::move(elements);
  }
  return rows;
}

LostColumns::LostColumns(const std::vector<StageColumn> &columns, std::int32_t stage)
    : layer_(StageLayer(stage)) {
  for (const StageColumn &column : columns) {
    if (column.is_lost()) lost_.push_back(&column);
  }
  if (lost_.empty()) return;
  told_ = fmt::format(
      "layer \"{}\" without values of column \"{}\", whose type {} does not exist any more", layer_,
      lost_.front()->name, lost_.front()->type);
  context_.callback = [](void *told) { errcontext("%s", static_cast<const char *>(told)); };
  context_.arg = told_.data();
  context_.previous = error_context_stack;
  error_context_stack = &context_;
}

LostColumns::~LostColumns() {
  if (!lost_.empty()) error_context_stack = context_.previous;
}

void LostColumns::RefuseNames(const std::vector<std::string> &queries) const {
  for (const StageColumn *const column : lost_) {
    for (const std::string &query : queries) {
      if (MayName(query, *column)) ThrowLost(*column, layer_);
    }
  }
}

void LostColumns::RefuseUnnamed(List *statement) const {
  if (lost_.empty()) return;
  void *const lost = const_cast<std::vector<const StageColumn *> *>(&lost_);
  const bool is_used = CallPg([=] {
    ListCell *cell = nullptr;
    foreach (cell, statement) {
      if (UsesUnnamed(static_cast<Node *>(lfirst(cell)), lost)) return true;
    }
    return false;
  });
  if (is_used) ThrowLost(*lost_.front(), layer_);
}

}  // namespace trails::pg
