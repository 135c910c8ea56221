// SQL functions that misuse the guards and the engine call on purpose, for 001_guards.pl.
//
// May touch: src/pg, include/trails. Never Torch.
#include "pg/bridge.h"
#include "pg/engine_call.h"
#include "pg/engine_library.h"
#include "pg/progress.h"
#include "pg/settings.h"
#include "pg/spi_session.h"

extern "C" {
#include "tcop/dest.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void _PG_init(void) {
  trails::pg::DefineSettings();
}
}

#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace trails::pg {
namespace {

std::string TextArgument(FunctionCallInfo fcinfo, int position) {
  const char *const words = CallPg([=] { return text_to_cstring(PG_GETARG_TEXT_PP(position)); });
  return words;
}

Datum TextResult(const std::string &words) {
  return CallPg([&] { return CStringGetTextDatum(words.c_str()); });
}

void RunSql(const std::string &sql, DestReceiver *receiver) {
  const SpiSession session;
  CallPg([&] {
    SPIExecuteOptions options{};
    options.read_only = false;
    options.dest = receiver;
    const int code = SPI_execute_extended(sql.c_str(), &options);
    if (code < 0) elog(ERROR, "SPI_execute_extended failed: %d", code);
  });
}

// Throws what the word says; holds memory meanwhile, which must not be lost.
void Throw(const std::string &what) {
  const std::vector<char> ballast(1 << 20, 'x');
  static const std::map<std::string, ErrorKind> kinds = {
      {"invalid_argument", ErrorKind::kInvalidArgument},
      {"undefined_column", ErrorKind::kUndefinedColumn},
      {"undefined_object", ErrorKind::kUndefinedObject},
      {"duplicate_object", ErrorKind::kDuplicateObject},
      {"bad_data", ErrorKind::kBadData},
      {"corrupt_data", ErrorKind::kCorruptData},
      {"not_supported", ErrorKind::kNotSupported},
      {"limit", ErrorKind::kLimit},
      {"out_of_memory", ErrorKind::kOutOfMemory},
      {"cancelled", ErrorKind::kCancelled},
      {"device", ErrorKind::kDevice},
      {"missing_library", ErrorKind::kMissingLibrary},
      {"internal", ErrorKind::kInternal},
  };
  if (const auto kind = kinds.find(what); kind != kinds.end()) {
    throw Error(kind->second, "thrown on purpose: 100%s", "This is the detail, 100%d.",
                "This is the hint, 100%n.");
  }
  if (what == "bad_alloc") throw std::bad_alloc();
  if (what == "runtime_error") throw std::runtime_error("a runtime error\nwith a second line");
  if (what == "int") throw 42;
  if (what == "call_pg") CallPg([] { elog(NOTICE, "never reached"); });
  if (what == "division") RunSql("SELECT 1 / (random() * 0)::integer", nullptr);
  if (what == "privilege") RunSql("SELECT * FROM pg_authid", nullptr);
  if (what == "missing_engine") (void)OpenEngine({});
}

struct ThrowingReceiver {
  DestReceiver base;
  const std::string *what;
};

// Throws from C++ that the executor calls, with SPI and CallPg below it on the stack.
void ThrowInReceiver(const std::string &what) {
  ThrowingReceiver receiver{};
  receiver.base.receiveSlot = [](TupleTableSlot *, DestReceiver *self) {
    const std::string *const words = reinterpret_cast<ThrowingReceiver *>(self)->what;
    return EnterCpp([=] {
      Throw(*words);
      return true;
    });
  };
  receiver.base.rStartup = [](DestReceiver *, int, TupleDesc) {};
  receiver.base.rShutdown = [](DestReceiver *) {};
  receiver.base.rDestroy = [](DestReceiver *) {};
  receiver.base.mydest = DestNone;
  receiver.what = &what;
  RunSql("SELECT generate_series(1, 3)", &receiver.base);
}

// One of three seconds of work, in steps of a mini-batch; says how it ended.
std::string Work(double seconds, bool heeds_finish, const std::stop_token &stop,
                 const std::atomic<bool> &finish, Progress *progress) {
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  progress->Enter(Phase::kRefinement);
  while (Clock::now() < end) {
    if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "stopped");
    if (heeds_finish && finish.load(std::memory_order_relaxed)) return "ended in good order";
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    progress->epochs.fetch_add(1, std::memory_order_relaxed);
    progress->best.store(0.5, std::memory_order_relaxed);
  }
  return "ran to its end";
}

}  // namespace
}  // namespace trails::pg

// abuse_throw(what text, side text) -> void
TRAILS_PG_FUNCTION(abuse_throw) {
  using namespace trails::pg;
  const std::string what = TextArgument(fcinfo, 0);
  const std::string side = TextArgument(fcinfo, 1);
  if (side == "body") Throw(what);
  if (side == "receiver") ThrowInReceiver(what);
  if (side == "engine") RunEngine([&](std::stop_token) { Throw(what); });
  if (side == "nested") {
    RunSql("SELECT abuse_throw('" + what + "', 'receiver')", nullptr);
  }
  PG_RETURN_VOID();
}

// abuse_work(seconds float8, heeds_finish boolean) -> text
TRAILS_PG_FUNCTION(abuse_work) {
  using namespace trails;
  const double seconds = PG_GETARG_FLOAT8(0);
  const bool heeds_finish = PG_GETARG_BOOL(1);
  Progress progress;
  std::atomic<bool> finish{false};
  const Clock::time_point start = Clock::now();
  pg::ProgressSession session(InvalidOid, start, start + std::chrono::seconds(60));
  const std::string words = pg::RunEngine(
      [&](std::stop_token stop) {
        return pg::Work(seconds, heeds_finish, stop, finish, &progress);
      },
      pg::EngineCall{&progress, &session, &finish});
  return pg::TextResult(words);
}

// abuse_rss_kb() -> bigint: resident memory of this backend, kB
TRAILS_PG_FUNCTION(abuse_rss_kb) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen("/proc/self/statm", "r"),
                                                              std::fclose);
  long size = 0;
  long resident = 0;
  if (!file || fscanf(file.get(), "%ld %ld", &size, &resident) != 2) {
    throw trails::Error(trails::ErrorKind::kInternal, "could not read /proc/self/statm");
  }
  PG_RETURN_INT64(std::int64_t{resident} * sysconf(_SC_PAGESIZE) / 1024);
}

// abuse_threads() -> integer
TRAILS_PG_FUNCTION(abuse_threads) {
  PG_RETURN_INT32(trails::pg::EngineThreads());
}

// abuse_memory_limit() -> bigint
TRAILS_PG_FUNCTION(abuse_memory_limit) {
  PG_RETURN_INT64(trails::pg::MemoryLimitBytes());
}
