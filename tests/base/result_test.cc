// Errors as values, and the bridges between them and exceptions.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>

#include "base/error.h"

namespace panal {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Status(Code::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  PANAL_ASSIGN(const int halved, half(value));
  PANAL_TRY(half(halved).status());
  return half(halved);
}

TEST(Result, TravelsThroughTheMacros) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).status().message(), "odd");
  EXPECT_EQ(quarter(3).code(), Code::kInvalidArgument);
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
}

TEST(ResultDeathTest, AbortsWithTheErrorWhenThereIsNoValue) {
  EXPECT_DEATH((void)half(1).value(), "odd");
  EXPECT_DEATH(Result<int>{Status()}, "needs an error");
}

TEST(Status, PutsWhereBeforeWhat) {
  const Status status = Status(Code::kCorrupt, "torn").with_context("importing x");
  EXPECT_EQ(status.message(), "importing x: torn");
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_TRUE(Status().with_context("importing x").ok());
}

TEST(Code, HasANameThatLeadsBack) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const Code code = static_cast<Code>(i);
    EXPECT_EQ(code_from_name(code_name(code)), code);
  }
  EXPECT_EQ(code_from_name("nobody knows"), Code::kInternal);
}

TEST(Capture, TurnsWhatIsThrownIntoAStatus) {
  EXPECT_TRUE(capture([] {}).ok());
  EXPECT_EQ(capture([] { PANAL_REQUIRE(1 > 2, "1 is not greater"); }).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(capture([]() -> Status { throw std::bad_alloc(); }).code(), Code::kResourceExhausted);
  EXPECT_EQ(capture([]() -> Result<int> { throw std::runtime_error("why"); }).status().message(),
            "why");
  EXPECT_EQ(capture([] { throw 5; }).code(), Code::kInternal);
  EXPECT_EQ(capture([]() -> Result<int> { return 4; }).value(), 4);
}

TEST(ValueOrThrow, KeepsCodeAndMessage) {
  EXPECT_EQ(value_or_throw(half(4)), 2);
  try {
    value_or_throw(half(3));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_STREQ(error.what(), "odd");
  }
}

}  // namespace
}  // namespace panal
