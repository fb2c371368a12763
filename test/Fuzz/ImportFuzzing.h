//===- ImportFuzzing.h - What the fuzzers of lib/Import share ---*- C++ -*-===//

#ifndef MOE_TEST_FUZZ_IMPORTFUZZING_H
#define MOE_TEST_FUZZ_IMPORTFUZZING_H

#include "moe/Import/InputError.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstdlib>

namespace mlir::moe::fuzz {

/// Ends the fuzzer, which keeps the input, unless `holds`.
inline void require(bool holds) {
  if (!holds)
    __builtin_trap();
}

/// Takes errors and warnings, each of which must be a line of UTF-8.
struct Errors {
  size_t numErrors = 0;

  void operator()(const InputError &error) {
    numErrors += error.severity == InputError::Severity::Error;
    require(!error.file.empty() && !error.where.empty() &&
            !error.message.empty());
    std::string line = error.str();
    const auto *begin = reinterpret_cast<const llvm::UTF8 *>(line.data());
    require(llvm::isLegalUTF8String(&begin, begin + line.size()));
    require(llvm::none_of(
        line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  }
};

/// A new folder, removed when the fuzzer ends without a finding.
inline const std::string &temporaryFolder() {
  static std::string *folder = [] {
    SmallString<128> path;
    require(!llvm::sys::fs::createUniqueDirectory("moe-fuzz", path));
    std::atexit([] { llvm::sys::fs::remove_directories(temporaryFolder()); });
    return new std::string(path.str());
  }();
  return *folder;
}

inline std::string temporaryPath(StringRef name) {
  SmallString<128> path(temporaryFolder());
  llvm::sys::path::append(path, name);
  return path.str().str();
}

inline void writeFile(StringRef path, StringRef contents) {
  FILE *file = fopen(path.str().c_str(), "wb");
  require(file &&
          fwrite(contents.data(), 1, contents.size(), file) == contents.size());
  require(fclose(file) == 0);
}

} // namespace mlir::moe::fuzz

#endif // MOE_TEST_FUZZ_IMPORTFUZZING_H
