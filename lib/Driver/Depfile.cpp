//===- Depfile.cpp - What an output depends on ----------------------------===//

#include "Depfile.h"

using namespace mlir;

/// As GCC writes a path: backslashes count only before what they protect.
static void printPath(StringRef path, llvm::raw_ostream &os) {
  for (size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == ' ' || c == '\t') {
      for (size_t j = i; j > 0 && path[j - 1] == '\\'; --j)
        os << '\\';
      os << '\\';
    } else if (c == '#') {
      os << '\\';
    } else if (c == '$') {
      os << '$';
    }
    os << c;
  }
}

void mlir::moe::printDepfile(StringRef output, ArrayRef<std::string> inputs,
                             llvm::raw_ostream &os) {
  printPath(output, os);
  os << ':';
  for (const std::string &input : inputs) {
    os << " \\\n  ";
    printPath(input, os);
  }
  os << '\n';
  for (const std::string &input : inputs) {
    printPath(input, os);
    os << ":\n";
  }
}
