// What an exception becomes on its way to the server.
#include "trails/error.h"

#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

namespace trails {
namespace {

template <typename Throw>
ErrorReport Describe(Throw raise) {
  try {
    raise();
  } catch (...) {
    return DescribeCurrentException();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(DescribeCurrentException, KeepsEveryPartOfAnError) {
  const ErrorReport report = Describe([] {
    throw Error(ErrorKind::kLimit, "too many classes", "There are 1,001.", "Group rare ones.");
  });
  EXPECT_EQ(report.kind, ErrorKind::kLimit);
  EXPECT_STREQ(report.message, "too many classes");
  EXPECT_STREQ(report.detail, "There are 1,001.");
  EXPECT_STREQ(report.hint, "Group rare ones.");
  EXPECT_NE(std::strstr(report.where.file_name(), "error_test"), nullptr);
  EXPECT_GT(report.where.line(), 0U);
}

TEST(DescribeCurrentException, BadAllocIsOutOfMemory) {
  const ErrorReport report = Describe([] { throw std::bad_alloc(); });
  EXPECT_EQ(report.kind, ErrorKind::kOutOfMemory);
  EXPECT_STREQ(report.message, "out of memory");
}

TEST(DescribeCurrentException, AnyOtherExceptionIsABugNamedByItsFirstLine) {
  const ErrorReport report =
      Describe([] { throw std::out_of_range("index 7 of 3\nframe #0: at::select"); });
  EXPECT_EQ(report.kind, ErrorKind::kInternal);
  EXPECT_STREQ(report.message, "index 7 of 3");
  EXPECT_STREQ(report.detail, "");
  EXPECT_STREQ(report.hint, "");
}

TEST(DescribeCurrentException, WhatIsNoExceptionIsABugToo) {
  const ErrorReport report = Describe([] { throw 42; });
  EXPECT_EQ(report.kind, ErrorKind::kInternal);
  EXPECT_STREQ(report.message, "unknown C++ exception");
}

TEST(DescribeCurrentException, CutsLongTextAtItsBuffer) {
  const ErrorReport report = Describe([] {
    throw Error(ErrorKind::kBadData, std::string(600, 'm'), std::string(1024, 'd'),
                std::string(511, 'h'));
  });
  EXPECT_EQ(std::string(report.message), std::string(511, 'm'));
  EXPECT_EQ(std::string(report.detail), std::string(1023, 'd'));
  EXPECT_EQ(std::string(report.hint), std::string(511, 'h'));
}

TEST(DescribeCurrentException, NeverCutsACharacterInTwo) {
  const std::string euro = "\xE2\x82\xAC";
  const ErrorReport report = Describe(
      [&] { throw Error(ErrorKind::kBadData, std::string(510, 'm') + euro + " and more"); });
  EXPECT_EQ(std::string(report.message), std::string(510, 'm'));
  const ErrorReport fits =
      Describe([&] { throw Error(ErrorKind::kBadData, std::string(508, 'm') + euro + "x"); });
  EXPECT_EQ(std::string(fits.message), std::string(508, 'm') + euro);
}

}  // namespace
}  // namespace trails
