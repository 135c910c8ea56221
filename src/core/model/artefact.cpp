#include "core/model/artefact.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#define XXH_INLINE_ALL  // no libxxhash to link or to ship
#include <xxhash.h>

#include "core/data/parallel_for.h"
#include "trails/error.h"

namespace trails {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

constexpr std::string_view kMagic = "TRAILSMD";
constexpr std::size_t kHeaderBytes = kMagic.size() + sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);

// What a stored struct takes at least, so that a hostile count cannot make us allocate.
constexpr std::size_t kLeastColumnBytes = 2 * sizeof(std::uint32_t) + 1;
constexpr std::size_t kLeastFieldBytes = 1 + 4 * 4 + 2 * 8 + 4 + 2 * 8 + 1;
constexpr std::size_t kLeastLayerBytes = 2 * 4 + 2 * 8;
constexpr std::size_t kLeastNetworkBytes = 4 + 4 + 8 + 4 + 8;

[[noreturn]] void ThrowCorrupt(std::string detail) {
  throw Error(ErrorKind::kCorruptData, "stored model is corrupt", std::move(detail),
              "Select the model again, or restore it from a backup.");
}

class Writer {
 public:
  explicit Writer(std::size_t expected_bytes) { bytes_.reserve(expected_bytes); }

  template <typename T>
  void Number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    Raw(&value, sizeof(value));
  }
  template <typename T>
  void Word(T value) {
    static_assert(std::is_enum_v<T> && sizeof(T) == 1);
    Number(static_cast<std::uint8_t>(value));
  }
  void Count(std::size_t count) {
    if (count > std::numeric_limits<std::uint32_t>::max()) {
      throw Error(ErrorKind::kLimit, "model is too large to be stored");
    }
    Number(static_cast<std::uint32_t>(count));
  }
  void Text(std::string_view text) {
    Count(text.size());
    Raw(text.data(), text.size());
  }
  void Texts(const std::vector<std::string> &texts) {
    Count(texts.size());
    for (const std::string &text : texts) Text(text);
  }
  template <typename T>
  void Array(const std::vector<T> &values) {
    static_assert(std::is_arithmetic_v<T>);
    Number(static_cast<std::uint64_t>(values.size()));
    Raw(values.data(), values.size() * sizeof(T));
  }
  void Raw(const void *data, std::size_t count) {
    if (count > 0) bytes_.append(static_cast<const char *>(data), count);
  }

  std::string &bytes() noexcept { return bytes_; }

 private:
  std::string bytes_;
};

// Never looks past its bytes: every read asks Take first.
class Reader {
 public:
  Reader(std::string_view bytes, std::stop_token stop) : left_(bytes), stop_(std::move(stop)) {}

  bool at_end() const noexcept { return left_.empty(); }

  template <typename T>
  T Number() {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    T value;
    std::memcpy(&value, Take(sizeof(T)), sizeof(T));
    return value;
  }
  // An enumerator of T, whose last one is `last`.
  template <typename T>
  T Word(T last) {
    const auto word = Number<std::uint8_t>();
    if (word > static_cast<std::uint8_t>(last)) {
      ThrowCorrupt(fmt::format("{} is no value of its kind.", word));
    }
    return static_cast<T>(word);
  }
  bool Flag() { return Word<Switch>(Switch::kOn) == Switch::kOn; }
  std::size_t Count(std::size_t least_bytes_each) {
    const auto count = Number<std::uint32_t>();
    CheckCount(count, least_bytes_each);
    return count;
  }
  std::string Text() {
    const std::size_t count = Count(1);
    return std::string(Take(count), count);
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts(Count(sizeof(std::uint32_t)));
    for (std::string &text : texts) text = Text();
    return texts;
  }
  template <typename T>
  std::vector<T> Array() {
    static_assert(std::is_arithmetic_v<T>);
    const auto count = Number<std::uint64_t>();
    CheckCount(count, sizeof(T));
    std::vector<T> values;
    values.reserve(count);
    while (values.size() < count) {
      ThrowIfStopped(stop_);
      const std::size_t done = values.size();
      const std::size_t piece = std::min<std::size_t>(count - done, kPieceElements);
      values.resize(done + piece);
      std::memcpy(values.data() + done, Take(piece * sizeof(T)), piece * sizeof(T));
    }
    return values;
  }

 private:
  enum class Switch : std::uint8_t { kOff, kOn };
  static constexpr std::size_t kPieceElements = 1 << 18;  // between two looks for a stop

  void CheckCount(std::uint64_t count, std::size_t least_bytes_each) const {
    if (count > left_.size() / least_bytes_each) {
      ThrowCorrupt(fmt::format("{} elements cannot be in {} bytes.", count, left_.size()));
    }
  }
  const char *Take(std::size_t count) {
    if (count > left_.size()) ThrowCorrupt("It ends in the middle of a value.");
    const char *const taken = left_.data();
    left_.remove_prefix(count);
    return taken;
  }

  std::string_view left_;
  std::stop_token stop_;
};

void WriteColumn(const InputColumn &column, Writer *to) {
  to->Text(column.name);
  to->Text(column.sql_type);
  to->Word(column.kind);
}

InputColumn ReadColumn(Reader *from) {
  InputColumn column;
  column.name = from->Text();
  column.sql_type = from->Text();
  column.kind = from->Word(ColumnKind::kText);
  return column;
}

void WriteField(const Field &field, Writer *to) {
  to->Word(field.kind);
  to->Number(field.column);
  to->Number(field.first_id);
  to->Number(field.ids);
  to->Texts(field.texts);
  to->Array(field.integers);
  to->Number(field.center);
  to->Number(field.scale);
  to->Array(field.knots);
  to->Number(static_cast<std::uint8_t>(field.soft_clip));
  to->Number(field.null_id);
}

Field ReadField(Reader *from) {
  Field field;
  field.kind = from->Word(FieldKind::kNumeric);
  field.column = from->Number<std::int32_t>();
  field.first_id = from->Number<std::int32_t>();
  field.ids = from->Number<std::int32_t>();
  field.texts = from->Texts();
  field.integers = from->Array<std::int64_t>();
  field.center = from->Number<double>();
  field.scale = from->Number<double>();
  field.knots = from->Array<float>();
  field.soft_clip = from->Flag();
  field.null_id = from->Number<std::int32_t>();
  return field;
}

void WriteFields(const Fields &fields, Writer *to) {
  to->Count(fields.columns.size());
  for (const InputColumn &column : fields.columns) WriteColumn(column, to);
  to->Count(fields.fields.size());
  for (const Field &field : fields.fields) WriteField(field, to);
  to->Number(fields.table_rows);
}

Fields ReadFields(Reader *from) {
  Fields fields;
  for (std::size_t left = from->Count(kLeastColumnBytes); left > 0; --left) {
    fields.columns.push_back(ReadColumn(from));
  }
  for (std::size_t left = from->Count(kLeastFieldBytes); left > 0; --left) {
    fields.fields.push_back(ReadField(from));
  }
  fields.table_rows = from->Number<std::int32_t>();
  return fields;
}

void WriteTarget(const TargetCode &target, Writer *to) {
  to->Word(target.task);
  WriteColumn(target.column, to);
  to->Texts(target.classes);
  to->Array(target.class_keys);
  to->Number(target.mean);
  to->Number(target.scale);
}

TargetCode ReadTarget(Reader *from) {
  TargetCode target;
  target.task = from->Word(Task::kRegression);
  target.column = ReadColumn(from);
  target.classes = from->Texts();
  target.class_keys = from->Array<std::int64_t>();
  target.mean = from->Number<double>();
  target.scale = from->Number<double>();
  return target;
}

void WriteNetwork(const Network &network, Writer *to) {
  to->Text(network.architecture);
  to->Number(network.embedding_width);
  to->Array(network.table);
  to->Count(network.layers.size());
  for (const DenseLayer &layer : network.layers) {
    to->Number(layer.inputs);
    to->Number(layer.outputs);
    to->Array(layer.weight);
    to->Array(layer.bias);
  }
  to->Array(network.bias);
}

Network ReadNetwork(Reader *from) {
  Network network;
  network.architecture = from->Text();
  network.embedding_width = from->Number<std::int32_t>();
  network.table = from->Array<float>();
  for (std::size_t left = from->Count(kLeastLayerBytes); left > 0; --left) {
    DenseLayer &layer = network.layers.emplace_back();
    layer.inputs = from->Number<std::int32_t>();
    layer.outputs = from->Number<std::int32_t>();
    layer.weight = from->Array<float>();
    layer.bias = from->Array<float>();
  }
  network.bias = from->Array<float>();
  return network;
}

std::size_t ExpectedBytes(const Model &model) {
  std::size_t bytes = 4096;
  for (const Network &network : model.networks) {
    bytes += 256 + sizeof(float) * (network.table.size() + network.bias.size());
    for (const DenseLayer &layer : network.layers) {
      bytes += kLeastLayerBytes + sizeof(float) * (layer.weight.size() + layer.bias.size());
    }
  }
  for (const Field &field : model.fields.fields) {
    bytes += 128 + 16 * field.texts.size() + sizeof(std::int64_t) * field.integers.size();
  }
  return bytes;
}

std::uint64_t NumberAt(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

// The envelope is the same in every version, so a flipped bit in the version is found by the
// checksum and never taken for a newer version.
std::string_view OpenEnvelope(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes || !bytes.starts_with(kMagic)) {
    ThrowCorrupt("It does not begin as a model does.");
  }
  const std::string_view sealed = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (NumberAt(bytes, kHeaderBytes - sizeof(std::uint64_t)) != sealed.size() - kHeaderBytes) {
    ThrowCorrupt("It is longer or shorter than it says.");
  }
  if (NumberAt(bytes, sealed.size()) != XXH3_64bits(sealed.data(), sealed.size())) {
    ThrowCorrupt("Its checksum does not match.");
  }
  std::uint32_t version = 0;
  std::memcpy(&version, bytes.data() + kMagic.size(), sizeof(version));
  if (version > kArtefactVersion) {
    throw Error(ErrorKind::kCorruptData, "stored model is of a newer format",
                fmt::format("Its format is version {}, and this build reads versions up to {}.",
                            version, kArtefactVersion),
                "Install the version of trails that stored it, or a newer one.");
  }
  if (version == 0) ThrowCorrupt("Its format has no version.");
  return sealed.substr(kHeaderBytes);
}

}  // namespace

std::string WriteArtefact(const Model &model) {
  // Refused now, rather than when it is needed.
  const std::string defect = FindDefect(model);
  if (!defect.empty()) throw Error(ErrorKind::kInternal, "model is unfit to be stored", defect);
  Writer writer(ExpectedBytes(model));
  writer.Raw(kMagic.data(), kMagic.size());
  writer.Number(kArtefactVersion);
  writer.Number(std::uint64_t{0});  // payload bytes, known at the end
  WriteFields(model.fields, &writer);
  WriteTarget(model.target, &writer);
  writer.Word(model.metric);
  writer.Count(model.networks.size());
  for (const Network &network : model.networks) WriteNetwork(network, &writer);

  std::string &bytes = writer.bytes();
  const std::uint64_t payload = bytes.size() - kHeaderBytes;
  std::memcpy(bytes.data() + kHeaderBytes - sizeof(payload), &payload, sizeof(payload));
  writer.Number(static_cast<std::uint64_t>(XXH3_64bits(bytes.data(), bytes.size())));
  return std::move(bytes);
}

Model ReadArtefact(std::string_view bytes, const std::stop_token &stop) {
  Reader reader(OpenEnvelope(bytes), stop);
  Model model;
  model.fields = ReadFields(&reader);
  model.target = ReadTarget(&reader);
  model.metric = reader.Word(Metric::kR2);
  for (std::size_t left = reader.Count(kLeastNetworkBytes); left > 0; --left) {
    model.networks.push_back(ReadNetwork(&reader));
  }
  if (!reader.at_end()) ThrowCorrupt("It goes on after its end.");
  ThrowIfStopped(stop);
  const std::string defect = FindDefect(model);
  if (!defect.empty()) ThrowCorrupt(defect);
  return model;
}

}  // namespace trails
