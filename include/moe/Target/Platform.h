//===- Platform.h - The systems that files are made for ---------*- C++ -*-===//

#ifndef MOE_TARGET_PLATFORM_H
#define MOE_TARGET_PLATFORM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/TargetParser/Triple.h"

#include <string>

namespace mlir::moe {

/// What `--target` can be, as users spell it.
llvm::ArrayRef<llvm::StringLiteral> knownTargets();

/// What `--target` names, as LLVM spells it; an error if the compiler does not
/// know that system. Apple's get the oldest version that can be meant, if
/// `name` has none: their linkers want to know it.
llvm::Expected<llvm::Triple> parseTarget(llvm::StringRef name);

/// Whether executables and shared libraries can be linked. Apple's need files
/// of Apple's SDK, and a signature.
bool canLink(const llvm::Triple &triple);

/// The folder of lib/moe with what goes into files for `triple`. Android runs
/// what is linked for Linux.
std::string runtimeFolder(const llvm::Triple &triple);

} // namespace mlir::moe

#endif // MOE_TARGET_PLATFORM_H
