// Makes any bytes a partition whose checksums are right, as someone who wants to get past them
// would.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/intermediates/chunk.h"
#include "core/intermediates/partition.h"

namespace trails {

// Columns that the header speaks of.
inline std::int32_t ColumnsOf(std::string_view bytes) {
  std::uint16_t columns = 0;
  if (bytes.size() >= 8) std::memcpy(&columns, bytes.data() + 6, sizeof(columns));
  return columns;
}

// Sets the checksums of the payloads that lie inside, then that of header and directory, if all of
// it is there.
inline std::string Sealed(std::string bytes) {
  const std::int32_t columns = ColumnsOf(bytes);
  const std::size_t head = PartitionDirectory::BytesFor(columns);
  if (bytes.size() < head) return bytes;
  for (std::int32_t column = 0; column < columns; ++column) {
    char *const entry = bytes.data() + PartitionDirectory::BytesFor(column);
    std::uint32_t offset = 0;
    std::uint32_t count = 0;
    std::memcpy(&offset, entry + 4, sizeof(offset));
    std::memcpy(&count, entry + 8, sizeof(count));
    if (offset > bytes.size() || count > bytes.size() - offset) continue;
    const std::uint32_t checksum = Crc32c(std::string_view(bytes).substr(offset, count));
    std::memcpy(entry + 16, &checksum, sizeof(checksum));
  }
  const std::string_view sealed = std::string_view(bytes).substr(0, head);
  const std::uint32_t checksum = Crc32c(sealed.substr(16), Crc32c(sealed.substr(0, 12)));
  std::memcpy(bytes.data() + 12, &checksum, sizeof(checksum));
  return bytes;
}

}  // namespace trails
