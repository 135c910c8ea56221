#include "core/intermediates/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <fmt/format.h>

#include "core/data/parallel_for.h"
#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kStrip = 32;          // components: of 4,096 vectors 1 MB
constexpr std::int64_t kVectors = 8;         // that are reflected side by side
constexpr std::int64_t kMostSteps = 60;      // of QL for one value; two or three are usual
constexpr std::int64_t kKeptRotations = 16;  // times the order, before they are applied

// A square below this one may have lost digits to underflow; elements are at most 1.
constexpr double kNothing = 1e-290;

// One QL step: rotations of the vectors i and i + 1 for i = last - 1 down to last - count.
struct Step {
  std::int64_t last = 0;
  std::int64_t count = 0;
  std::size_t first = 0;  // of its rotations
};

struct Rotation {
  double cosine = 1;
  double sine = 0;
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

// What one pass over the matrix takes: it is worked on in place, and read once for both.
struct Pass {
  const double *v = nullptr, *w = nullptr;  // matrix -= v w' + w v'
  const double *u = nullptr;                // then product += matrix u
  double *product = nullptr;
  std::int64_t stride = 0;
};

constexpr std::int64_t kRows = 4;  // that a pass takes side by side

// `count` rows (kRows at most, and a constant) from `i` on, all of one panel of columns. What is
// left of the panel is not looked at, what is right of it stands for its mirror image too.
inline __attribute__((always_inline)) void PassRows(const Pass &pass, double *rows, std::int64_t i,
                                                    std::int64_t count) {
  const double *__restrict const v = pass.v, *__restrict const w = pass.w;
  const double *__restrict const u = pass.u;
  double *__restrict const product = pass.product;
  const std::int64_t stride = pass.stride, panel = i / kLanes * kLanes;
  double sums[kRows][kLanes];
  for (std::int64_t r = 0; r < count; ++r) {
    double *__restrict const row = rows + r * stride + panel;
    const double vi = v[i + r], wi = w[i + r];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      const double left = row[j] - (vi * w[panel + j] + wi * v[panel + j]);
      row[j] = left;
      sums[r][j] = left * u[panel + j];
    }
  }
  for (std::int64_t first = panel + kLanes; first < stride; first += kLanes) {
    double mirrored[kLanes] = {};
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < count; ++r) {
      double *__restrict const row = rows + r * stride + first;
      const double vi = v[i + r], wi = w[i + r], ui = u[i + r];
      for (std::int64_t j = 0; j < kLanes; ++j) {
        const double left = row[j] - (vi * w[first + j] + wi * v[first + j]);
        row[j] = left;
        sums[r][j] += left * u[first + j];
        mirrored[j] += left * ui;
      }
    }
    for (std::int64_t j = 0; j < kLanes; ++j) product[first + j] += mirrored[j];
  }
  for (std::int64_t r = 0; r < count; ++r) {
    double sum = 0;
    for (std::int64_t j = 0; j < kLanes; ++j) sum += sums[r][j];
    product[i + r] += sum;
  }
}

// The rows from `first` on.
TRAILS_SIMD void PassMatrix(const Pass &pass, double *matrix, std::int64_t first,
                            std::int64_t order) {
  std::int64_t i = first;
  for (; i < order && i % kRows != 0; ++i) PassRows(pass, matrix + i * pass.stride, i, 1);
  for (; i + kRows <= order; i += kRows) PassRows(pass, matrix + i * pass.stride, i, kRows);
  for (; i < order; ++i) PassRows(pass, matrix + i * pass.stride, i, 1);
}

// strip [vectors, kStrip]: the same kStrip components of all vectors.
TRAILS_SIMD void TurnStrip(const Step *steps, std::size_t count, const Rotation *rotations,
                           double *__restrict strip) {
  for (const Step *step = steps; step < steps + count; ++step) {
    const Rotation *rotation = rotations + step->first;
    double *upper = strip + step->last * kStrip;
    double carried[kStrip];
    for (std::int64_t j = 0; j < kStrip; ++j) carried[j] = upper[j];
    for (std::int64_t i = 0; i < step->count; ++i, ++rotation) {
      double *const lower = upper - kStrip;
      const double c = rotation->cosine, s = rotation->sine;
      for (std::int64_t j = 0; j < kStrip; ++j) {
        const double other = lower[j];
        upper[j] = s * other + c * carried[j];
        carried[j] = c * other - s * carried[j];
      }
      upper = lower;
    }
    for (std::int64_t j = 0; j < kStrip; ++j) upper[j] = carried[j];
  }
}

// vectors [kVectors, stride] -= factor * u (u' vector), of the elements from `first` on, a
// multiple of kLanes.
TRAILS_SIMD void ReflectVectors(const double *__restrict u, double factor, std::int64_t first,
                                std::int64_t stride, double *__restrict vectors) {
  for (std::int64_t r = 0; r < kVectors; ++r) {
    double *__restrict const vector = vectors + r * stride;
    double sums[kLanes] = {};
    for (std::int64_t at = first; at < stride; at += kLanes) {
      for (std::int64_t j = 0; j < kLanes; ++j) sums[j] += u[at + j] * vector[at + j];
    }
    double sum = 0;
    for (std::int64_t j = 0; j < kLanes; ++j) sum += sums[j];
    const double along = factor * sum;
    for (std::int64_t at = first; at < stride; at += kLanes) {
      for (std::int64_t j = 0; j < kLanes; ++j) vector[at + j] -= along * u[at + j];
    }
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

// QL steps on a tridiagonal matrix, until its diagonal has the eigenvalues. What each rotates is
// given to `sink` (null: not wanted), which may throw.
class QlSteps {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Begin(std::int64_t last) = 0;
    virtual void Add(const Rotation &rotation) = 0;
    virtual void End() = 0;
  };

  QlSteps(std::vector<double> diagonal, std::vector<double> beside, Sink *sink)
      : d_(std::move(diagonal)), e_(std::move(beside)), sink_(sink) {
    double largest = 0;
    for (std::size_t i = 0; i < d_.size(); ++i) {
      largest = std::max(largest, std::abs(d_[i]) + std::abs(e_[i]));
    }
    negligible_ = std::numeric_limits<double>::epsilon() * largest;
  }

  // The eigenvalues, in no order.
  std::vector<double> Run(const std::stop_token &stop) {
    for (std::size_t l = 0; l < d_.size(); ++l) {
      ThrowIfStopped(stop);
      for (std::int64_t steps = 0;; ++steps) {
        std::size_t m = l;
        while (m + 1 < d_.size() && std::abs(e_[m]) > negligible_) ++m;
        if (m == l) break;
        if (steps == kMostSteps) {
          throw Error(ErrorKind::kInternal, "no eigenvalues of the products of columns were found");
        }
        if (sink_ != nullptr) sink_->Begin(static_cast<std::int64_t>(m));
        TakeStep(l, m);
        if (sink_ != nullptr) sink_->End();
      }
    }
    return std::move(d_);
  }

 private:
  // As imtql2, on the elements l to m.
  void TakeStep(std::size_t l, std::size_t m) {
    double g = (d_[l + 1] - d_[l]) / (2 * e_[l]);
    double r = std::hypot(g, 1.0);
    g = d_[m] - d_[l] + e_[l] / (g + std::copysign(r, g));
    double s = 1, c = 1, p = 0;
    for (std::size_t i = m; i-- > l;) {
      const double f = s * e_[i];
      const double b = c * e_[i];
      r = std::hypot(f, g);
      e_[i + 1] = r;
      if (r == 0) {
        d_[i + 1] -= p;
        e_[m] = 0;
        return;
      }
      s = f / r;
      c = g / r;
      g = d_[i + 1] - p;
      r = (d_[i] - g) * s + 2 * c * b;
      p = s * r;
      d_[i + 1] = g + p;
      g = c * r - b;
      if (sink_ != nullptr) sink_->Add({c, s});
    }
    d_[l] -= p;
    e_[l] = g;
    e_[m] = 0;
  }

  std::vector<double> d_, e_;
  Sink *sink_;
  double negligible_;
};

}  // namespace

// The identity, turned as the steps turn it: vector i of the tridiagonal matrix becomes that of the
// value at place i.
class SymmetricEigen::TurnedVectors final : public QlSteps::Sink {
 public:
  TurnedVectors(std::int64_t order, std::int32_t threads, const std::stop_token &stop)
      : order_(order), threads_(threads), stop_(stop) {
    const std::int64_t strips = (order + kStrip - 1) / kStrip;
    constexpr std::int64_t kLanesInStrip = kStrip * sizeof(double) / sizeof(Lanes);
    for (std::int64_t strip = 0; strip < strips; ++strip) {
      ThrowIfStopped(stop);
      strips_.emplace_back(static_cast<std::size_t>(order * kLanesInStrip));
      double *const components = NumbersOf(strips_.back().data());
      const std::int64_t first = strip * kStrip;
      for (std::int64_t i = first; i < std::min(order, first + kStrip); ++i) {
        components[i * kStrip + i - first] = 1;
      }
    }
  }

  void Begin(std::int64_t last) override { steps_.push_back({last, 0, rotations_.size()}); }
  void Add(const Rotation &rotation) override { rotations_.push_back(rotation); }
  void End() override {
    steps_.back().count = static_cast<std::int64_t>(rotations_.size() - steps_.back().first);
    if (static_cast<std::int64_t>(rotations_.size()) >= kKeptRotations * order_) Apply();
  }

  void Apply() {
    ParallelFor(static_cast<std::int64_t>(strips_.size()), threads_, stop_, [&](std::int64_t i) {
      TurnStrip(steps_.data(), steps_.size(), rotations_.data(),
                NumbersOf(strips_[static_cast<std::size_t>(i)].data()));
    });
    steps_.clear();
    rotations_.clear();
  }

  // vector [order].
  void Copy(std::int64_t place, double *vector) const {
    for (std::int64_t first = 0; first < order_; first += kStrip) {
      const double *const strip =
          NumbersOf(strips_[static_cast<std::size_t>(first / kStrip)].data());
      std::copy_n(strip + place * kStrip, std::min(kStrip, order_ - first), vector + first);
    }
  }

 private:
  std::int64_t order_;
  std::int32_t threads_;
  const std::stop_token &stop_;
  std::vector<std::vector<Lanes>> strips_;
  std::vector<Step> steps_;
  std::vector<Rotation> rotations_;
};

SymmetricEigen::SymmetricEigen(const Eigen::MatrixXd &matrix, const std::stop_token &stop)
    : order_(matrix.rows()), stride_((order_ + kLanes - 1) / kLanes * kLanes) {
  if (order_ < 1 || matrix.cols() != order_) {
    throw Error(ErrorKind::kInternal,
                fmt::format("eigenvalues of {} by {} numbers", matrix.rows(), matrix.cols()));
  }
  constexpr std::int64_t kInLanes = sizeof(Lanes) / sizeof(double);
  double largest = 0;
  matrix_.reserve(static_cast<std::size_t>(order_ * stride_ / kInLanes));
  for (std::int64_t k = 0; k < order_; ++k) {
    ThrowIfStopped(stop);
    matrix_.resize(static_cast<std::size_t>((k + 1) * stride_ / kInLanes));
    std::copy_n(matrix.col(k).data(), order_, row(k));
    for (std::int64_t j = 0; j < order_; ++j) {
      if (!std::isfinite(row(k)[j])) {
        throw Error(ErrorKind::kInternal, "eigenvalues of numbers that are not finite");
      }
      largest = std::max(largest, std::abs(row(k)[j]));
    }
  }
  if (largest > 0) scale_ = largest;
  Tridiagonalise(stop);
  const std::vector<double> values = QlSteps(diagonal_, beside_, nullptr).Run(stop);
  value_of_.resize(values.size());
  std::iota(value_of_.begin(), value_of_.end(), std::int64_t{0});
  std::stable_sort(value_of_.begin(), value_of_.end(), [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  for (const std::int64_t place : value_of_) {
    values_.push_back(scale_ * values[static_cast<std::size_t>(place)]);
  }
}

// Makes row k, from its diagonal on, an element of the diagonal, one beside it, and the reflector
// that takes the rest away, which is kept in its place. reflector [stride_].
void SymmetricEigen::Reflect(std::int64_t k, double *reflector) {
  double *const elements = row(k);
  const auto at = static_cast<std::size_t>(k);
  diagonal_[at] = elements[k];
  std::fill_n(reflector, stride_, 0.0);
  if (k + 1 < order_) {
    double others = 0;
    for (std::int64_t j = k + 2; j < order_; ++j) others += elements[j] * elements[j];
    const double first = elements[k + 1];
    if (others > kNothing) {
      const double length = std::sqrt(first * first + others);
      beside_[at] = -std::copysign(length, first);
      std::copy(elements + k + 1, elements + order_, reflector + k + 1);
      reflector[k + 1] = first - beside_[at];
      factors_[at] = 1 / (length * (length + std::abs(first)));
    } else {
      beside_[at] = first;
    }
  }
  std::copy_n(reflector, stride_, elements);
}

void SymmetricEigen::Tridiagonalise(const std::stop_token &stop) {
  const auto order = static_cast<std::size_t>(order_);
  factors_.assign(order, 0);
  diagonal_.assign(order, 0);
  beside_.assign(order, 0);
  const auto padded = static_cast<std::size_t>(stride_);
  // What the last reflection leaves to be subtracted, v w' + w v', waits for the next pass over the
  // matrix; before the first one there is only the scale to be taken out.
  std::vector<double> v(padded), w(padded), u(padded), product(padded);
  for (std::int64_t k = 0; k < order_; ++k) {
    ThrowIfStopped(stop);
    for (std::int64_t j = 0; j < order_; ++j) row(k)[j] /= scale_;
  }
  for (std::int64_t k = 0; k < order_; ++k) {
    ThrowIfStopped(stop);
    const auto at = static_cast<std::size_t>(k);
    for (std::size_t j = at; j < order; ++j) row(k)[j] -= v[at] * w[j] + w[at] * v[j];
    Reflect(k, u.data());
    std::fill(product.begin(), product.end(), 0.0);
    PassMatrix({v.data(), w.data(), u.data(), product.data(), stride_}, row(0), k + 1, order_);
    double along = 0;
    for (std::size_t j = at + 1; j < order; ++j) {
      product[j] *= factors_[at];
      along += product[j] * u[j];
    }
    along *= factors_[at] / 2;
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t j = at + 1; j < order; ++j) w[j] = product[j] - along * u[j];
    v = u;
  }
}

Eigen::MatrixXd SymmetricEigen::Vectors(std::int64_t count, std::int32_t threads,
                                        const std::stop_token &stop) const {
  if (count < 0 || count > order_) {
    throw Error(ErrorKind::kInternal, fmt::format("{} eigenvectors of {}", count, order_));
  }
  if (count == 0) return {order_, 0};
  TurnedVectors turned(order_, threads, stop);
  (void)QlSteps(diagonal_, beside_, &turned).Run(stop);
  turned.Apply();
  Eigen::MatrixXd vectors(order_, count);
  ParallelFor((count + kVectors - 1) / kVectors, threads, stop, [&](std::int64_t group) {
    const std::int64_t first = group * kVectors;
    const std::int64_t some = std::min(kVectors, count - first);
    std::vector<double> side_by_side(static_cast<std::size_t>(kVectors * stride_));
    for (std::int64_t i = 0; i < some; ++i) {
      turned.Copy(value_of_[static_cast<std::size_t>(first + i)],
                  side_by_side.data() + i * stride_);
    }
    for (std::int64_t k = order_ - 1; k >= 0; --k) {
      const double factor = factors_[static_cast<std::size_t>(k)];
      if (factor == 0) continue;
      ThrowIfStopped(stop);
      ReflectVectors(row(k), factor, (k + 1) / kLanes * kLanes, stride_, side_by_side.data());
    }
    for (std::int64_t i = 0; i < some; ++i) {
      std::copy_n(side_by_side.data() + i * stride_, order_, vectors.col(first + i).data());
    }
  });
  return vectors;
}

}  // namespace trails
