//===- IRMutator.h - Changes of MLIR's text ---------------------*- C++ -*-===//
//
// Bytes changed at random hardly ever leave text that can be parsed. Here whole
// words change: a size everywhere at once, so that types go on to agree; a
// value to another one of the same text; a line to that of another input.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TEST_FUZZ_IRMUTATOR_H
#define MOE_TEST_FUZZ_IRMUTATOR_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <random>
#include <string>

namespace mlir::moe::fuzz {

/// The passes in the first line of an input, as a pipeline's text.
llvm::StringRef passesOf(llvm::StringRef text);

class IRMutator {
public:
  explicit IRMutator(unsigned seed) : random(seed) {}

  /// `text` with one change or a few.
  std::string mutate(std::string text);

  /// `text` with lines of `other` added, or in the place of its own.
  std::string crossOver(llvm::StringRef text, llvm::StringRef other);

private:
  /// From 0 to `count` - 1; `count` is not 0.
  size_t pick(size_t count) { return random() % count; }
  bool oneIn(size_t count) { return pick(count) == 0; }

  std::string mutateOnce(const std::string &text);
  std::string changePasses(llvm::StringRef text);
  std::string changeNumber(llvm::StringRef text);
  std::string changeWord(llvm::StringRef text);
  std::string changeLine(llvm::StringRef text);

  std::minstd_rand random;
};

} // namespace mlir::moe::fuzz

#endif // MOE_TEST_FUZZ_IRMUTATOR_H
