// The rows of a relation in columnar form: what the reader gives the engine.
//
// Memory: 4 bytes a value where the values allow it, in blocks that are never
// moved, so that reading never holds a column twice; see Column.
//
// May touch: the C++ standard library only.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trails {

// A growing array that allocates blocks of 65,536 values and never moves them.
template <typename T>
class BlockedArray {
 public:
  static constexpr std::int64_t kBlockValues = 1 << 16;

  void push_back(T value) {
    const std::int64_t at = size_ & (kBlockValues - 1);
    if (at == 0) blocks_.push_back(std::make_unique_for_overwrite<T[]>(kBlockValues));
    blocks_.back()[at] = value;
    ++size_;
  }
  T operator[](std::int64_t i) const noexcept {
    return blocks_[static_cast<std::size_t>(i >> 16)][i & (kBlockValues - 1)];
  }
  std::int64_t size() const noexcept { return size_; }
  std::int64_t bytes() const noexcept {
    std::int64_t held = 0;
    for (const auto &block : blocks_) held += block ? 1 : 0;
    return held * kBlockValues * static_cast<std::int64_t>(sizeof(T));
  }
  // Frees the values [block * kBlockValues, (block + 1) * kBlockValues), which must not be read
  // again; nothing happens beyond the last block.
  void ReleaseBlock(std::int64_t block) noexcept {
    if (block < static_cast<std::int64_t>(blocks_.size())) {
      blocks_[static_cast<std::size_t>(block)].reset();
    }
  }
  void clear() noexcept {
    blocks_.clear();
    size_ = 0;
  }

 private:
  std::vector<std::unique_ptr<T[]>> blocks_;
  std::int64_t size_ = 0;
};

// What a column's values are, whatever their SQL type was.
enum class ColumnKind : std::uint8_t {
  kInteger,  // smallint, integer, bigint
  kFloat,    // real, double precision, numeric; date, timestamp and interval in seconds
  kText,     // text, varchar, char, enum, uuid, boolean ('false', 'true')
};

// One value of one row, for prediction. `text` points into memory of the caller.
struct Cell {
  bool is_null = true;
  std::int64_t integer = 0;  // kInteger
  double number = 0;         // kFloat
  std::string_view text;     // kText
};

// One column of the rows read.
//
// NULL is INT64_MIN, NaN or code -1 inside; use is_null(). A NaN that was read counts as
// NULL. Integers are kept in 4 bytes until the first that needs 8, floats until the first
// that float32 cannot hold exactly. Text is kept as codes into a dictionary of at most
// kMaxDistinct values; what comes later is kOverflowCode, one value of its own.
class Column {
 public:
  static constexpr std::int32_t kMaxDistinct = 1'000'000;
  static constexpr std::int32_t kOverflowCode = kMaxDistinct;

  Column() = default;
  Column(std::string name, ColumnKind kind, std::string sql_type)
      : name_(std::move(name)), sql_type_(std::move(sql_type)), kind_(kind) {}

  const std::string &name() const noexcept { return name_; }
  const std::string &sql_type() const noexcept { return sql_type_; }  // as format_type writes it
  ColumnKind kind() const noexcept { return kind_; }
  std::int64_t rows() const noexcept { return rows_; }
  // Floats that were NaN and not NULL. As features they count as NULL; as a target they are an
  // error.
  std::int64_t nans() const noexcept { return nans_; }

  // Appends one value; the one that fits kind(), else the behaviour is undefined.
  // Throws std::bad_alloc.
  void AppendNull() {
    switch (kind_) {
      case ColumnKind::kInteger: AppendInteger(kNullInteger); break;
      case ColumnKind::kFloat:
        --nans_;  // AppendFloat counts it
        AppendFloat(std::numeric_limits<double>::quiet_NaN());
        break;
      case ColumnKind::kText: AppendCode(-1); break;
    }
  }
  void AppendInteger(std::int64_t value) {
    if (!wide_) {
      if (value > kNullNarrow && value <= std::numeric_limits<std::int32_t>::max()) {
        codes_.push_back(static_cast<std::int32_t>(value));
        ++rows_;
        return;
      }
      if (value == kNullInteger) {
        codes_.push_back(kNullNarrow);
        ++rows_;
        return;
      }
      Widen();
    }
    integers_.push_back(value);
    ++rows_;
  }
  void AppendFloat(double value) {
    nans_ += std::isnan(value) ? 1 : 0;
    if (!wide_) {
      const auto narrow = static_cast<float>(value);
      if (static_cast<double>(narrow) == value || std::isnan(value)) {
        floats_.push_back(narrow);
        ++rows_;
        return;
      }
      Widen();
    }
    doubles_.push_back(value);
    ++rows_;
  }
  void AppendText(std::string_view value);  // src/core/data/column.cpp

  bool is_null(std::int64_t row) const noexcept {
    switch (kind_) {
      case ColumnKind::kInteger: return integer(row) == kNullInteger;
      case ColumnKind::kFloat: return std::isnan(number(row));
      case ColumnKind::kText: return codes_[row] < 0;
    }
    return true;
  }
  // kInteger only; kNullInteger for NULL.
  std::int64_t integer(std::int64_t row) const noexcept {
    if (wide_) return integers_[row];
    const std::int32_t value = codes_[row];
    return value == kNullNarrow ? kNullInteger : value;
  }
  // kInteger and kFloat; NaN for NULL.
  double number(std::int64_t row) const noexcept {
    if (kind_ == ColumnKind::kFloat) {
      return wide_ ? doubles_[row] : static_cast<double>(floats_[row]);
    }
    const std::int64_t value = integer(row);
    return value == kNullInteger ? std::numeric_limits<double>::quiet_NaN()
                                 : static_cast<double>(value);
  }
  // kText only: index into dictionary(), kOverflowCode, or -1 for NULL.
  std::int32_t code(std::int64_t row) const noexcept { return codes_[row]; }
  const std::vector<std::string_view> &dictionary() const noexcept { return dictionary_; }

  // Memory held, bytes; the dictionary's by estimate.
  std::int64_t bytes() const noexcept;  // src/core/data/column.cpp
  // Frees the values and the dictionary; name, type, kind and rows() stay.
  void Release() noexcept;  // src/core/data/column.cpp
  // Frees the values of rows block * 65,536 onwards, 65,536 of them. The encoder calls it block by
  // block, so that a column and its encoded form are never both held whole.
  void ReleaseBlock(std::int64_t block) noexcept;  // src/core/data/column.cpp

  static constexpr std::int64_t kNullInteger = std::numeric_limits<std::int64_t>::min();

 private:
  static constexpr std::int32_t kNullNarrow = std::numeric_limits<std::int32_t>::min();

  // Lets the dictionary be asked with a string_view: no copy of text seen before.
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  void AppendCode(std::int32_t code) {
    codes_.push_back(code);
    ++rows_;
  }
  void Widen();  // src/core/data/column.cpp

  std::string name_;
  std::string sql_type_;
  ColumnKind kind_ = ColumnKind::kFloat;
  bool wide_ = false;
  std::int64_t rows_ = 0;
  std::int64_t nans_ = 0;
  BlockedArray<std::int32_t> codes_;  // text codes, or integers of 4 bytes
  BlockedArray<std::int64_t> integers_;
  BlockedArray<float> floats_;
  BlockedArray<double> doubles_;
  // Keys own the strings; nodes never move, so the views below stay valid, also when the
  // column itself is moved.
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> codes_by_text_;
  std::vector<std::string_view> dictionary_;
};

// A relation as read for training or evaluation: every column has the same rows.
struct Table {
  std::string relation;          // as written in messages and in the model's lineage
  std::vector<Column> features;  // in the relation's column order
  Column target;
  std::optional<Column> split;  // values 'train', 'valid', 'test'
  std::optional<Column> group;  // rows of one group stay on one side of the split

  std::int64_t rows() const noexcept { return target.rows(); }
};

}  // namespace trails
