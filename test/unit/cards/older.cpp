// A library like trails_cuda.so that was built from other headers.
#include "core/placement/card.h"

extern "C" __attribute__((visibility("default"))) trails::Card *trails_cuda_open(
    int /*contract_version*/) {
  return nullptr;
}
