#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/partition_fetch.h"

extern "C" {
#include "access/detoast.h"
}

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

namespace trails::pg {

namespace {

using SteadyClock = std::chrono::steady_clock;

// A slice costs as much as some 16 kB more of one that is fetched anyway.
constexpr std::size_t kWorthSkipping = std::size_t{16} << 10;

constexpr const char *kFind[] = {
    "SELECT columns, bytes FROM trails.partition WHERE partition_id = $1",
    "SELECT columns, bytes FROM trails.cached_partition WHERE partition_id = $1",
};

[[noreturn]] void ThrowCorrupt(std::int64_t partition, const std::string &what) {
  throw Error(ErrorKind::kCorruptData, "stored intermediate is corrupt",
              fmt::format("Partition {}: {}", partition, what));
}

std::size_t TotalBytes(const StoredPartition &partition) {
  const char *const stored = partition.bytes.data();
  return CallPg([=] { return toast_raw_datum_size(PointerGetDatum(stored)) - VARHDRSZ; });
}

}  // namespace

std::string_view PartitionFetcher::Fetched::payload(const PartitionEntry &entry) const {
  if (entry.bytes == 0) return {};  // where it would be need not have been fetched
  const auto after = std::upper_bound(
      slices.begin(), slices.end(), std::size_t{entry.offset},
      [](std::size_t offset, const Slice &slice) { return offset < slice.offset; });
  const Slice &slice = *std::prev(after);
  return std::string_view(slice.bytes).substr(entry.offset - slice.offset, entry.bytes);
}

void PartitionFetcher::Know(StoredPartition partition) {
  const std::int64_t id = partition.id;
  known_.insert_or_assign(id, std::move(partition));
}

std::optional<StoredPartition> PartitionFetcher::Find(std::int64_t id) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  SqlParameters parameters;
  parameters.AddBigint(id);
  const auto shelf = static_cast<std::size_t>(shelf_);
  if (catalog_.WriteOften(kFind[shelf], parameters) == 0) return std::nullopt;
  StoredPartition found{id, catalog_.Integer(0, 0), catalog_.Stored(0, 1)};
  catalog_.FreeRows();
  return found;
}

std::string PartitionFetcher::FetchSlice(const StoredPartition &partition, std::size_t offset,
                                         std::size_t length) {
  std::string bytes(length, '\0');
  char *const to = bytes.data();
  const char *const stored = partition.bytes.data();
  const auto start = SteadyClock::now();
  const std::size_t got = CallPg([=] {
    struct varlena *const slice = PG_DETOAST_DATUM_SLICE(
        PointerGetDatum(stored), static_cast<int32>(offset), static_cast<int32>(length));
    const std::size_t size = Min(length, VARSIZE_ANY_EXHDR(slice));
    memcpy(to, VARDATA_ANY(slice), size);
    pfree(slice);
    return size;
  });
  fetch_seconds_ += std::chrono::duration<double>(SteadyClock::now() - start).count();
  ++work_.slices;
  if (got != length) {
    ThrowCorrupt(partition.id, fmt::format("{} of {} bytes are there.", got, length));
  }
  return bytes;
}

PartitionDirectory PartitionFetcher::ReadWhole(const StoredPartition &partition,
                                               std::string *bytes) {
  *bytes = FetchSlice(partition, 0, TotalBytes(partition));
  return {*bytes, bytes->size(), partition.columns};
}

PartitionFetcher::Fetched PartitionFetcher::Fetch(const StoredPartition &partition,
                                                  std::span<const std::int32_t> columns) {
  const std::size_t total = TotalBytes(partition);
  const std::size_t head = std::min(total, PartitionDirectory::BytesFor(partition.columns));
  const bool all =
      total - head <= kWorthSkipping ||
      columns.size() * 2 >= static_cast<std::size_t>(std::max<std::int32_t>(partition.columns, 0));
  Fetched fetched;
  fetched.slices.push_back({0, FetchSlice(partition, 0, all ? total : head)});
  const PartitionDirectory directory(fetched.slices[0].bytes, total, partition.columns);
  fetched.contents = directory.contents();
  for (const std::int32_t column : columns) {
    if (column < 0 || column >= directory.columns()) {
      ThrowCorrupt(partition.id, fmt::format("It has no column {}.", column + 1));
    }
    fetched.entries.push_back(directory.entry(column));
  }
  if (all) return fetched;
  // Payloads stand in the order of the columns.
  for (std::size_t first = 0; first < fetched.entries.size();) {
    const std::size_t offset = fetched.entries[first].offset;
    std::size_t end = offset + fetched.entries[first].bytes;
    std::size_t next = first + 1;
    for (; next < fetched.entries.size(); ++next) {
      const PartitionEntry &entry = fetched.entries[next];
      if (entry.offset > end + kWorthSkipping) break;
      end = entry.offset + entry.bytes;
    }
    if (end > offset)
      fetched.slices.push_back({offset, FetchSlice(partition, offset, end - offset)});
    first = next;
  }
  return fetched;
}

void PartitionFetcher::Decode(const StoredPartition &partition, std::int32_t column,
                              const PartitionEntry &entry, std::string_view payload,
                              std::string_view base, std::string *elements) {
  try {
    DecodeEntry(entry, payload, base, elements);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::kCorruptData) throw;
    ThrowCorrupt(partition.id,
                 fmt::format("column {}: {}: {}", column + 1, error.what(), error.detail()));
  }
  work_.bytes += entry.bytes;
  work_.values += entry.element_bytes / static_cast<std::uint32_t>(entry.width);
}

void PartitionFetcher::ReadBases(const StoredPartition &partition, const Fetched &fetched,
                                 std::map<ChunkPlace, std::string> *bases) {
  std::map<std::int64_t, std::set<std::int32_t>> wanted;  // columns by partition, 0: its own
  for (const PartitionEntry &entry : fetched.entries) {
    if (entry.needs_base()) wanted[entry.base.partition].insert(entry.base.column);
  }
  for (const auto &[id, set] : wanted) {
    const std::optional<StoredPartition> other = id == 0 ? partition : Find(id);
    if (!other)
      ThrowCorrupt(partition.id, fmt::format("It needs partition {}, which is gone.", id));
    const std::vector<std::int32_t> columns(set.begin(), set.end());
    const Fetched from = Fetch(*other, columns);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const PartitionEntry &entry = from.entries[i];
      if (entry.needs_base()) {
        ThrowCorrupt(partition.id, fmt::format("It refers to column {} of partition {}, which "
                                               "refers to another itself.",
                                               columns[i] + 1, other->id));
      }
      Decode(*other, columns[i], entry, from.payload(entry), {}, &(*bases)[{id, columns[i]}]);
    }
  }
}

ChunkHash PartitionFetcher::Read(const StoredPartition &partition,
                                 std::span<const std::int32_t> columns, std::string *elements) {
  const Fetched fetched = Fetch(partition, columns);
  std::map<ChunkPlace, std::string> bases;
  ReadBases(partition, fetched, &bases);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const PartitionEntry &entry = fetched.entries[i];
    const std::string_view base =
        entry.needs_base() ? std::string_view(bases.at(entry.base)) : std::string_view();
    Decode(partition, columns[i], entry, fetched.payload(entry), base, elements + i);
  }
  return fetched.contents;
}

}  // namespace trails::pg
