//===- Link.h - Executables and libraries -----------------------*- C++ -*-===//

#ifndef MOE_TARGET_LINK_H
#define MOE_TARGET_LINK_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"
#include "llvm/TargetParser/Triple.h"

#include <string>

namespace mlir::moe {

// What follows writes to a stream; whether that succeeded is the stream's to
// tell.

/// A static library that holds one object, of the member's name.
llvm::Error makeArchive(StringRef object, StringRef member,
                        const llvm::Triple &triple, llvm::raw_ostream &out);

/// A shared library that exports the symbols with default visibility. It needs
/// those among `inputs` that are shared libraries.
llvm::Error linkShared(ArrayRef<std::string> inputs, StringRef soname,
                       const llvm::Triple &triple, llvm::raw_ostream &out);

/// A static executable with the runtime in folder `runtime`.
llvm::Error linkExecutable(StringRef object, StringRef runtime,
                           const llvm::Triple &triple, llvm::raw_ostream &out);

} // namespace mlir::moe

#endif // MOE_TARGET_LINK_H
