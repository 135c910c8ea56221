// A library like trails_cuda.so on a machine whose driver finds no card.
#include "core/placement/card.h"
#include "trails/error.h"

extern "C" __attribute__((visibility("default"))) trails::Card *trails_cuda_open(
    int /*contract_version*/) {
  throw trails::Error(trails::ErrorKind::kDevice, "no CUDA device can be used",
                      "The driver said: no CUDA-capable device is detected.", "Give \"cpu\".");
}
