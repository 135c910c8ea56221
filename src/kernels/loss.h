// Losses and their gradients with respect to the logits.
//
// May touch: the C++ standard library. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

namespace trails::kernels {

// Cross entropy of softmax(logits) [rows, classes] at classes label[i], read at labels[index[i]]:
// the part of these rows in the mean over a batch of batch_rows. Replaces the logits by the
// gradient of that mean. classes >= 2.
double CrossEntropyCpu(float *logits, std::int64_t rows, std::int64_t classes, const double *labels,
                       const std::int32_t *index, std::int64_t batch_rows);

// (y - (labels[index[i]] - mean) / scale)^2 over outputs y [rows]: the part of these rows in the
// mean over a batch of batch_rows. Replaces y by the gradient of that mean.
double SquaredErrorCpu(float *y, std::int64_t rows, const double *labels, const std::int32_t *index,
                       double mean, double scale, std::int64_t batch_rows);

// As SquaredErrorCpu, but errors e beyond `bend` (in units of scale, > 0) count 2 bend |e| -
// bend^2: Huber's loss, twice as large as torch.nn.HuberLoss. An infinite bend is the squared
// error.
double HuberErrorCpu(float *y, std::int64_t rows, const double *labels, const std::int32_t *index,
                     double mean, double scale, float bend, std::int64_t batch_rows);

// Replaces each row of logits [rows, classes] by its softmax.
void SoftmaxCpu(float *logits, std::int64_t rows, std::int64_t classes);

}  // namespace trails::kernels
