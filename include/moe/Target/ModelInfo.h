//===- ModelInfo.h - What surrounds the generated code ----------*- C++ -*-===//

#ifndef MOE_TARGET_MODELINFO_H
#define MOE_TARGET_MODELINFO_H

#include "moe/Dialect/Precision.h"
#include "moe/Import/ModelSpec.h"
#include "moe/Target/ExpertFiles.h"
#include "moe/Target/ExpertsMode.h"
#include "moe/Target/Variant.h"

#include "llvm/IR/Module.h"

namespace mlir::moe {

/// As MoePart.
struct ModelPart {
  std::string name;
  int64_t layer = -1;
  Precision kind = Precision::F32;
  int64_t multiplyAdds = 0, bytes = 0;
  int64_t multiplyAddsPerToken = 0, bytesPerToken = 0;
};

/// Facts about a compiled model beside its specification.
struct CompiledModel {
  int64_t workspaceBytes = 0, routesOffset = 0, numRoutes = 0;
  int64_t parameters = 0, activeParameters = 0;
  int64_t multiplyAdds = 0;
  /// As in MoeModel.
  std::string precision;
  std::vector<WeightSection> sections;
  ExpertsMode expertsMode = ExpertsMode::Mmap;
  /// Of ExpertsMode::File: where the executable looks for them, and which there
  /// are, in the order of the sections.
  std::string expertsFolder;
  std::vector<ExpertFile> expertFiles;
  /// Of executables, and where there is to be a report.
  std::vector<ModelPart> parts;
  /// The best variant first.
  SmallVector<Variant> variants;
};

/// Adds the C interface to `module`, into which lib/Runtime's CpuFeatures.c and
/// Services.c must have been linked: NAME_workspace_size, NAME_run and
/// NAME_run_with, and with experts in files NAME_expert_file and
/// NAME_expert_size. A run picks the first variant that the CPU can run and
/// keeps what it found out in one atomic word. It returns 0 or one of the
/// numbers of moe/Runtime/Model.h.
void emitCInterface(llvm::Module &module, const ModelSpec &spec,
                    const CompiledModel &compiled);

/// Adds the constant `moe_model` (moe/Runtime/Model.h), which the executable's
/// runtime reads.
void emitModelInfo(llvm::Module &module, const ModelSpec &spec,
                   const CompiledModel &compiled);

/// What moe-list-parts says of `module`.
std::vector<ModelPart> readParts(ModuleOp module);

/// Defines kExpertIds, if the code refers to it.
void emitExpertIds(llvm::Module &module, const CompiledModel &compiled);

/// The C header of the model.
std::string makeHeader(const ModelSpec &spec, const CompiledModel &compiled);

} // namespace mlir::moe

#endif // MOE_TARGET_MODELINFO_H
