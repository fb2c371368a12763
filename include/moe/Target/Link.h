//===- Link.h - Executables and libraries -----------------------*- C++ -*-===//

#ifndef MOE_TARGET_LINK_H
#define MOE_TARGET_LINK_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::moe {

// What follows writes to a stream; whether that succeeded is the stream's to
// tell.

/// One relocatable object of several.
llvm::Error linkObject(ArrayRef<std::string> objects, llvm::raw_ostream &out);

/// A static library that holds one object, of the member's name.
llvm::Error makeArchive(StringRef object, StringRef member,
                        llvm::raw_ostream &out);

/// A shared library that exports the symbols with default visibility.
llvm::Error linkShared(ArrayRef<std::string> objects, StringRef soname,
                       llvm::raw_ostream &out);

/// A static executable with the runtime in folder `runtime`.
llvm::Error linkExecutable(ArrayRef<std::string> objects, StringRef runtime,
                           llvm::raw_ostream &out);

} // namespace mlir::moe

#endif // MOE_TARGET_LINK_H
