//===- Link.h - Executables and libraries -----------------------*- C++ -*-===//

#ifndef MOE_TARGET_LINK_H
#define MOE_TARGET_LINK_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::moe {

/// One relocatable object of several.
llvm::Error linkObject(ArrayRef<std::string> objects, StringRef out);

/// A static library that holds one object, of the member's name.
llvm::Error makeArchive(StringRef object, StringRef member, StringRef out);

/// A shared library that exports the symbols with default visibility.
llvm::Error linkShared(ArrayRef<std::string> objects, StringRef soname,
                       StringRef out);

/// A static executable with the runtime in folder `runtime`.
llvm::Error linkExecutable(ArrayRef<std::string> objects, StringRef runtime,
                           StringRef out);

} // namespace mlir::moe

#endif // MOE_TARGET_LINK_H
