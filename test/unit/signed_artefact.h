// Makes any bytes an artefact whose length and checksum are right, as someone who wants to get
// past them would.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace trails {

inline constexpr std::size_t kArtefactHeaderBytes = 20;

// `bytes` holds at least a header and a checksum; both are made to fit the rest.
inline std::string Signed(std::string bytes) {
  const std::size_t sealed = bytes.size() - sizeof(std::uint64_t);
  const std::uint64_t payload = sealed - kArtefactHeaderBytes;
  std::memcpy(bytes.data() + 12, &payload, sizeof(payload));
  const std::uint64_t checksum = XXH3_64bits(bytes.data(), sealed);
  std::memcpy(bytes.data() + sealed, &checksum, sizeof(checksum));
  return bytes;
}

}  // namespace trails
