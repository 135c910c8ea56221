// Opens trails_engine.so, and with it LibTorch, on the first call that needs it.
//
// May touch: include/trails, POSIX dlopen. Never PostgreSQL or Torch: it runs on engine threads.
#pragma once

#include "trails/engine.h"

namespace trails::pg {

// Returns the process-wide engine; opens the library on the first call, from the folder in which
// trails.so itself lies and from nowhere else. It is never closed.
//
// Call it on an engine thread only (inside RunEngine's work): what LibTorch starts while it is
// opened inherits the blocked signals.
//
// Throws Error(kMissingLibrary) when the library, or LibTorch below it, is not installed or was
// built from other headers; the next call tries again.
// Cost: 0.2 to 0.5 s and some 90 MB of private memory once a process, then one load.
Engine &OpenEngine();

}  // namespace trails::pg
