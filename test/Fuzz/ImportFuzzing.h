//===- ImportFuzzing.h - What the fuzzers of lib/Import share ---*- C++ -*-===//

#ifndef MOE_TEST_FUZZ_IMPORTFUZZING_H
#define MOE_TEST_FUZZ_IMPORTFUZZING_H

#include "moe/Import/InputError.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Path.h"

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

/// What files there are, by their names without a folder; `anyFile` is each of
/// another name. The contents are the fuzzer's.
llvm::StringMap<StringRef> &filesInMemory();
inline constexpr StringRef anyFile = "*";

} // namespace mlir::moe::fuzz

#endif // MOE_TEST_FUZZ_IMPORTFUZZING_H
