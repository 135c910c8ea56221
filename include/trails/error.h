// Errors of the engine, and the one place that turns an exception into words.
//
// May touch: the C++ standard library. Knows nothing of PostgreSQL or Torch, so
// that every room can throw and every test can check what was thrown.
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>

namespace trails {

// What went wrong, from the reader's side: who has to act to make it right.
// src/pg/bridge.cpp maps each kind to one SQLSTATE.
enum class ErrorKind : std::uint8_t {
  kInvalidArgument,  // 22023: the caller passed a value outside its documented range
  kUndefinedColumn,  // 42703: a column that the relation does not have
  kUndefinedObject,  // 42704: a model, run or search space that does not exist for the caller
  kDuplicateObject,  // 42710: the name is taken
  kBadData,          // 22000: the rows read cannot be used (one class, NaN label)
  kCorruptData,      // XX001: stored bytes fail their checksum or their bounds
  kNotSupported,     // 0A000: well formed, but this build cannot do it (column type, CUDA)
  kLimit,            // 54000: a limit of the engine (memory limit, too many columns or classes)
  kOutOfMemory,      // 53200: host or device memory ran out
  kCancelled,        // 57014: the caller asked us to stop
  kDevice,           // 58000: the CUDA driver or a kernel failed
  kMissingLibrary,   // 58P01: a shared library is not installed
  kInternal,         // XX000: a bug in trails; please report
};

// Thrown by every room above the kernels.
//
// message: one line, lower case, no full stop (PostgreSQL's primary message style).
// detail, hint: whole sentences, or empty.
// where: left alone; psql's \set VERBOSITY verbose shows it as LOCATION.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string &message, std::string detail = {}, std::string hint = {},
        std::source_location where = std::source_location::current())
      : std::runtime_error(message),
        kind_(kind),
        detail_(std::move(detail)),
        hint_(std::move(hint)),
        where_(where) {}

  ErrorKind kind() const noexcept { return kind_; }
  const std::string &detail() const noexcept { return detail_; }
  const std::string &hint() const noexcept { return hint_; }
  const std::source_location &where() const noexcept { return where_; }

 private:
  ErrorKind kind_;
  std::string detail_;
  std::string hint_;
  std::source_location where_;
};

// An error flattened into plain bytes. Trivially destructible on purpose: the
// bridge keeps it on a stack frame that ereport's longjmp abandons.
struct ErrorReport {
  ErrorKind kind;
  char message[512];
  char detail[1024];
  char hint[512];
  std::source_location where;
};

// Describes the exception being handled. Call it only inside a catch block.
// Never throws and never allocates, so it also works for std::bad_alloc.
ErrorReport DescribeCurrentException() noexcept;

}  // namespace trails
