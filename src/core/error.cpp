#include "trails/error.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>
#include <type_traits>

namespace trails {

static_assert(std::is_trivially_destructible_v<ErrorReport>);

namespace {

bool IsUtf8Continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// The server sends these bytes on as text: half a character would be a second error.
template <std::size_t N>
void CopyInto(char (&target)[N], std::string_view text) noexcept {
  std::size_t length = std::min(text.size(), N - 1);
  if (length < text.size()) {
    while (length > 0 && IsUtf8Continuation(text[length])) --length;
  }
  std::memcpy(target, text.data(), length);
  target[length] = '\0';
}

std::string_view FirstLine(std::string_view text) noexcept {
  return text.substr(0, text.find('\n'));
}

}  // namespace

ErrorReport DescribeCurrentException() noexcept {
  ErrorReport report{};
  report.kind = ErrorKind::kInternal;
  try {
    throw;
  } catch (const Error &error) {
    report.kind = error.kind();
    CopyInto(report.message, error.what());
    CopyInto(report.detail, error.detail());
    CopyInto(report.hint, error.hint());
    report.where = error.where();
  } catch (const std::bad_alloc &) {
    report.kind = ErrorKind::kOutOfMemory;
    CopyInto(report.message, "out of memory");
  } catch (const std::exception &error) {
    // Torch's what() goes on with a C++ backtrace, which no client wants to read.
    CopyInto(report.message, FirstLine(error.what()));
  } catch (...) {
    CopyInto(report.message, "unknown C++ exception");
  }
  return report;
}

}  // namespace trails
