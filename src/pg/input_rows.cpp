#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/input_rows.h"

extern "C" {
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "core/intermediates/chunk.h"
#include "core/random.h"
#include "pg/memory_scope.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

// The rows of a scan whose positions have the least random numbers.
class Sample {
 public:
  Sample(const Model &model, std::int64_t rows)
      : categorical_(static_cast<std::size_t>(model.fields.categorical())),
        numeric_(static_cast<std::size_t>(model.fields.numeric())),
        rows_(static_cast<std::size_t>(rows)),
        limit_(MemoryLimitBytes()) {}

  void Add(std::int64_t position, const InputRow &row) {
    const std::uint64_t draw = RandomStream(static_cast<std::uint64_t>(position)).Next();
    if (kept_.size() == rows_) {
      if (draw >= kept_.front().draw) return;
      std::ranges::pop_heap(kept_, {}, &Kept::draw);
      bytes_ -= BytesOf(kept_.back());
    } else {
      kept_.emplace_back();
    }
    Kept &kept = kept_.back();
    kept.draw = draw;
    kept.position = position;
    kept.ids.assign(row.ids, row.ids + categorical_);
    kept.values.assign(row.values, row.values + numeric_);
    kept.label = row.label;
    kept.key.reset();
    if (row.key) kept.key.emplace(*row.key);
    kept.part = row.part;
    bytes_ += BytesOf(kept);
    std::ranges::push_heap(kept_, {}, &Kept::draw);
    if (bytes_ > limit_) {
      throw Error(ErrorKind::kLimit, "sample does not fit into trails.memory_limit",
                  fmt::format("{} rows of it take {} MB.", kept_.size(), bytes_ >> 20),
                  "Ask for a smaller sample, or for all rows, which takes no memory.");
    }
  }

  void Give(const std::function<void(const InputRow &)> &sink) {
    std::ranges::sort(kept_, {}, &Kept::position);
    for (const Kept &kept : kept_) {
      InputRow row{kept.ids.data(), kept.values.data(), kept.label, {}, kept.part};
      if (kept.key) row.key = *kept.key;
      sink(row);
    }
  }

 private:
  struct Kept {
    std::uint64_t draw = 0;
    std::int64_t position = 0;
    std::vector<std::int32_t> ids;
    std::vector<float> values;
    double label = 0;
    std::optional<std::string> key;
    std::optional<SplitPart> part;
  };
  static std::int64_t BytesOf(const Kept &kept) {
    return static_cast<std::int64_t>(sizeof(Kept) + 4 * (kept.ids.size() + kept.values.size()) +
                                     (kept.key ? kept.key->size() : 0));
  }

  std::size_t categorical_;
  std::size_t numeric_;
  std::size_t rows_;
  std::int64_t limit_;
  std::vector<Kept> kept_;  // a heap, the largest draw in front
  std::int64_t bytes_ = 0;
};

// The keys of a block as C strings, null for NULL, in the current memory context.
std::vector<const char *> KeysOf(const EncodedBlock &block) {
  std::vector<const char *> keys(static_cast<std::size_t>(block.rows), nullptr);
  const char **const to = keys.data();
  CallPg([=, &block] {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      if (!block.key_is_null[row]) to[row] = TextDatumGetCString(block.keys[row]);
    }
  });
  return keys;
}

template <typename Plain>
void Append(const Plain &value, std::string *to) {
  to->append(reinterpret_cast<const char *>(&value), sizeof(value));
}

void AppendText(const std::string &text, std::string *to) {
  Append(text.size(), to);
  *to += text;
}

// The hash of what `before` is the hash of, followed by what `next` is the hash of.
std::array<std::uint8_t, 16> Chained(const std::array<std::uint8_t, 16> &before,
                                     const ChunkHash &next) {
  std::array<std::uint8_t, 32> both;
  std::ranges::copy(before, both.begin());
  std::ranges::copy(next.bytes, both.begin() + before.size());
  return HashOf({reinterpret_cast<const char *>(both.data()), both.size()}, 1).bytes;
}

std::string Hex(const std::uint8_t *bytes, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace

void ScanInputRows(const Model &model, const std::string &name, const ScanRequest &request,
                   std::optional<std::int64_t> sample,
                   const std::function<void(const InputRow &)> &sink) {
  std::optional<Sample> chosen;
  if (sample) chosen.emplace(model, *sample);
  const std::int32_t categorical = model.fields.categorical();
  const std::int32_t numeric = model.fields.numeric();
  std::int64_t position = 0;
  ScanEncoded(model, name, request, [&](const EncodedBlock &block) {
    const MemoryScope memory;
    std::vector<const char *> keys;
    if (!request.key.empty()) keys = KeysOf(block);
    for (std::int64_t i = 0; i < block.rows; ++i, ++position) {
      InputRow row;
      row.ids = block.ids + i * categorical;
      row.values = block.values + i * numeric;
      row.label = block.target == nullptr ? std::numeric_limits<double>::quiet_NaN()
                                          : model.target.Label(*block.target, i);
      const char *const key = keys.empty() ? nullptr : keys[static_cast<std::size_t>(i)];
      if (key != nullptr) row.key = key;
      if (block.parts != nullptr) row.part = block.parts[i];
      if (chosen) {
        chosen->Add(position, row);
      } else {
        sink(row);
      }
    }
  });
  if (chosen) chosen->Give(sink);
}

bool HasTarget(Oid relation, const Model &model) {
  const char *const target = model.target.column.name.c_str();
  return CallPg([=] { return get_attnum(relation, target); }) != InvalidAttrNumber;
}

void RowHashes::Add(const InputRow &row) {
  bytes_.assign(reinterpret_cast<const char *>(row.ids),
                sizeof(*row.ids) * static_cast<std::size_t>(categorical_));
  bytes_.append(reinterpret_cast<const char *>(row.values),
                sizeof(*row.values) * static_cast<std::size_t>(numeric_));
  features_ = Chained(features_, HashOf(bytes_, 1));
  bytes_.append(reinterpret_cast<const char *>(&row.label), sizeof(row.label));
  bytes_ += row.key ? '\1' : '\0';
  if (row.key) bytes_ += *row.key;
  if (row.part) bytes_ += static_cast<char>(*row.part);
  const ChunkHash hash = HashOf(bytes_, 1);
  unsigned __int128 number = 0;
  for (const std::uint8_t byte : hash.bytes) number = (number << 8) | byte;
  sum_ += number;
  chain_ = Chained(chain_, hash);
}

std::string RowHashes::in_order() const {
  return Hex(chain_.data(), chain_.size());
}

std::string RowHashes::features() const {
  return Hex(features_.data(), features_.size());
}

std::string RowHashes::any_order() const {
  std::array<std::uint8_t, sizeof(sum_)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(sum_ >> (8 * (bytes.size() - 1 - i)));
  }
  return Hex(bytes.data(), bytes.size());
}

std::string EncoderHash(const Fields &fields) {
  std::string bytes;
  for (const InputColumn &column : fields.columns) {
    AppendText(column.name, &bytes);
    AppendText(column.sql_type, &bytes);
  }
  for (const Field &field : fields.fields) {
    Append(field.kind, &bytes);
    Append(field.column, &bytes);
    Append(field.center, &bytes);
    Append(field.scale, &bytes);
    Append(field.texts.size(), &bytes);
    for (const std::string &text : field.texts) AppendText(text, &bytes);
    Append(field.integers.size(), &bytes);
    for (const std::int64_t number : field.integers) Append(number, &bytes);
  }
  const ChunkHash hash = HashOf(bytes, 1);
  return Hex(hash.bytes.data(), hash.bytes.size());
}

}  // namespace trails::pg
