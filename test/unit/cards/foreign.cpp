// A library named like trails_cuda.so that is something else.
extern "C" __attribute__((visibility("default"))) int answer() {
  return 42;
}
