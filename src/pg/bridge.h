// The border between PostgreSQL's longjmp and C++'s exceptions.
//
//   PostgreSQL --EnterCpp--> C++ --CallPg--> PostgreSQL
//
// EnterCpp: C++ exceptions become ereport(ERROR), raised only after every C++
//           object of the call has been destroyed.
// CallPg:   ereport(ERROR) becomes a PgError, so that C++ frames unwind properly.
//
// Two rules make this sound, and the compiler cannot check the second:
//   1. Only the backend's main thread may call CallPg (checked at run time).
//   2. The callable given to CallPg is written like C: no local in it, nor in any
//      function it calls before PostgreSQL returns, has a destructor. It may capture
//      C++ objects by reference and change them in ways that cannot throw.
//
// May touch: PostgreSQL headers, include/trails. Never Torch.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
}

#include <csetjmp>
#include <new>
#include <type_traits>
#include <utility>

#include "trails/error.h"
#include "trails/result.h"

namespace trails::pg {

// A PostgreSQL ERROR travelling through C++ frames.
//
// Not a std::exception: no catch in the engine may stop it. After an ERROR the
// backend is good for one thing only, to abort the (sub)transaction, so the only
// handler is EnterCpp, which gives it back to PostgreSQL unchanged.
class PgError {
 public:
  explicit PgError(ErrorData *data) noexcept : data_(data) {}
  ErrorData *data() const noexcept { return data_; }

 private:
  ErrorData *data_;  // palloc'd; freed when the (sub)transaction aborts
};

namespace internal {

// Throws Error(kInternal) on any thread but the one that loaded the library, which is
// the backend's own.
void CheckBackendThread();

// Where the copy of an ERROR is kept on its way: a context that no scope object of ours
// deletes while unwinding. `otherwise` when no transaction is open.
MemoryContext ErrorCopyContext(MemoryContext otherwise) noexcept;

// ereport(ERROR) with the SQLSTATE of the report's kind and the place that threw.
[[noreturn]] void RaiseReport(const ErrorReport &report);

// Puts PostgreSQL's error stacks back when the scope ends, however it ends.
class ErrorStackScope {
 public:
  ErrorStackScope() noexcept : jump_(PG_exception_stack), context_(error_context_stack) {}
  ~ErrorStackScope() { Restore(); }
  ErrorStackScope(const ErrorStackScope &) = delete;
  ErrorStackScope &operator=(const ErrorStackScope &) = delete;

  void Restore() noexcept {
    PG_exception_stack = jump_;
    error_context_stack = context_;
  }

 private:
  sigjmp_buf *const jump_;
  ErrorContextCallback *const context_;
};

}  // namespace internal

// Runs `body` for PostgreSQL. Use it outermost in every function that PostgreSQL
// calls, callbacks included. Returns body's value, or does not return (ereport ERROR):
// PgError as PostgreSQL raised it, Error with its kind's SQLSTATE, std::bad_alloc as
// 53200, anything else as XX000. Cost: two stores; free of sigsetjmp.
template <typename Body>
std::invoke_result_t<Body> EnterCpp(Body &&body) {
  using Result = std::invoke_result_t<Body>;
  static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>);
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Body>>);
  ErrorData *pg_error = nullptr;
  ErrorReport report;
  MemoryContext const entry_context = CurrentMemoryContext;
  try {
    internal::ErrorStackScope scope;
    return std::forward<Body>(body)();
  } catch (const PgError &error) {
    pg_error = error.data();
  } catch (...) {
    report = DescribeCurrentException();
  }
  // From here on only plain data is alive: a longjmp is safe.
  MemoryContextSwitchTo(entry_context);
  if (pg_error != nullptr) ReThrowError(pg_error);
  internal::RaiseReport(report);
}

// Runs `fn`, which may ereport. Returns its value or throws PgError; std::bad_alloc when
// even the copy of the ERROR finds no memory; Error(kInternal) off the backend's thread.
// The current memory context is what `fn` leaves, or the one before it after an ERROR.
// Cost: one sigsetjmp (some 10 ns): wrap a batch, not a row.
template <typename Fn>
std::invoke_result_t<Fn> CallPg(Fn &&fn) {
  using Result = std::invoke_result_t<Fn>;
  static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>);
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Fn>>);
  internal::CheckBackendThread();

  MemoryContext const context = CurrentMemoryContext;
  internal::ErrorStackScope scope;
  sigjmp_buf landing;
  if (sigsetjmp(landing, 0) == 0) {
    PG_exception_stack = &landing;
    return std::forward<Fn>(fn)();
  }
  ErrorData *volatile data = nullptr;
  if (sigsetjmp(landing, 0) == 0) {
    MemoryContextSwitchTo(internal::ErrorCopyContext(context));
    data = CopyErrorData();  // may itself run out of memory
  }
  scope.Restore();
  MemoryContextSwitchTo(context);
  FlushErrorState();
  if (data == nullptr) throw std::bad_alloc();
  throw PgError(data);
}

// Tells the user: ereport(DEBUG1 | NOTICE | WARNING). Throws PgError (57014 when the
// message cannot be sent because the session is being cancelled).
void Tell(const Notice &notice);

}  // namespace trails::pg

// Defines a SQL-callable function whose body is ordinary C++:
//
//   TRAILS_PG_FUNCTION(trails_version) { PG_RETURN_INT32(1); }
#define TRAILS_PG_FUNCTION(name)                                      \
  extern "C" {                                                        \
  PG_FUNCTION_INFO_V1(name);                                          \
  }                                                                   \
  static Datum name##_body(FunctionCallInfo fcinfo);                  \
  extern "C" PGDLLEXPORT Datum name(PG_FUNCTION_ARGS) {               \
    return trails::pg::EnterCpp([=] { return name##_body(fcinfo); }); \
  }                                                                   \
  static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)
