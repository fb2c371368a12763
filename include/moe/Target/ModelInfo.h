//===- ModelInfo.h - What surrounds the generated code ----------*- C++ -*-===//

#ifndef MOE_TARGET_MODELINFO_H
#define MOE_TARGET_MODELINFO_H

#include "moe/Import/ModelSpec.h"
#include "moe/Target/CpuTable.h"
#include "moe/Target/WeightWriter.h"

#include "llvm/IR/Module.h"

namespace mlir::moe {

/// A variant of the run function, already in the module.
struct Variant {
  const CpuLevel *level;
  llvm::Function *run;     ///< i32 (ptr input, ptr logits, ptr workspace)
  llvm::Function *runTeam; ///< with a ptr to a MoeTeam; executables only
};

/// Facts about a compiled model beside its specification.
struct CompiledModel {
  int64_t workspaceBytes = 0, routesOffset = 0, numRoutes = 0;
  int64_t parameters = 0, activeParameters = 0;
  int64_t multiplyAdds = 0;
  /// As in MoeModel.
  std::string precision;
  std::vector<WeightSection> sections;
  /// The best variant first.
  SmallVector<Variant> variants;
};

/// Adds the C interface (contract: NAME_run and NAME_workspace_size) to
/// `module`, which must declare moe_cpu_features of moe/Runtime/CpuFeatures.h.
/// NAME_run picks the first variant that the CPU can run and keeps what it
/// found out in one atomic word. It returns 0; 1 if a pointer is null; 2 if the
/// CPU can run no variant.
void emitCInterface(llvm::Module &module, const ModelSpec &spec,
                    const CompiledModel &compiled);

/// Adds the constant `moe_model` (moe/Runtime/Model.h), which the executable's
/// runtime reads.
void emitModelInfo(llvm::Module &module, const ModelSpec &spec,
                   const CompiledModel &compiled);

/// The C header of the model.
std::string makeHeader(const ModelSpec &spec);

} // namespace mlir::moe

#endif // MOE_TARGET_MODELINFO_H
