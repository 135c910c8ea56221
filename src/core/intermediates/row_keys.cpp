// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#include "core/intermediates/row_keys.h"

#include <algorithm>
#include <cstddef>

namespace trails {

namespace {

// Where the entries of the key at `first` end.
template <typename Entries>
std::size_t EndOfKey(const Entries &entries, std::size_t first) {
  std::size_t end = first + 1;
  while (end < entries.size() && entries[end].key == entries[first].key) ++end;
  return end;
}

// Calls visit(entry) for each key that one entry alone has, in their order; returns how many
// entries share one.
template <typename Entries, typename Visit>
std::int64_t VisitSingle(const Entries &entries, Visit visit) {
  std::int64_t shared = 0;
  for (std::size_t first = 0; first < entries.size();) {
    const std::size_t end = EndOfKey(entries, first);
    if (end == first + 1) {
      visit(entries[first]);
    } else {
      shared += static_cast<std::int64_t>(end - first);
    }
    first = end;
  }
  return shared;
}

}  // namespace

void RowKeys::Add(const std::optional<std::string_view> &key) {
  const std::int64_t row = rows_++;
  if (!key) {
    ++nulls_;
    return;
  }
  const ChunkHash hash = HashOf(*key, 1);
  const std::size_t shelf = (std::size_t{hash.bytes[0]} << 8 | hash.bytes[1]) % kShelves;
  shelves_[shelf].push_back({hash, row});
}

const std::vector<RowKeys::Entry> &RowKeys::Shelf(std::size_t number) {
  std::vector<Entry> &entries = shelves_[number];
  std::ranges::sort(entries, {}, &Entry::key);
  return entries;
}

std::int64_t RowKeys::CountRepeated(const std::function<void()> &poll) {
  std::int64_t repeated = 0;
  for (std::size_t shelf = 0; shelf < kShelves; ++shelf) {
    poll();
    repeated += VisitSingle(Shelf(shelf), [](const Entry &) {});
  }
  return repeated;
}

KeyMatch MatchKeys(RowKeys *a, RowKeys *b, const std::function<void()> &poll) {
  KeyMatch match;
  match.nameless_a = a->nulls_;
  match.nameless_b = b->nulls_;
  match.partner.assign(static_cast<std::size_t>(a->rows_), -1);
  std::vector<RowKeys::Entry> single;  // of b, sorted
  for (std::size_t shelf = 0; shelf < RowKeys::kShelves; ++shelf) {
    poll();
    single.clear();
    match.nameless_b +=
        VisitSingle(b->Shelf(shelf), [&](const RowKeys::Entry &entry) { single.push_back(entry); });
    auto at = single.begin();
    match.nameless_a += VisitSingle(a->Shelf(shelf), [&](const RowKeys::Entry &entry) {
      while (at != single.end() && at->key < entry.key) ++at;
      if (at == single.end() || at->key != entry.key) return;
      match.partner[static_cast<std::size_t>(entry.row)] = at->row;
      ++match.pairs;
    });
  }
  return match;
}

}  // namespace trails
