//===- ShareKernels.h - Kernels shared among threads ------------*- C++ -*-===//

#ifndef MOE_TARGET_SHAREKERNELS_H
#define MOE_TARGET_SHAREKERNELS_H

#include "llvm/IR/Module.h"

namespace mlir::moe {

/// Adds a copy of `run`, called as `run` + "_team", with a MoeTeam (see
/// moe/Runtime/Model.h) as another argument. Where `run` calls a kernel that is
/// worth sharing, the copy asks the team to run the parts of its outermost
/// loop. A part computes what it computes in one thread, so the results are the
/// same.
llvm::Function *addTeamRun(llvm::Function &run);

} // namespace mlir::moe

#endif // MOE_TARGET_SHAREKERNELS_H
