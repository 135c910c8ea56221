// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#include "pg/engine_call.h"

extern "C" {
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "utils/timeout.h"
}

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>

#include "pg/engine_library.h"
#include "pg/settings.h"

namespace trails::pg::internal {

namespace {

// A cancel must be seen, and progress be published, within 50 ms even if a wake-up were lost.
constexpr long kPollMs = 20;

// The postmaster passes one Ctrl-C on as two signals, to the backend and to its process group;
// what follows the first within this time is the same request.
constexpr std::chrono::milliseconds kSameRequest{50};

class SignalMask {
 public:
  SignalMask() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalMask() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
  SignalMask(const SignalMask &) = delete;
  SignalMask &operator=(const SignalMask &) = delete;

 private:
  sigset_t saved_;
};

// The engine thread now running in this backend, or null.
std::jthread *running_engine = nullptr;

// FATAL leaves through proc_exit and unwinds nothing. Without this, exit() would
// run static destructors under a live engine thread, and a crash there makes the
// postmaster restart every session of the server.
void JoinEngineAtExit(int, Datum) {
  if (running_engine != nullptr) {
    running_engine->request_stop();
    if (running_engine->joinable()) running_engine->join();
  }
  JoinEngineOpening();
}

void RegisterExitCallbackOnce() {
  static bool registered = false;
  if (registered) return;
  CallPg([] { before_shmem_exit(JoinEngineAtExit, Datum{0}); });
  registered = true;
}

class RunningEngine {
 public:
  explicit RunningEngine(std::jthread *engine) noexcept { running_engine = engine; }
  ~RunningEngine() { running_engine = nullptr; }
  RunningEngine(const RunningEngine &) = delete;
  RunningEngine &operator=(const RunningEngine &) = delete;
};

// Decides what the interrupts that are pending mean for the running work.
class Interrupts {
 public:
  Interrupts(std::atomic<bool> *finish, std::jthread *engine) noexcept
      : finish_(finish), engine_(engine) {}

  // Call it after each wake-up.
  void Handle() {
    if (ProcDiePending || ClientConnectionLost) {
      engine_->request_stop();
    } else if (QueryCancelPending) {
      Cancel();
    }
  }

  // True while a second signal of a request that was already turned into "finish" may come: it
  // must not hit what the caller does next.
  bool expects_echo() const noexcept {
    return kept_ && !engine_->get_stop_token().stop_requested() && Clock::now() < echo_until_;
  }

 private:
  void Cancel() {
    // On a standby a cancel may be a recovery conflict, which keeps coming until it is obeyed.
    const bool may_keep =
        finish_ != nullptr && CancelBehaviour() == OnCancel::kKeep && !RecoveryInProgress();
    const Clock::time_point now = Clock::now();
    if (!may_keep || (kept_ && now >= echo_until_)) {
      engine_->request_stop();
      return;
    }
    if (!kept_) echo_until_ = now + kSameRequest;
    kept_ = true;
    QueryCancelPending = false;
    // Else the next cancel would be reported as the timeout that was obeyed here.
    CallPg([] { (void)get_timeout_indicator(STATEMENT_TIMEOUT, true); });
    finish_->store(true, std::memory_order_relaxed);
  }

  std::atomic<bool> *const finish_;
  std::jthread *const engine_;
  bool kept_ = false;
  Clock::time_point echo_until_{};
};

// What other backends wait for (barriers of DROP DATABASE and the like) or ask for must not wait
// a minute for us. Each is a thing that PostgreSQL itself does wherever a statement checks for
// interrupts or locks a relation; the engine shares no state with any. Cancel is held back: it
// leaves by longjmp and must find the engine joined. What is FATAL here (the client is gone) joins
// it in JoinEngineAtExit.
void ServeOtherBackends() {
  if (catchupInterruptPending) ProcessCatchupInterrupt();
  if (!InterruptPending || ProcDiePending) return;
  HOLD_CANCEL_INTERRUPTS();
  ProcessInterrupts();
  RESUME_CANCEL_INTERRUPTS();
}

void WaitOnce(Latch *latch) {
  CallPg([=] {
    (void)WaitLatch(latch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMs,
                    PG_WAIT_EXTENSION);
    ResetLatch(latch);
    ServeOtherBackends();
  });
}

std::jthread Start(const std::function<void(std::stop_token)> &job, std::atomic<bool> *done,
                   Latch *latch) {
  SignalMask mask;
  try {
    return std::jthread([&job, done, latch](std::stop_token stop) {
      job(std::move(stop));
      done->store(true, std::memory_order_release);
      SetLatch(latch);  // async-signal-safe, hence safe from here
    });
  } catch (const std::system_error &error) {
    throw Error(ErrorKind::kLimit, "could not start an engine thread",
                std::string("The system said: ") + error.what() + ".");
  }
}

}  // namespace

void RunMasked(const std::function<void(std::stop_token)> &job, const EngineCall &call) {
  if (running_engine != nullptr) {
    throw Error(ErrorKind::kInternal, "an engine call is running in this backend already");
  }
  RegisterExitCallbackOnce();
  std::atomic<bool> done{false};
  std::jthread engine = Start(job, &done, MyLatch);
  RunningEngine running(&engine);
  Interrupts interrupts(call.finish, &engine);
  while (!done.load(std::memory_order_acquire) || interrupts.expects_echo()) {
    WaitOnce(MyLatch);
    interrupts.Handle();
    if (call.progress != nullptr && call.session != nullptr) {
      call.session->PublishNowAndThen(*call.progress);
    }
  }
  engine.join();
  CallPg([] { CHECK_FOR_INTERRUPTS(); });
  if (call.progress != nullptr && call.session != nullptr) call.session->Publish(*call.progress);
}

}  // namespace trails::pg::internal
