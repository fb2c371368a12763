//===- FuseRounding.cpp - Round values where they are made ----------------===//

#include "moe/Conversion/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FUSEROUNDING
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;

/// Whether `operand` is what an element-wise generic rounds, and nobody else
/// wants it.
static bool isRounded(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<GenericOp>();
  auto consumer = dyn_cast<GenericOp>(operand->getOwner());
  if (!producer || !consumer || !producer->hasOneUse() ||
      producer.getNumDpsInits() != 1 || consumer.getNumDpsInits() != 1)
    return false;
  // Nor may either read what it writes over.
  for (GenericOp op : {producer, consumer})
    if (op.getNumLoops() != op.getNumParallelLoops() ||
        !op.getRegionOutputArgs()[0].use_empty())
      return false;
  Operation *yield = consumer.getBody()->getTerminator();
  return yield->getOperand(0).getDefiningOp<arith::TruncFOp>() != nullptr;
}

namespace {
struct FuseRounding : moe::impl::FuseRoundingBase<FuseRounding> {
  void runOnOperation() override {
    // Not the patterns for this, which come with others that replace buffers.
    SmallVector<GenericOp> roundings;
    getOperation().walk([&](GenericOp op) {
      if (op.getNumDpsInputs() == 1 && isRounded(op.getDpsInputOperand(0)))
        roundings.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (GenericOp op : roundings) {
      auto producer = op.getDpsInputs()[0].getDefiningOp<GenericOp>();
      rewriter.setInsertionPoint(op);
      FailureOr<linalg::ElementwiseOpFusionResult> fused =
          linalg::fuseElementwiseOps(rewriter, op.getDpsInputOperand(0));
      if (failed(fused))
        continue;
      rewriter.replaceOp(op, fused->replacements.lookup(op.getResult(0)));
      if (producer.use_empty())
        rewriter.eraseOp(producer);
    }
  }
};
} // namespace
