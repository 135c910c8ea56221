#include "measured.h"

#include <cublas_v2.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "core/random.h"
#include "trails/error.h"

namespace trails::bench {

namespace {

double Median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void CheckCublas(cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  std::string detail = "cuBLAS said status ";
  detail += std::to_string(static_cast<int>(status)) + ".";
  throw Error(ErrorKind::kDevice, "could not multiply on the card", detail);
}

class Cublas {
 public:
  explicit Cublas(const CardStream &stream) {
    CheckCublas(cublasCreate(&handle_));
    CheckCublas(cublasSetStream(handle_, stream.get()));
  }
  ~Cublas() { cublasDestroy(handle_); }
  Cublas(const Cublas &) = delete;
  Cublas &operator=(const Cublas &) = delete;

  cublasHandle_t get() const noexcept { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace

double MedianSeconds(const CardStream &stream, const Effort &effort,
                     const std::function<void(const CardStream &)> &queue) {
  CardEvent start(true);
  CardEvent end(true);
  const auto time = [&](int runs) {
    start.Record(stream);
    for (int i = 0; i < runs; ++i) queue(stream);
    end.Record(stream);
    end.Synchronize();
    return 1e-3 * end.MillisecondsSince(start) / runs;
  };
  double once = 0;
  for (int i = 0; i < effort.warm_ups; ++i) once = time(1);
  const int runs =
      once > 0 ? std::clamp(static_cast<int>(std::ceil(effort.seconds / once)), 1, 200) : 1;
  std::vector<double> times;
  for (int i = 0; i < effort.repeats; ++i) times.push_back(time(runs));
  return Median(std::move(times));
}

double MedianSeconds(int repeats, const std::function<void()> &work) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    times.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return Median(std::move(times));
}

CardArray<float> RandomNumbers(std::int64_t count, std::uint64_t seed, const CardStream &stream) {
  constexpr std::size_t kDrawn = 1 << 16;  // repeated: to draw 1 GB would take seconds
  RandomStream random(seed);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] =
        i < kDrawn ? static_cast<float>(0.1 + 0.9 * random.Uniform()) : numbers[i - kDrawn];
  }
  CardArray<float> array(count);
  array.Upload(numbers, stream);
  stream.Synchronize();
  return array;
}

Ceilings MeasureCeilings(bool tiny, const CardStream &stream) {
  const std::int64_t numbers = tiny ? 1 << 12 : std::int64_t{1} << 28;
  const int side = tiny ? 16 : 8192;
  const Effort effort = tiny ? kTinyEffort : Effort{};
  Ceilings ceilings;
  {
    const CardArray<float> from = RandomNumbers(numbers, 1, stream);
    const CardArray<float> to(numbers);
    const double seconds = MedianSeconds(stream, effort, [&](const CardStream &on) {
      CheckCuda(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(from.bytes()),
                                cudaMemcpyDeviceToDevice, on.get()),
                "copy within the card");
    });
    ceilings.copy_bytes_per_second = 2 * static_cast<double>(from.bytes()) / seconds;
  }
  const Cublas cublas(stream);
  const std::int64_t size = std::int64_t{side} * side;
  const CardArray<float> a = RandomNumbers(size, 2, stream);
  const CardArray<float> b = RandomNumbers(size, 3, stream);
  const CardArray<float> c(size);
  const auto multiply = [&](cublasComputeType_t type) {
    const float one = 1, zero = 0;
    const double seconds = MedianSeconds(stream, effort, [&](const CardStream &) {
      CheckCublas(cublasGemmStridedBatchedEx(cublas.get(), CUBLAS_OP_N, CUBLAS_OP_N, side, side,
                                             side, &one, a.data(), CUDA_R_32F, side, size, b.data(),
                                             CUDA_R_32F, side, size, &zero, c.data(), CUDA_R_32F,
                                             side, size, 1, type, CUBLAS_GEMM_DEFAULT));
    });
    return static_cast<double>(size) * side / seconds;
  };
  ceilings.fp32_multiply_adds_per_second = multiply(CUBLAS_COMPUTE_32F);
  ceilings.tf32_multiply_adds_per_second = multiply(CUBLAS_COMPUTE_32F_FAST_TF32);
  return ceilings;
}

void JsonObject::Key(const std::string &key) {
  if (!text_.empty()) text_ += ", ";
  text_ += "\"" + key + "\": ";
}
JsonObject &JsonObject::Add(const std::string &key, double number) {
  Key(key);
  text_ += std::isfinite(number) ? fmt::format("{:.6g}", number) : "null";
  return *this;
}
JsonObject &JsonObject::Add(const std::string &key, const std::string &text) {
  Key(key);
  text_ += "\"" + text + "\"";
  return *this;
}
JsonObject &JsonObject::AddRaw(const std::string &key, const std::string &json) {
  Key(key);
  text_ += json;
  return *this;
}

std::string JsonArray(const std::vector<std::string> &values) {
  std::string text;
  for (const std::string &value : values) text += (text.empty() ? "" : ",\n ") + value;
  return "[" + text + "]";
}

JsonObject FactsOf(const CardFacts &facts) {
  JsonObject json;
  json.Add("name", facts.name)
      .Add("compute_capability", facts.major + facts.minor / 10.0)
      .Add("multiprocessors", facts.multiprocessors)
      .Add("total_bytes", static_cast<double>(facts.total_bytes))
      .Add("peak_bytes_per_second", facts.bytes_per_second)
      .Add("driver", facts.driver)
      .Add("runtime", facts.runtime);
  return json;
}

void WriteFile(const std::string &path, const std::string &text) {
  std::ofstream file(path);
  file << text << "\n";
  file.close();
  if (!file) throw std::runtime_error("could not write " + path);
}

Arguments Parse(int argc, char **argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--tiny") {
      arguments.tiny = true;
    } else if (word.starts_with("--json=")) {
      arguments.json = word.substr(7);
    } else {
      throw Error(ErrorKind::kInvalidArgument, "unknown argument " + std::string(word), {},
                  "Arguments are --tiny and --json=PATH.");
    }
  }
  return arguments;
}

}  // namespace trails::bench
