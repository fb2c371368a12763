//===- Variant.h - The code for one CPU level -------------------*- C++ -*-===//

#ifndef MOE_TARGET_VARIANT_H
#define MOE_TARGET_VARIANT_H

#include "moe/Target/CpuTable.h"
#include "moe/Target/RunWith.h"

#include <array>

namespace mlir::moe {

/// As MoePeak.
struct PeakLoop {
  llvm::Function *function = nullptr;
  int64_t multiplyAddsPerRound = 0;
};

/// A variant of the run function in an LLVM module.
struct Variant {
  const CpuLevel *level;
  RunFunctions code;
  /// By Precision; executables only.
  std::array<PeakLoop, 3> peaks;
};

} // namespace mlir::moe

#endif // MOE_TARGET_VARIANT_H
