// Eigenvalues of the neural tangent kernel.
//
// May touch: src/core/filtering, src/kernels, Eigen.
#pragma once

#include <cstdint>

namespace trails {

// Largest over smallest eigenvalue of the symmetric matrix [batch, batch] in pairs
// (kernels/pair_gram.h), in double. kInvalidScore where the smallest is not positive, as far as
// double precision can tell, or the matrix is not finite. Cost: some 20 us for 32 samples.
double ConditionNumber(const float *pairs, std::int32_t batch);

}  // namespace trails
