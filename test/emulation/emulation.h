// What a test may ask of the emulated card, and what its runtime is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "device_threads.h"

enum cudaError_t : int;
struct CUstream_st;

namespace emulation {

// Bytes of the card; allocations beyond them fail as they do on a card. At first 1 GiB.
void SetMemory(std::size_t bytes);
// Bytes allocated and not freed, pinned ones included: 0 when nothing leaks.
std::size_t LiveBytes();
// Whether there is a card; without one every call fails with cudaErrorNoDevice. At first true.
void SetCard(bool there);
// The `calls`-th call of the runtime or of cuBLAS from now on fails with `error`, once; 0: none.
void FailAfter(std::int64_t calls, cudaError_t error);
// Kernels, copies and products that were run, replayed ones included.
std::int64_t Launches();

// Adds `work` to what the stream is told, or to the graph that is captured. Turns what it throws
// into cudaErrorLaunchFailure, for whoever waits, and prints it.
cudaError_t Queue(CUstream_st *stream, std::function<void()> work);
// Remembers `error` for cudaGetLastError and returns it.
cudaError_t Fail(cudaError_t error);
// cudaSuccess, or the error that this call is to fail with.
cudaError_t Enter();
// Whether a card takes such a launch.
bool CanLaunch(dim3 blocks, dim3 threads);

}  // namespace emulation
