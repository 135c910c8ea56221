// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#include "pg/settings.h"

#include "pg/bridge.h"

extern "C" {
#include "utils/guc.h"
}

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <exception>

#include "trails/error.h"

namespace trails::pg {

namespace {

constexpr int kMostThreads = 1024;
constexpr std::int64_t kUnknownMemory = std::int64_t{4} << 30;  // where the system tells nothing

int threads = 0;
int max_threads = 0;
int memory_limit_kb = 0;
int on_cancel = static_cast<int>(OnCancel::kCancel);
int device = static_cast<int>(Device::kAuto);
int cuda_precision = static_cast<int>(trails::Precision::kTf32);
double gamma_min = 10;
char *intermediate_scheme = nullptr;
int intermediate_max_kb = 0;

const config_enum_entry kOnCancelWords[] = {
    {"cancel", static_cast<int>(OnCancel::kCancel), false},
    {"keep", static_cast<int>(OnCancel::kKeep), false},
    {nullptr, 0, false},
};

const config_enum_entry kDeviceWords[] = {
    {"auto", static_cast<int>(Device::kAuto), false},
    {"cpu", static_cast<int>(Device::kCpu), false},
    {"cuda", static_cast<int>(Device::kCuda), false},
    {"hybrid", static_cast<int>(Device::kHybrid), false},
    {nullptr, 0, false},
};

const config_enum_entry kPrecisionWords[] = {
    {"fp32", static_cast<int>(trails::Precision::kFp32), false},
    {"tf32", static_cast<int>(trails::Precision::kTf32), false},
    {"bf16", static_cast<int>(trails::Precision::kBf16), false},
    {nullptr, 0, false},
};

// What ParseScheme has against `text`, cut to `size` bytes; empty for nothing. Exceptions end here:
// PostgreSQL calls.
void SchemeDefect(const char *text, char *detail, char *hint, std::size_t size) noexcept {
  detail[0] = hint[0] = '\0';
  try {
    (void)ParseScheme(text);
  } catch (const Error &error) {
    snprintf(detail, size, "%s", error.detail().empty() ? error.what() : error.detail().c_str());
    snprintf(hint, size, "%s", error.hint().c_str());
  } catch (const std::exception &error) {
    snprintf(detail, size, "%s", error.what());
  }
}

bool CheckScheme(char **text, [[maybe_unused]] void **extra, [[maybe_unused]] GucSource source) {
  char detail[256];
  char hint[256];
  SchemeDefect(*text, detail, hint, sizeof(detail));
  if (detail[0] == '\0') return true;
  GUC_check_errdetail("%s", detail);
  if (hint[0] != '\0') GUC_check_errhint("%s", hint);
  return false;
}

// The first number in a control group's file; 0 when there is none: no file, "max", no limit (-1).
std::int64_t ControlGroupNumber(const char *path, std::int64_t *second = nullptr) noexcept {
  std::FILE *const file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  long long numbers[2] = {0, 0};
  const int found = fscanf(file, "%lld %lld", &numbers[0], &numbers[1]);
  std::fclose(file);
  if (second != nullptr) *second = found == 2 ? numbers[1] : 0;
  return found >= 1 && numbers[0] > 0 ? numbers[0] : 0;
}

// Cores' worth of time that the control group grants, rounded up; 0: no limit.
std::int64_t ControlGroupCores() noexcept {
  std::int64_t period = 0;
  std::int64_t quota = ControlGroupNumber("/sys/fs/cgroup/cpu.max", &period);
  if (quota == 0) {
    quota = ControlGroupNumber("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    period = ControlGroupNumber("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  }
  return quota > 0 && period > 0 ? (quota + period - 1) / period : 0;
}

std::int32_t Cores() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines of more than 1,024 cores; sysconf then counts those that it may not run on.
  const bool is_known = sched_getaffinity(0, sizeof(set), &set) == 0;
  const std::int64_t cores = is_known ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  const std::int64_t granted = ControlGroupCores();
  const std::int64_t usable = granted > 0 ? std::min(cores, granted) : cores;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(usable, 1, kMostThreads));
}

std::int64_t MachineMemory() noexcept {
  const std::int64_t pages = sysconf(_SC_PHYS_PAGES);
  const std::int64_t page_bytes = sysconf(_SC_PAGESIZE);
  const std::int64_t physical = pages > 0 && page_bytes > 0 ? pages * page_bytes : kUnknownMemory;
  std::int64_t least = physical;
  for (const char *const path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const std::int64_t limit = ControlGroupNumber(path);
    if (limit > 0) least = std::min(least, limit);
  }
  return least;
}

}  // namespace

void DefineSettings() {
  DefineCustomIntVariable("trails.threads", "Engine threads of one run.",
                          "0 means every core. Bounded by trails.max_threads.", &threads, 0, 0,
                          kMostThreads, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("trails.max_threads", "Upper bound of trails.threads.",
                          "0 means no bound.", &max_threads, 0, 0, kMostThreads, PGC_SUSET, 0,
                          nullptr, nullptr, nullptr);
  DefineCustomIntVariable("trails.memory_limit", "Memory that one run may use.",
                          "0 means 75 % of what the machine or its control group has.",
                          &memory_limit_kb, 0, 0, MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB, nullptr,
                          nullptr, nullptr);
  DefineCustomEnumVariable("trails.on_cancel", "What the first cancel of a selection does.",
                           "\"cancel\" ends it with an error; \"keep\" ends it in good order with "
                           "the best model so far, and a second cancel ends it with an error.",
                           &on_cancel, static_cast<int>(OnCancel::kCancel), kOnCancelWords,
                           PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("trails.device", "Where the phases of a call run.",
                           "\"auto\" uses a CUDA device where one is there and would be faster; "
                           "\"cuda\" insists on one; \"hybrid\" filters on the CPU and refines "
                           "on the device; \"cpu\" looks for none. Option device overrides it.",
                           &device, static_cast<int>(Device::kAuto), kDeviceWords, PGC_USERSET, 0,
                           nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("trails.cuda_precision",
                           "How a CUDA device multiplies the matrices of the networks it trains.",
                           "\"fp32\" exactly, \"tf32\" with factors of 10 bits behind the point, "
                           "\"bf16\" of 7. Option precision overrides it.",
                           &cuda_precision, static_cast<int>(trails::Precision::kTf32),
                           kPrecisionWords, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomRealVariable("trails.gamma_min",
                           "Seconds that a gigabyte of materialised intermediates must save.",
                           "0 materialises everything that is logged or asked for.", &gamma_min, 10,
                           0, 1e15, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomStringVariable("trails.intermediate_scheme",
                             "How the intermediates of a model are stored that is logged now.",
                             "f32, f16, q8, kbit(k), threshold(p), pool(s) or stats.",
                             &intermediate_scheme, "f16", PGC_USERSET, 0, CheckScheme, nullptr,
                             nullptr);
  DefineCustomIntVariable("trails.intermediate_max_bytes",
                          "Disk space that materialised intermediates may take.",
                          "0 means no bound.", &intermediate_max_kb, 0, 0, MAX_KILOBYTES, PGC_SUSET,
                          GUC_UNIT_KB, nullptr, nullptr, nullptr);
  MarkGUCPrefixReserved("trails");
}

std::int32_t EngineThreads() noexcept {
  static const std::int32_t cores = Cores();
  const std::int32_t wanted = threads > 0 ? threads : cores;
  return max_threads > 0 ? std::min(wanted, max_threads) : wanted;
}

std::int64_t MemoryLimitBytes() noexcept {
  if (memory_limit_kb > 0) return std::int64_t{memory_limit_kb} * 1024;
  static const std::int64_t machine = MachineMemory();
  return machine / 4 * 3;
}

OnCancel CancelBehaviour() noexcept {
  return static_cast<OnCancel>(on_cancel);
}

Device DefaultDevice() noexcept {
  return static_cast<Device>(device);
}

trails::Precision CudaPrecision() noexcept {
  return static_cast<trails::Precision>(cuda_precision);
}

double GammaMin() noexcept {
  return gamma_min;
}

Scheme IntermediateScheme() {
  return ParseScheme(intermediate_scheme);
}

std::int64_t IntermediateMaxBytes() noexcept {
  return std::int64_t{intermediate_max_kb} * 1024;
}

}  // namespace trails::pg
