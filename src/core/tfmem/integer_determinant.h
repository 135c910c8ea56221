// The logarithm of the determinant of a symmetric matrix of integers, whose being zero is decided
// in integers: in floating point the determinant of a singular matrix is noise.
//
// May touch: Eigen, the C++ standard library.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trails {

// Whether det of `matrix` [n, n], row-major, is 0, by elimination modulo two primes of 61 bits.
// "Not singular" is certain. "Singular" means that the determinant is a multiple of both primes; of
// the determinants met here, below e^4000 in size, one in 10^30 is that without being 0.
// Cost: n^3 / 3 products of 128 bits, twice that for a singular matrix.
bool IsSingular(const std::vector<std::int64_t> &matrix, std::int64_t n);

// ln det of a symmetric positive semidefinite `matrix` [n, n], row-major; nothing when it is
// singular. By pivoted Cholesky in long double: relative error below 1e-12 up to condition 1e12,
// and NaN where rounding leaves a pivot that is not positive, above 1e18. Cost: 0.2 ms for n = 32,
// 45 ms for n = 256, IsSingular included.
std::optional<double> LogDeterminant(const std::vector<std::int64_t> &matrix, std::int64_t n);

}  // namespace trails
