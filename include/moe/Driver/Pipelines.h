//===- Pipelines.h - The compiler's stages ----------------------*- C++ -*-===//
//
// The way from the moe dialect to LLVM, as four pipelines that follow each
// other. moe-opt has them by name; moe-compile runs them in turn.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DRIVER_PIPELINES_H
#define MOE_DRIVER_PIPELINES_H

#include "moe/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"

#include <string>

namespace mlir::moe {

/// `moe-optimize`: moe to moe. Fold constants into weights, compute only the
/// tokens that matter, merge experts.
void buildOptimizePipeline(OpPassManager &pm);

/// moe to moe: matrix products in lower precision, as `options` say.
void buildPrecisionPipeline(OpPassManager &pm,
                            const SetPrecisionOptions &options);

/// `moe-to-linalg`: moe to linalg on tensors in panel layout, weights placed.
/// Of weights below f32, `columnBits` of each column lie together.
void buildLinalgPipeline(OpPassManager &pm, int64_t columnBits);

/// `moe-to-vector`: linalg to loops over vectors for a row of the CPU table,
/// still on tensors.
void buildVectorPipeline(OpPassManager &pm, const std::string &cpu);

/// `moe-bufferize`: tensors to memory in one planned workspace, loop nests that
/// are alike to one function. If a run `isObserved`, it tells of its parts, and
/// can pause.
void buildBufferizePipeline(OpPassManager &pm, bool isObserved);

/// `moe-to-llvm`: all the rest to the LLVM dialect. If a run `isObserved`,
/// there are loops beside it that find the CPU's peak. With `expertFiles`,
/// experts' weights are in files of their own.
void buildLLVMPipeline(OpPassManager &pm, const std::string &cpu,
                       bool isObserved, bool expertFiles);

/// Registers the pipelines under their names.
void registerPipelines();

} // namespace mlir::moe

#endif // MOE_DRIVER_PIPELINES_H
