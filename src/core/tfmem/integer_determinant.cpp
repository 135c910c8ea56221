#include "core/tfmem/integer_determinant.h"

#include <Eigen/Cholesky>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace trails {
namespace {

using Residue = std::uint64_t;

constexpr std::array<Residue, 2> kPrimes{(Residue{1} << 61) - 1, (Residue{1} << 61) - 31};

Residue Times(Residue a, Residue b, Residue prime) noexcept {
  return static_cast<Residue>(static_cast<unsigned __int128>(a) * b % prime);
}

// a^(prime - 2): Fermat's inverse.
Residue Inverse(Residue a, Residue prime) noexcept {
  Residue inverse = 1;
  for (Residue exponent = prime - 2; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) inverse = Times(inverse, a, prime);
    a = Times(a, a, prime);
  }
  return inverse;
}

bool IsSingularModulo(const std::vector<std::int64_t> &matrix, std::size_t n, Residue prime) {
  const auto modulus = static_cast<std::int64_t>(prime);
  std::vector<std::vector<Residue>> rows(n, std::vector<Residue>(n));
  for (std::size_t i = 0; i < n * n; ++i) {
    rows[i / n][i % n] = static_cast<Residue>((matrix[i] % modulus + modulus) % modulus);
  }
  for (std::size_t k = 0; k < n; ++k) {
    const auto below = rows.begin() + static_cast<std::ptrdiff_t>(k);
    const auto pivot =
        std::find_if(below, rows.end(), [k](const auto &row) { return row[k] != 0; });
    if (pivot == rows.end()) return true;
    std::iter_swap(below, pivot);
    const Residue inverse = Inverse(rows[k][k], prime);
    for (std::size_t i = k + 1; i < n; ++i) {
      const Residue factor = prime - Times(rows[i][k], inverse, prime);
      for (std::size_t j = k; j < n; ++j) {
        rows[i][j] = (rows[i][j] + Times(factor, rows[k][j], prime)) % prime;
      }
    }
  }
  return false;
}

}  // namespace

bool IsSingular(const std::vector<std::int64_t> &matrix, std::int64_t n) {
  return std::all_of(kPrimes.begin(), kPrimes.end(), [&matrix, n](Residue prime) {
    return IsSingularModulo(matrix, static_cast<std::size_t>(n), prime);
  });
}

std::optional<double> LogDeterminant(const std::vector<std::int64_t> &matrix, std::int64_t n) {
  if (IsSingular(matrix, n)) return std::nullopt;
  using Matrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  using Integers = Eigen::Matrix<std::int64_t, Eigen::Dynamic, Eigen::Dynamic>;
  const Matrix real = Eigen::Map<const Integers>(matrix.data(), n, n).cast<long double>();
  const Eigen::LDLT<Matrix> factors(real);
  long double sum = 0;
  for (const long double pivot : factors.vectorD()) sum += std::log(pivot);
  return static_cast<double>(sum);
}

}  // namespace trails
