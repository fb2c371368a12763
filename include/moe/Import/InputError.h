//===- InputError.h - What is wrong with a file of the user's -*- C++ -*-===//
//
// Specifications, weights and label files come from strangers. Whatever is
// wrong with them ends in one of these: a line that says where and what, never
// a crash.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_INPUTERROR_H
#define MOE_IMPORT_INPUTERROR_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace mlir::moe {

/// One error or warning about an input file.
struct InputError {
  enum class Severity { Error, Warning };

  Severity severity = Severity::Error;
  /// The file as the user wrote it.
  std::string file;
  /// The place within the file: a path such as `moe.layers[2]`, a position such
  /// as `line 3, column 7`, a tensor's name, `header` or `file`.
  std::string where;
  /// What is wrong, what was expected and what was found.
  std::string message;

  /// `error: FILE: WHERE: MESSAGE` (or `warning: ...`): exactly one line
  /// without its line break. Control characters, other line separators and
  /// bytes that are not UTF-8 are escaped; long parts are cut and end in `...`.
  std::string str() const;
};

/// Receives errors and warnings as they are found. A function that takes a sink
/// and fails has reported at least one error to it.
using InputErrorSink = llvm::function_ref<void(const InputError &)>;

/// `text` in double quotes, cut to at most `maxChars` characters.
std::string quoteForMessage(StringRef text, size_t maxChars = 60);

/// At most `maxItems` of `items`, separated by commas, then `and N more`.
std::string listForMessage(ArrayRef<StringRef> items, size_t maxItems = 20);

} // namespace mlir::moe

#endif // MOE_IMPORT_INPUTERROR_H
