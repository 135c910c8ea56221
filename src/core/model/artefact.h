// The stored form of a model.
//
//   "TRAILSMD" | format version u32 | payload bytes u64 | payload | XXH3-64 of all before, u64
//
// Little-endian. The payload's order is the order of the structs in model.h; strings and arrays
// are preceded by their count (u32 or u64). A reader of version n reads every version up to n.
//
// May touch: src/core, include/trails, xxHash. Never Torch or PostgreSQL.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "core/model/model.h"

namespace trails {

inline constexpr std::uint32_t kArtefactVersion = 1;

// Throws Error(kInternal) for a model with a defect (FindDefect), which ReadArtefact would refuse;
// Error(kLimit) when something is counted beyond 2^32. Cost: one copy of the weights.
std::string WriteArtefact(const Model &model);

// Throws Error(kCorruptData) for anything but what WriteArtefact wrote: wrong magic, a newer
// version (the HINT says so), truncated, wrong checksum, counts beyond the bytes left, and every
// defect that FindDefect knows. Never reads outside `bytes` and never allocates more than a small
// multiple of bytes.size(). Throws Error(kCancelled) within some 10 ms of a stop (32 MB).
Model ReadArtefact(std::string_view bytes, const std::stop_token &stop = {});

}  // namespace trails
