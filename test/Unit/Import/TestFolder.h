//===- TestFolder.h - A folder of files for a test --------------*- C++ -*-===//

#ifndef MOE_TEST_UNIT_IMPORT_TESTFOLDER_H
#define MOE_TEST_UNIT_IMPORT_TESTFOLDER_H

#include "TestSupport.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

namespace mlir::moe::test {

/// A new folder, which is removed at the end of the test.
class TestFolder : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("moe-import", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string pathOf(StringRef name) const {
    SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }

  std::string write(StringRef name, StringRef contents) {
    std::string path = pathOf(name);
    std::error_code error;
    llvm::raw_fd_ostream os(path, error);
    EXPECT_FALSE(error);
    os << contents;
    return path;
  }

  SmallString<128> folder;
};

} // namespace mlir::moe::test

#endif // MOE_TEST_UNIT_IMPORT_TESTFOLDER_H
