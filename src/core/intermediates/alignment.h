// How alike two layers are: SVCCA and CKA.
//
// All from the moments of the columns of both layers side by side, so that one pass over the rows
// serves, and no matrix of all rows is ever held. Nothing of LibTorch: a session that only reads
// stays small, and a standby can answer.
//
// May touch: src/core/data, src/core/intermediates, Eigen. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>

#include "core/intermediates/moments.h"

namespace trails {

// Throws Error(kInvalidArgument) for a variance outside (0, 1].
void CheckVariance(double variance);

// Mean canonical correlation of the directions of each layer that hold `variance` of its variance:
// sum of the canonical correlations over the smaller number of directions. `moments` has the first
// layer's `first_columns` columns, then the second's. 0 .. 1; NaN where a layer is constant, or
// fewer than 2 rows. Directions with less than 1e-10 of the largest one's variance are taken for
// rounding and never count: dead units change nothing, repeated columns add no direction. With
// fewer rows than directions of both layers any two align. Throws what CheckVariance throws;
// Error(kInternal) for no columns of a layer; Error(kCancelled) within some 10 ms of a stop.
// Cost: three eigenvalue problems of the layers' sizes (symmetric_eigen.h); on one core 0.2 s for
// two layers of 512 columns, 0.7 s for 1,024 and 512.
// Source: Raghu et al., "SVCCA", NeurIPS 2017; MISTIQUE appendix A.
// Different on purpose: MISTIQUE divides by the layers' sizes; directions that hold no variance are
// no part of an answer here.
double Svcca(const Moments &moments, std::int64_t first_columns, double variance,
             std::int32_t threads = 1, const std::stop_token &stop = {});

// Linear centred kernel alignment: |X'Y|^2 / (|X'X| |Y'Y|), Frobenius norms of centred products. 0
// .. 1; NaN where a layer is constant. Throws Error(kInternal) for no columns of a layer;
// Error(kCancelled) within a millisecond of a stop. Cost: a look at every product of two columns.
// Source: Kornblith et al., "Similarity of neural network representations revisited", ICML 2019.
double LinearCka(const Moments &moments, std::int64_t first_columns,
                 const std::stop_token &stop = {});

}  // namespace trails
