//===- FoldBatchNorm.h - Batch normalisation into weights -------*- C++ -*-===//

#ifndef MOE_LIB_TRANSFORMS_FOLDBATCHNORM_H
#define MOE_LIB_TRANSFORMS_FOLDBATCHNORM_H

#include "moe/Dialect/MoE.h"

namespace mlir::moe {

/// Makes each batch normalisation part of the convolution before it, if nobody
/// else reads that and all of their weights are parameters.
void foldBatchNorms(ModuleOp module);

} // namespace mlir::moe

#endif // MOE_LIB_TRANSFORMS_FOLDBATCHNORM_H
