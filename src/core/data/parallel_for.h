// Independent pieces of work on a few threads.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

namespace trails {

// Runs work(i) once for each i in [0, count), on this thread and up to threads - 1 more, in no
// particular order. Returns when all are done. The first exception ends it and is thrown here.
// Throws Error(kCancelled) when stop was requested before all work had begun.
// The new threads inherit this one's signal mask.
void ParallelFor(std::int64_t count, std::int32_t threads, const std::stop_token &stop,
                 const std::function<void(std::int64_t)> &work);

// Throws Error(kCancelled) when stop was requested.
void ThrowIfStopped(const std::stop_token &stop);

}  // namespace trails
