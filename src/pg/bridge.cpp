// May touch: PostgreSQL headers (through bridge.h), include/trails. Never Torch.
#include "pg/bridge.h"

#include <pthread.h>

namespace trails::pg {

namespace internal {

namespace {

const pthread_t backend_thread = pthread_self();

int SqlState(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return ERRCODE_INVALID_PARAMETER_VALUE;
    case ErrorKind::kUndefinedColumn: return ERRCODE_UNDEFINED_COLUMN;
    case ErrorKind::kUndefinedObject: return ERRCODE_UNDEFINED_OBJECT;
    case ErrorKind::kDuplicateObject: return ERRCODE_DUPLICATE_OBJECT;
    case ErrorKind::kBadData: return ERRCODE_DATA_EXCEPTION;
    case ErrorKind::kCorruptData: return ERRCODE_DATA_CORRUPTED;
    case ErrorKind::kNotSupported: return ERRCODE_FEATURE_NOT_SUPPORTED;
    case ErrorKind::kLimit: return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    case ErrorKind::kOutOfMemory: return ERRCODE_OUT_OF_MEMORY;
    case ErrorKind::kCancelled: return ERRCODE_QUERY_CANCELED;
    case ErrorKind::kDevice: return ERRCODE_SYSTEM_ERROR;
    case ErrorKind::kMissingLibrary: return ERRCODE_UNDEFINED_FILE;
    case ErrorKind::kInternal: return ERRCODE_INTERNAL_ERROR;
  }
  return ERRCODE_INTERNAL_ERROR;
}

}  // namespace

void CheckBackendThread() {
  if (pthread_equal(backend_thread, pthread_self()) == 0) {
    throw Error(ErrorKind::kInternal, "an engine thread called PostgreSQL");
  }
}

MemoryContext ErrorCopyContext(MemoryContext otherwise) noexcept {
  return CurTransactionContext != nullptr ? CurTransactionContext : otherwise;
}

void RaiseReport(const ErrorReport &report) {
  // ereport(ERROR, ...) spelt out, to report the place that threw and not this line.
  if (errstart(ERROR, TEXTDOMAIN)) {
    errcode(SqlState(report.kind));
    errmsg_internal("%s", report.message);
    if (report.detail[0] != '\0') errdetail_internal("%s", report.detail);
    if (report.hint[0] != '\0') errhint("%s", report.hint);
    errfinish(report.where.file_name(), static_cast<int>(report.where.line()),
              report.where.function_name());
  }
  pg_unreachable();
}

}  // namespace internal

void Tell(const Notice &notice) {
  CallPg([&] {
    const int level = notice.level == NoticeLevel::kDebug    ? DEBUG1
                      : notice.level == NoticeLevel::kNotice ? NOTICE
                                                             : WARNING;
    ereport(level, (errmsg_internal("%s", notice.message.c_str()),
                    notice.detail.empty() ? 0 : errdetail_internal("%s", notice.detail.c_str()),
                    notice.hint.empty() ? 0 : errhint("%s", notice.hint.c_str())));
  });
}

}  // namespace trails::pg
