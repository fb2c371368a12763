//===- InputFile.h - Opening the user's files -------------------*- C++ -*-===//

#ifndef MOE_LIB_IMPORT_INPUTFILE_H
#define MOE_LIB_IMPORT_INPUTFILE_H

#include "moe/Import/InputError.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdint>
#include <memory>

namespace mlir::moe {

/// Reports an error to `sink`.
void reportError(InputErrorSink sink, StringRef file, StringRef where,
                 const llvm::Twine &message);

/// Maps or reads the regular file `path` of at most `maxBytes` bytes; null
/// after reporting an error.
std::unique_ptr<llvm::MemoryBuffer>
openInputFile(StringRef path, uint64_t maxBytes, InputErrorSink sink);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_INPUTFILE_H
