//===- WidenProducts.cpp - bf16 products on CPUs that have none -----------===//

#include "CpuOption.h"
#include "VectorEmitter.h"

#include "mlir/IR/IRMapping.h"

namespace mlir::moe {
#define GEN_PASS_DEF_WIDENPRODUCTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;

/// What the generic yields, if that is rounded from f32 to bf16 for it alone.
static arith::TruncFOp roundingOf(GenericOp op) {
  Operation *yield = op.getBody()->getTerminator();
  if (yield->getNumOperands() != 1)
    return {};
  auto rounding = yield->getOperand(0).getDefiningOp<arith::TruncFOp>();
  bool isOwn = rounding && rounding->getBlock() == op.getBody() &&
               rounding->hasOneUse() && rounding.getIn().getType().isF32();
  return isOwn ? rounding : arith::TruncFOp();
}

/// `value` of bf16 as it is before it is rounded, in f32: what a generic that
/// only rounds has read, or a clone of what makes it; null if that is none of
/// the ops that lowering makes such values with.
static Value widened(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  auto generic = dyn_cast<GenericOp>(op);
  arith::TruncFOp rounding = generic ? roundingOf(generic) : arith::TruncFOp();
  if (generic && (!rounding || generic.getNumDpsInits() != 1 ||
                  !generic.getRegionOutputArgs()[0].use_empty() ||
                  llvm::any_of(generic.getDpsInputs(), [](Value input) {
                    return getElementTypeOrSelf(input.getType()).isBF16();
                  })))
    return {};
  if (rounding && generic.getNumDpsInputs() == 1 &&
      rounding.getIn() == generic.getBody()->getArgument(0) &&
      llvm::all_of(generic.getIndexingMapsArray(),
                   [](AffineMap map) { return map.isIdentity(); }))
    return generic.getDpsInputs()[0];
  if (!generic && !isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                       tensor::ExtractSliceOp, tensor::InsertSliceOp,
                       linalg::FillOp, bufferization::AllocTensorOp>(op))
    return {};

  ImplicitLocOpBuilder b(op->getLoc(), op);
  IRMapping map;
  for (Value operand : op->getOperands()) {
    Type type = operand.getType();
    if (!getElementTypeOrSelf(type).isBF16() || map.contains(operand))
      continue;
    // Of a fill, the scalar.
    Value wide = isa<RankedTensorType>(type)
                     ? widened(operand)
                     : arith::ExtFOp::create(b, b.getF32Type(), operand);
    if (!wide)
      return {};
    map.map(operand, wide);
  }
  Operation *clone = b.clone(*op, map);
  auto type = cast<RankedTensorType>(value.getType());
  clone->getResult(0).setType(type.clone(b.getF32Type()));
  if (auto wide = dyn_cast<GenericOp>(clone)) {
    arith::TruncFOp inner = roundingOf(wide);
    wide.getRegionOutputArgs()[0].setType(b.getF32Type());
    inner.replaceAllUsesWith(inner.getIn());
    inner.erase();
  } else if (auto fill = dyn_cast<linalg::FillOp>(clone)) {
    for (BlockArgument argument : fill.getBlock()->getArguments())
      argument.setType(b.getF32Type());
  }
  return clone->getResult(0);
}

/// Whether `op` sums products of two bf16.
static bool isLowProduct(GenericOp op) {
  return isMultiplyAdd(op) &&
         llvm::all_of(op.getBody()->getArgument(0).getUsers(),
                      [](Operation *user) {
                        return isa<arith::ExtFOp>(user) &&
                               user->getResult(0).getType().isF32();
                      }) &&
         llvm::all_of(op.getDpsInputs(), [](Value input) {
           return getElementTypeOrSelf(input.getType()).isBF16();
         });
}

namespace {
struct WidenProducts : moe::impl::WidenProductsBase<WidenProducts> {
  using WidenProductsBase::WidenProductsBase;

  void runOnOperation() override {
    const CpuLevel *level = cpuOption(getOperation(), cpu);
    if (!level)
      return signalPassFailure();
    if (level->dotBf16)
      return;
    SmallVector<GenericOp> products;
    getOperation().walk([&](GenericOp op) {
      if (isLowProduct(op))
        products.push_back(op);
    });
    for (GenericOp op : products) {
      Value input = widened(op.getDpsInputs()[0]);
      if (!input) {
        op.emitOpError("cannot be widened: its input was not rounded from f32");
        return signalPassFailure();
      }
      op.getDpsInputOperand(0)->set(input);
      // The argument is f32 now, so it needs no extension.
      BlockArgument argument = op.getBody()->getArgument(0);
      argument.setType(Float32Type::get(&getContext()));
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
        user->getResult(0).replaceAllUsesWith(argument);
        user->erase();
      }
    }
  }
};
} // namespace
