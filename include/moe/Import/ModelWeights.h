//===- ModelWeights.h - The tensors that a model needs ----------*- C++ -*-===//
//
// Which tensors a specification asks for, and whether a file has them.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_MODELWEIGHTS_H
#define MOE_IMPORT_MODELWEIGHTS_H

#include "mlir/Support/LLVM.h"
#include "moe/Import/InputError.h"
#include "moe/Import/ModelSpec.h"
#include "moe/Import/WeightFiles.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir::moe {

/// A tensor that a model reads.
struct ExpectedTensor {
  /// As timm writes it.
  std::string name;
  /// Linear weights are [out, in].
  SmallVector<int64_t, 4> shape;

  int64_t numElements() const;
};

/// All tensors of the model, in the order of the computation.
std::vector<ExpectedTensor> expectedTensors(const ModelSpec &spec);

/// The number of all parameters of the model: the elements of all its tensors.
int64_t countParameters(const ModelSpec &spec);

/// Those that one image, or with Routing::Patch one token, uses: all but those
/// of the experts that it does not go to. Where experts differ in size, the
/// choice of the largest counts. Experts that choose their tokens, or have
/// slots (Soft MoE), all are used.
int64_t countActiveParameters(const ModelSpec &spec);

/// Checks that `files` have every tensor of the model with its shape and a type
/// of f32, f16 or bf16. Each that they have not is an error; after ten, one
/// more line gives the number of the rest. If all are there, warns of tensors
/// that the model does not use and of weights that are NaN or infinite, in a
/// line each. Tensors have the names that the files give them.
LogicalResult checkWeights(const ModelSpec &spec, const WeightFiles &files,
                           InputErrorSink sink);

} // namespace mlir::moe

#endif // MOE_IMPORT_MODELWEIGHTS_H
