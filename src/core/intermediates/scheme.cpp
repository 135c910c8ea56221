#include "core/intermediates/scheme.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "kernels/pool_maps.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int32_t kLeastBits = 2;
constexpr std::int32_t kMostBits = 8;
constexpr std::int32_t kLeastPool = 2;

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// A scheme's text, taken apart: the word before the brackets and what stands between its commas.
class SchemeReader {
 public:
  explicit SchemeReader(std::string_view text) : text_(text), word_(Trimmed(text)) {
    const std::size_t open = word_.find('(');
    if (open == std::string_view::npos) return;
    if (word_.back() != ')') Refuse("It has a bracket that is not closed.");
    std::string_view inside = word_.substr(open + 1, word_.size() - open - 2);
    word_ = Trimmed(word_.substr(0, open));
    for (std::size_t comma = inside.find(','); comma != std::string_view::npos;
         comma = inside.find(',')) {
      parameters_.push_back(Trimmed(inside.substr(0, comma)));
      inside.remove_prefix(comma + 1);
    }
    parameters_.push_back(Trimmed(inside));
  }

  std::string_view word() const noexcept { return word_; }
  std::size_t parameters() const noexcept { return parameters_.size(); }
  std::string_view parameter(std::size_t i) const { return parameters_.at(i); }

  void CheckAtMost(std::size_t most) const {
    if (parameters_.size() > most) {
      Refuse(fmt::format("Scheme {} has {}.", word_,
                         most == 0   ? "no parameters"
                         : most == 1 ? "one parameter"
                                     : fmt::format("at most {} parameters", most)));
    }
  }
  // False for anything but a number that T can hold.
  template <typename T>
  bool Number(std::size_t i, T *number) const {
    const std::string_view text = parameter(i);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    return error == std::errc() && end == text.data() + text.size();
  }
  [[noreturn]] void Refuse(std::string detail) const {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("invalid scheme \"{}\"", text_),
                std::move(detail),
                "Schemes are f32, f16, q8, kbit(bits), threshold(quantile), pool(cells), "
                "pool(cells, max) and stats.");
  }

 private:
  std::string_view text_;
  std::string_view word_;
  std::vector<std::string_view> parameters_;
};

Scheme ParseKbit(const SchemeReader &from) {
  Scheme scheme{.kind = SchemeKind::kKbit};
  from.CheckAtMost(1);
  if (from.parameters() == 0) return scheme;
  if (!from.Number(0, &scheme.bits) || scheme.bits < kLeastBits || scheme.bits > kMostBits) {
    from.Refuse(
        fmt::format("Scheme kbit takes a whole number of bits from {} to {}, as in \"kbit(4)\".",
                    kLeastBits, kMostBits));
  }
  return scheme;
}

Scheme ParseThreshold(const SchemeReader &from) {
  Scheme scheme{.kind = SchemeKind::kThreshold};
  from.CheckAtMost(1);
  if (from.parameters() == 0) return scheme;
  // NaN is not inside either.
  const auto inside = [](double quantile) { return quantile > 0 && quantile < 1; };
  if (!from.Number(0, &scheme.quantile) || !inside(scheme.quantile)) {
    from.Refuse(
        "Scheme threshold takes a quantile above 0 and below 1, as in \"threshold(0.99)\".");
  }
  return scheme;
}

Scheme ParsePool(const SchemeReader &from) {
  Scheme scheme{.kind = SchemeKind::kPool};
  from.CheckAtMost(2);
  if (from.parameters() == 0) return scheme;
  if (!from.Number(0, &scheme.pool) || scheme.pool < kLeastPool) {
    from.Refuse(fmt::format("Scheme pool takes a whole number of cells from {}, as in \"pool(4)\".",
                            kLeastPool));
  }
  if (from.parameters() == 1) return scheme;
  if (from.parameter(1) == "max") {
    scheme.pooling = Pooling::kLargest;
  } else if (from.parameter(1) != "average") {
    from.Refuse("Scheme pool takes average or max after the cells, as in \"pool(4, max)\".");
  }
  return scheme;
}

}  // namespace

Scheme ParseScheme(std::string_view text) {
  const SchemeReader from(text);
  if (from.word() == "kbit") return ParseKbit(from);
  if (from.word() == "threshold") return ParseThreshold(from);
  if (from.word() == "pool") return ParsePool(from);
  for (const SchemeKind kind :
       {SchemeKind::kF32, SchemeKind::kF16, SchemeKind::kQ8, SchemeKind::kStats}) {
    const Scheme scheme{.kind = kind};
    if (from.word() != SchemeText(scheme)) continue;
    from.CheckAtMost(0);
    return scheme;
  }
  from.Refuse("There is no scheme of that name.");
}

std::string SchemeText(const Scheme &scheme) {
  switch (scheme.kind) {
    case SchemeKind::kF32: return "f32";
    case SchemeKind::kF16: return "f16";
    case SchemeKind::kQ8: return "q8";
    case SchemeKind::kKbit: return fmt::format("kbit({})", scheme.bits);
    case SchemeKind::kThreshold: return fmt::format("threshold({})", scheme.quantile);
    case SchemeKind::kPool:
      return scheme.pooling == Pooling::kLargest ? fmt::format("pool({}, max)", scheme.pool)
                                                 : fmt::format("pool({})", scheme.pool);
    case SchemeKind::kStats: return "stats";
  }
  throw Error(ErrorKind::kInternal, "a scheme has no text");
}

std::int32_t BitsOf(const Scheme &scheme) noexcept {
  switch (scheme.kind) {
    case SchemeKind::kF32: return 32;
    case SchemeKind::kF16:
    case SchemeKind::kPool: return 16;
    case SchemeKind::kQ8: return 8;
    case SchemeKind::kKbit: return scheme.bits;
    case SchemeKind::kThreshold: return 1;
    case SchemeKind::kStats: break;
  }
  return 0;
}

Shape StoredShape(const Scheme &scheme, const Shape &shape) {
  if (scheme.kind != SchemeKind::kPool) return shape;
  if (!shape.is_spatial()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("scheme \"{}\" needs a layer with maps", SchemeText(scheme)),
                fmt::format("The layer has {} columns without height and width.", shape.columns()),
                "Log the layer with its shape of channels, height and width, or use another "
                "scheme, such as f16.");
  }
  if (scheme.pool > std::max(shape.height, shape.width)) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("scheme \"{}\" pools more cells than the layer's maps have",
                    SchemeText(scheme)),
        fmt::format("The maps are {} cells high and {} wide.", shape.height, shape.width),
        fmt::format("Use \"pool({})\" for one number a map.", std::max(shape.height, shape.width)));
  }
  return {shape.channels, kernels::PooledSide(shape.height, scheme.pool),
          kernels::PooledSide(shape.width, scheme.pool)};
}

void PoolMaps(const Scheme &scheme, const Shape &shape, const float *values, std::int64_t rows,
              float *out) {
  if (scheme.kind != SchemeKind::kPool) {
    throw Error(ErrorKind::kInternal, fmt::format("scheme {} pools no maps", SchemeText(scheme)));
  }
  (void)StoredShape(scheme, shape);
  kernels::PoolMapsCpu({.channels = shape.channels,
                        .height = shape.height,
                        .width = shape.width,
                        .pool = scheme.pool,
                        .largest = scheme.pooling == Pooling::kLargest},
                       values, rows, out);
}

}  // namespace trails
