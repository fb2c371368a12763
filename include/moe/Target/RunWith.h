//===- RunWith.h - The run function with services ---------------*- C++ -*-===//

#ifndef MOE_TARGET_RUNWITH_H
#define MOE_TARGET_RUNWITH_H

#include "llvm/IR/Module.h"

namespace mlir::moe {

/// The global, of i64, that holds MoeExpertFile::id of each expert.
inline constexpr llvm::StringLiteral kExpertIds = "moe_expert_ids";

/// A run function in two forms.
struct RunFunctions {
  /// As MoeRunFn; null if experts come from files.
  llvm::Function *run;
  /// As MoeRunWithFn.
  llvm::Function *runWith;
  /// Whether `runWith` heeds MoeServices::stage.
  bool hasStages;
};

/// Adds a copy of `run`, called "with." + `run`, that takes a pointer to
/// MoeServices as another argument:
///
/// - where `run` calls a kernel that is worth sharing, the copy shares the
///   iterations of its outermost loop among threads. A part computes what it
///   computes in one thread, so the results are the same;
/// - marks call `mark`, if there is one;
/// - experts in files are asked for by `expert`; without one, it returns;
/// - at the pause it stops or begins, as `stage` says.
///
/// In `run` itself nothing is left of those calls.
RunFunctions addRunWith(llvm::Function &run);

} // namespace mlir::moe

#endif // MOE_TARGET_RUNWITH_H
