// The arguments of a SQL function that has many of them, by their names in its declaration.
//
// Functions that read a relation share a dozen arguments, each at a place of its own in every
// declaration; the names are the same everywhere.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/arguments.h"

namespace trails::pg {

// Each method reads one argument as the function of arguments.h does, and throws as it does; and
// Error(kInternal) for a name that the declaration does not have.
class NamedArguments {
 public:
  // Throws PgError. Cost: a look-up in the cache of pg_proc, some microseconds.
  explicit NamedArguments(FunctionCallInfo fcinfo);

  FunctionCallInfo fcinfo() const noexcept { return fcinfo_; }
  int position(const char *name) const;
  bool IsNull(const char *name) const;
  bool IsText(const char *name) const;  // declared as text: overloads share one C function

  std::string Text(const char *name) const;
  std::string Name(const char *name) const;
  std::int32_t Integer(const char *name) const;
  std::int64_t Bigint(const char *name) const;
  bool Bool(const char *name) const;
  double Finite(const char *name) const;  // throws Error(kInvalidArgument) for NaN and infinity
  Oid Relation(const char *name) const;
  std::uint64_t Seed(const char *name) const;

  // NULL gives nothing, or an empty name.
  std::string OptionalName(const char *name) const;
  std::optional<std::vector<std::string>> OptionalNames(const char *name) const;
  std::optional<std::vector<std::string>> OptionalTexts(const char *name) const;
  std::optional<std::int32_t> OptionalInteger(const char *name) const;
  std::optional<std::int64_t> OptionalPositive(const char *name) const;
  std::optional<double> OptionalFinite(const char *name) const;
  std::optional<Budget> OptionalBudget(const char *name) const;

 private:
  FunctionCallInfo fcinfo_;
  std::vector<std::string> names_;  // of the arguments that are passed in, in their order
  std::vector<Oid> types_;          // theirs
};

}  // namespace trails::pg
