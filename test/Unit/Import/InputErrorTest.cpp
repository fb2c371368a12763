//===- InputErrorTest.cpp - One line, whatever the names ------------------===//

#include "moe/Import/InputError.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/ConvertUTF.h"

#include <gtest/gtest.h>

#include <random>

using namespace mlir::moe;

namespace {

std::string render(std::string where, std::string message = "m") {
  InputError error{InputError::Severity::Error, "f", std::move(where),
                   std::move(message)};
  return error.str();
}

TEST(InputError, Form) {
  InputError error{InputError::Severity::Error, "model.json", "moe.top_k",
                   "expected 1"};
  EXPECT_EQ(error.str(), "error: model.json: moe.top_k: expected 1");
  error.severity = InputError::Severity::Warning;
  EXPECT_EQ(error.str(), "warning: model.json: moe.top_k: expected 1");
}

TEST(InputError, EscapesWhatBreaksTheLine) {
  EXPECT_EQ(render("a\nb\r\tc"), "error: f: a\\nb\\r\\tc: m");
  EXPECT_EQ(render("\x1b[31m\x7f"), "error: f: \\x1b[31m\\x7f: m");
  EXPECT_EQ(render(std::string("a\0b", 3)), "error: f: a\\x00b: m");
  // Next line, line separator, paragraph separator, right-to-left override.
  EXPECT_EQ(render("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae"),
            "error: f: \\u0085\\u2028\\u2029\\u202e: m");
  EXPECT_EQ(render("\xff\xc3"), "error: f: \\xff\\xc3: m");
  EXPECT_EQ(render("\xc3\xa9\xf0\x9f\x90\x88"),
            "error: f: \xc3\xa9\xf0\x9f\x90\x88: m");
}

TEST(InputError, CutsLongParts) {
  EXPECT_EQ(render(std::string(100000, 'x')),
            "error: f: " + std::string(200, 'x') + "...: m");
  EXPECT_LT(render("w", std::string(10000000, 'x')).size(), 5000u);
}

TEST(InputError, QuotesAndLists) {
  EXPECT_EQ(quoteForMessage("abc", 3), "\"abc\"");
  EXPECT_EQ(quoteForMessage("abcd", 3), "\"abc...\"");
  // Two characters of two bytes each.
  EXPECT_EQ(quoteForMessage("\xc3\xa9\xc3\xa9", 1), "\"\xc3\xa9...\"");
  const llvm::StringRef names[] = {"a", "b", "c", "d"};
  EXPECT_EQ(listForMessage(names, 4), "a, b, c, d");
  EXPECT_EQ(listForMessage(names, 2), "a, b and 2 more");
  EXPECT_EQ(listForMessage(llvm::ArrayRef<llvm::StringRef>(), 2), "");
}

TEST(InputError, AnyBytesMakeOneLineOfUtf8) {
  std::mt19937 random(1);
  for (int i = 0; i != 5000; ++i) {
    std::string bytes(random() % 20, '\0');
    for (char &c : bytes)
      c = static_cast<char>(random());
    std::string line = render(bytes, quoteForMessage(bytes, random() % 8));
    for (unsigned char c : line)
      ASSERT_GE(c, 0x20);
    const auto *begin = reinterpret_cast<const llvm::UTF8 *>(line.data());
    ASSERT_TRUE(llvm::isLegalUTF8String(&begin, begin + line.size()));
  }
}

} // namespace
