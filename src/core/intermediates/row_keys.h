// The keys of logged rows: how many name a row, and which rows of two data sets have the same one.
//
// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/intermediates/chunk.h"

namespace trails {

// A key is known by its hash (HashOf), no defence against somebody who makes two keys of one.
// A key that is NULL, or that several rows have, names no row.
// Memory: 24 bytes a row.
class RowKeys {
 public:
  RowKeys() : shelves_(kShelves) {}

  void Add(const std::optional<std::string_view> &key);

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t nulls() const noexcept { return nulls_; }

  // Rows whose key another row has too. `poll` is called every few milliseconds, and may throw, as
  // below. Cost: some 0.1 us a row.
  std::int64_t CountRepeated(const std::function<void()> &poll);

 private:
  friend struct KeyMatch MatchKeys(RowKeys *a, RowKeys *b, const std::function<void()> &poll);

  struct Entry {
    ChunkHash key;
    std::int64_t row = 0;
  };
  static constexpr std::size_t kShelves = 1'024;  // by the key: so much is sorted at once

  // Sorts the shelf.
  const std::vector<Entry> &Shelf(std::size_t number);

  std::vector<std::vector<Entry>> shelves_;
  std::int64_t rows_ = 0;
  std::int64_t nulls_ = 0;
};

// Which row of b has the key of a row of a.
struct KeyMatch {
  std::vector<std::int64_t> partner;  // [rows of a]: position in b, -1 for none
  std::int64_t pairs = 0;
  std::int64_t nameless_a = 0;  // rows whose key names no row
  std::int64_t nameless_b = 0;
};

// Rows whose key names one row of each. Throws what `poll` throws. Cost: some 0.2 us a row.
KeyMatch MatchKeys(RowKeys *a, RowKeys *b, const std::function<void()> &poll);

}  // namespace trails
