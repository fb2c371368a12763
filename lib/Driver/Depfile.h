//===- Depfile.h - What an output depends on --------------------*- C++ -*-===//

#ifndef MOE_LIB_DRIVER_DEPFILE_H
#define MOE_LIB_DRIVER_DEPFILE_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace mlir::moe {

/// Writes the rule `output: inputs` as Make and Ninja read it; a rule without a
/// recipe for each input lets Make go on when one is gone. The paths must not
/// hold line breaks, which no such file can.
void printDepfile(StringRef output, ArrayRef<std::string> inputs,
                  llvm::raw_ostream &os);

} // namespace mlir::moe

#endif // MOE_LIB_DRIVER_DEPFILE_H
