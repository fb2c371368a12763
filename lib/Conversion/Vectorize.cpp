//===- Vectorize.cpp - linalg to loops over vectors of 16 lanes -----------===//

#include "CpuOption.h"
#include "VectorEmitter.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace mlir::moe {
#define GEN_PASS_DEF_VECTORIZE
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;

namespace {

/// linalg.fill as a generic, so that one mechanism serves.
GenericOp generalizeFill(linalg::FillOp fill) {
  IRRewriter rewriter(fill.getContext());
  rewriter.setInsertionPoint(fill);
  FailureOr<GenericOp> generic = linalg::generalizeNamedOp(rewriter, fill);
  return *generic;
}

struct Vectorize : moe::impl::VectorizeBase<Vectorize> {
  using VectorizeBase::VectorizeBase;

  void runOnOperation() override {
    const CpuLevel *level = cpuOption(getOperation(), cpu);
    if (!level)
      return signalPassFailure();
    // Products first: each takes the element-wise generics that follow it
    // along.
    PackedInputs packedInputs;
    SmallVector<GenericOp> products, others;
    WalkResult result = getOperation().walk([&](GenericOp op) {
      if (failed(verifyVectorizable(op)))
        return WalkResult::interrupt();
      if (isMultiplyAdd(op))
        products.push_back(op);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    for (GenericOp op : products)
      if (failed(VectorEmitter(op, *level, packedInputs).emit()))
        return signalPassFailure();
    getOperation().walk([&](GenericOp op) { others.push_back(op); });
    for (GenericOp op : others)
      if (failed(VectorEmitter(op, *level, packedInputs).emit()))
        return signalPassFailure();
    SmallVector<linalg::FillOp> fills;
    getOperation().walk([&](linalg::FillOp fill) { fills.push_back(fill); });
    for (linalg::FillOp fill : fills) {
      if (fill.hasPureTensorSemantics() && fill->use_empty()) {
        fill.erase();
        continue;
      }
      GenericOp generic = generalizeFill(fill);
      if (failed(verifyVectorizable(generic)) ||
          failed(VectorEmitter(generic, *level, packedInputs).emit()))
        return signalPassFailure();
    }
  }
};

} // namespace
