#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/named_arguments.h"

extern "C" {
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/syscache.h"
}

#include <cmath>

namespace trails::pg {

namespace {

// As pg_proc has them, palloc'd.
struct Declaration {
  int count = 0;
  Oid *types = nullptr;
  char **names = nullptr;
  char *modes = nullptr;  // null: every argument is passed in
};

Declaration LookUp(Oid function) {
  return CallPg([=] {
    HeapTuple const row = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(row)) elog(ERROR, "cache lookup failed for function %u", function);
    Declaration found;
    found.count = get_func_arg_info(row, &found.types, &found.names, &found.modes);
    ReleaseSysCache(row);
    return found;
  });
}

}  // namespace

NamedArguments::NamedArguments(FunctionCallInfo fcinfo) : fcinfo_(fcinfo) {
  const Declaration declared = LookUp(fcinfo->flinfo->fn_oid);
  for (int i = 0; i < declared.count; ++i) {
    const char mode = declared.modes == nullptr ? PROARGMODE_IN : declared.modes[i];
    if (mode == PROARGMODE_OUT || mode == PROARGMODE_TABLE) continue;
    names_.emplace_back(declared.names == nullptr ? "" : declared.names[i]);
    types_.push_back(declared.types[i]);
  }
}

int NamedArguments::position(const char *name) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return static_cast<int>(i);
  }
  throw Error(ErrorKind::kInternal, fmt::format("the function has no argument \"{}\"", name),
              "Its declaration in the database is not that of this library.",
              "Install the extension's script and its library from the same release.");
}

bool NamedArguments::IsNull(const char *name) const {
  return pg::IsNull(fcinfo_, position(name));
}

bool NamedArguments::IsText(const char *name) const {
  return types_[static_cast<std::size_t>(position(name))] == TEXTOID;
}

std::string NamedArguments::Text(const char *name) const {
  return TextArgument(fcinfo_, position(name), name);
}

std::string NamedArguments::Name(const char *name) const {
  return NameArgument(fcinfo_, position(name), name);
}

std::int32_t NamedArguments::Integer(const char *name) const {
  return IntegerArgument(fcinfo_, position(name), name);
}

std::int64_t NamedArguments::Bigint(const char *name) const {
  const int at = position(name);
  RequireValue(fcinfo_, at, name);
  return DatumGetInt64(fcinfo_->args[at].value);
}

bool NamedArguments::Bool(const char *name) const {
  const int at = position(name);
  RequireValue(fcinfo_, at, name);
  return DatumGetBool(fcinfo_->args[at].value);
}

double NamedArguments::Finite(const char *name) const {
  const int at = position(name);
  RequireValue(fcinfo_, at, name);
  const double value = DatumGetFloat8(fcinfo_->args[at].value);
  if (!std::isfinite(value)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("argument \"{}\" must be a finite number", name));
  }
  return value;
}

Oid NamedArguments::Relation(const char *name) const {
  return RelationArgument(fcinfo_, position(name), name);
}

std::uint64_t NamedArguments::Seed(const char *name) const {
  return SeedArgument(fcinfo_, position(name));
}

std::string NamedArguments::OptionalName(const char *name) const {
  return pg::OptionalName(fcinfo_, position(name), name);
}

std::optional<std::vector<std::string>> NamedArguments::OptionalNames(const char *name) const {
  return NamesArgument(fcinfo_, position(name), name);
}

std::optional<std::vector<std::string>> NamedArguments::OptionalTexts(const char *name) const {
  return TextsArgument(fcinfo_, position(name), name);
}

std::optional<std::int32_t> NamedArguments::OptionalInteger(const char *name) const {
  if (IsNull(name)) return std::nullopt;
  return Integer(name);
}

std::optional<std::int64_t> NamedArguments::OptionalPositive(const char *name) const {
  return PositiveArgument(fcinfo_, position(name), name);
}

std::optional<double> NamedArguments::OptionalFinite(const char *name) const {
  if (IsNull(name)) return std::nullopt;
  return Finite(name);
}

std::optional<Budget> NamedArguments::OptionalBudget(const char *name) const {
  return BudgetArgument(fcinfo_, position(name));
}

}  // namespace trails::pg
