//===- WidenProducts.cpp - bf16 products on CPUs that have none -----------===//

#include "moe/Conversion/Passes.h"
#include "moe/Target/CpuTable.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_WIDENPRODUCTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;

/// The input of a generic that only rounds it; null for others.
static Value beforeRounding(Value value) {
  auto op = value.getDefiningOp<GenericOp>();
  if (!op || op.getNumDpsInputs() != 1 ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return {};
  Operation *terminator = op.getBody()->getTerminator();
  auto round = terminator->getOperand(0).getDefiningOp<arith::TruncFOp>();
  return round && round.getIn() == op.getBody()->getArgument(0)
             ? op.getDpsInputs()[0]
             : Value();
}

/// `value` of bf16 as f32: what it was rounded from, or a copy; null if neither
/// is to be had.
static Value widened(ImplicitLocOpBuilder &b, Value value) {
  if (Value source = beforeRounding(value))
    return source;
  auto type = cast<RankedTensorType>(value.getType());
  auto wide = type.clone(b.getF32Type());
  if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>()) {
    Value source = widened(b, collapse.getSrc());
    return source ? tensor::CollapseShapeOp::create(
                        b, wide, source, collapse.getReassociationIndices())
                        .getResult()
                  : Value();
  }
  if (!type.hasStaticShape())
    return {};
  AffineMap map = b.getMultiDimIdentityMap(type.getRank());
  Value out = bufferization::AllocTensorOp::create(b, wide, ValueRange());
  return GenericOp::create(b, wide, value, out, ArrayRef({map, map}),
                           SmallVector<utils::IteratorType>(
                               type.getRank(), utils::IteratorType::parallel),
                           [](OpBuilder &inner, Location loc, ValueRange args) {
                             Value x = arith::ExtFOp::create(
                                 inner, loc, inner.getF32Type(), args[0]);
                             linalg::YieldOp::create(inner, loc, x);
                           })
      .getResult(0);
}

/// Whether `op` sums products of two bf16.
static bool isLowProduct(GenericOp op) {
  return op.getNumReductionLoops() > 0 && op.getNumDpsInputs() == 2 &&
         llvm::all_of(op.getDpsInputs(), [](Value input) {
           return getElementTypeOrSelf(input.getType()).isBF16();
         });
}

namespace {
struct WidenProducts : moe::impl::WidenProductsBase<WidenProducts> {
  using WidenProductsBase::WidenProductsBase;

  void runOnOperation() override {
    const CpuLevel *level = findCpuLevel(cpu);
    if (!level) {
      getOperation().emitError() << "unknown CPU '" << cpu << "'";
      return signalPassFailure();
    }
    if (level->dotBf16)
      return;
    SmallVector<GenericOp> products;
    getOperation().walk([&](GenericOp op) {
      if (isLowProduct(op))
        products.push_back(op);
    });
    for (GenericOp op : products) {
      ImplicitLocOpBuilder b(op.getLoc(), op);
      Value input = widened(b, op.getDpsInputs()[0]);
      if (!input) {
        op.emitOpError("cannot be widened: its input has rows that are known "
                       "at run time only");
        return signalPassFailure();
      }
      op.getDpsInputOperand(0)->set(input);
      // The argument is f32 now, so it needs no extension.
      BlockArgument argument = op.getBody()->getArgument(0);
      argument.setType(b.getF32Type());
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
        user->getResult(0).replaceAllUsesWith(argument);
        user->erase();
      }
    }
  }
};
} // namespace
