// The neural tangent kernel's eigenvalues, by Eigen.
//
// May touch: src/core/filtering, src/kernels, Eigen.
#include "core/filtering/gradient_pass_spectrum.h"

#include <limits>
#include <Eigen/Eigenvalues>

#include "core/filtering/trie_pass.h"
#include "kernels/pair_gram.h"

namespace trails {

double ConditionNumber(const float *pairs, std::int32_t batch) {
  Eigen::MatrixXd matrix(batch, batch);  // the solver reads its lower triangle only
  for (std::int32_t i = 0; i < batch; ++i) {
    for (std::int32_t j = 0; j <= i; ++j) {
      matrix(i, j) = static_cast<double>(pairs[kernels::PairIndex(i, j)]);
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix, Eigen::EigenvaluesOnly);
  if (solver.info() != Eigen::Success) return kInvalidScore;
  const double smallest = solver.eigenvalues()(0);
  const double largest = solver.eigenvalues()(batch - 1);
  // Two equal rows of the batch make it singular; of what is exactly zero the solver returns noise.
  const double noise = batch * std::numeric_limits<double>::epsilon() * largest;
  return smallest > noise ? largest / smallest : kInvalidScore;
}

}  // namespace trails
