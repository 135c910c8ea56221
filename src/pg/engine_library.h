// Opens trails_engine.so, and with it LibTorch, on the first call that needs it.
//
// May touch: include/trails, POSIX dlopen. Never PostgreSQL or Torch: it runs on engine threads.
#pragma once

#include <stop_token>

#include "trails/engine.h"

namespace trails::pg {

// Begins to open the library, from the folder in which trails.so itself lies and from nowhere
// else, on a thread of its own, and returns at once; does nothing when it is open or being opened.
// It is never closed.
//
// Why a thread that outlives the call: opening cannot be interrupted. A cancel must not wait for
// it, and reading the table need not either. The thread touches nothing of the session.
//
// Call it on an engine thread only (inside RunEngine's work): what LibTorch starts while it is
// opened inherits the blocked signals.
void StartOpeningEngine();

// Returns the process-wide engine; opens it first when need be, or waits for whoever opens it.
// Call it on an engine thread only.
//
// Throws Error(kMissingLibrary) when the library, or LibTorch below it, is not installed or was
// built from other headers; the next call tries again. Throws Error(kCancelled) within 10 ms of
// a stop; the opening goes on.
// Cost: 0.2 to 0.5 s and some 90 MB of private memory once a process, then nothing.
Engine &OpenEngine(const std::stop_token &stop);

// Throws Error(kNotSupported) where trails_cuda.so does not lie beside trails.so. Opens nothing.
void RequireInstalledCardLibrary();

// Waits for an opening that is under way, and for threads of the engine that outlive their call.
// For the end of the process: exit() must not run static destructors under them.
void JoinEngineOpening() noexcept;

}  // namespace trails::pg
