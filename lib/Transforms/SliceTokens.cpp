//===- SliceTokens.cpp - Compute only what the answer depends on ----------===//

#include "moe/Transforms/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::moe {
#define GEN_PASS_DEF_SLICETOKENS
#include "moe/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

RankedTensorType withRows(Value tokens, int64_t rows) {
  auto type = cast<RankedTensorType>(tokens.getType());
  return RankedTensorType::get({rows, type.getDimSize(1)},
                               type.getElementType());
}

/// Moves a slice above the op that computes the tokens, if nobody needs its
/// other tokens.
template <typename OpT> struct SliceOf : OpRewritePattern<SliceTokensOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceTokensOp slice,
                                PatternRewriter &rewriter) const override {
    auto op = slice.getTokens().template getDefiningOp<OpT>();
    if (!op)
      return failure();
    for (Operation *user : op->getUsers()) {
      auto other = dyn_cast<SliceTokensOp>(user);
      if (!other || other.getFirst() != slice.getFirst() ||
          other.getType() != slice.getType())
        return failure();
    }
    rewriter.setInsertionPoint(op);
    FailureOr<Value> result =
        rebuild(op, slice.getFirst(), slice.getType(), rewriter);
    if (failed(result))
      return failure();
    for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
      rewriter.replaceOp(user, *result);
    return success();
  }

private:
  static Value sliced(PatternRewriter &rewriter, Value tokens, int64_t first,
                      int64_t rows) {
    return SliceTokensOp::create(rewriter, tokens.getLoc(),
                                 withRows(tokens, rows), tokens, first);
  }

  FailureOr<Value> rebuild(arith::AddFOp op, int64_t first,
                           RankedTensorType type,
                           PatternRewriter &rewriter) const {
    int64_t rows = type.getDimSize(0);
    Value lhs = sliced(rewriter, op.getLhs(), first, rows);
    Value rhs = sliced(rewriter, op.getRhs(), first, rows);
    return arith::AddFOp::create(rewriter, op.getLoc(), lhs, rhs).getResult();
  }

  FailureOr<Value> rebuild(LayerNormOp op, int64_t first, RankedTensorType type,
                           PatternRewriter &rewriter) const {
    Value tokens = sliced(rewriter, op.getTokens(), first, type.getDimSize(0));
    return LayerNormOp::create(rewriter, op.getLoc(), tokens, op.getScale(),
                               op.getShift(), op.getEps().convertToDouble())
        .getResult();
  }

  FailureOr<Value> rebuild(MlpOp op, int64_t first, RankedTensorType type,
                           PatternRewriter &rewriter) const {
    Value tokens = sliced(rewriter, op.getTokens(), first, type.getDimSize(0));
    return MlpOp::create(rewriter, op.getLoc(), tokens, op.getFc1Weight(),
                         op.getFc1Bias(), op.getFc2Weight(), op.getFc2Bias(),
                         op.getActivation())
        .getResult();
  }

  /// Attention still reads all tokens: it only asks for fewer.
  FailureOr<Value> rebuild(AttentionOp op, int64_t first, RankedTensorType type,
                           PatternRewriter &rewriter) const {
    auto clone = cast<AttentionOp>(rewriter.clone(*op));
    clone.getResult().setType(type);
    clone.setFirstQuery(op.getFirstQuery() + first);
    return clone.getResult();
  }

  /// Experts work on each token by itself: their bodies take fewer.
  FailureOr<Value> rebuild(ExpertsOp op, int64_t first, RankedTensorType type,
                           PatternRewriter &rewriter) const {
    // A value with a row per token that is no result of the body's own keeps
    // all its rows.
    auto isTokenWise = [&](Operation &inner) {
      return isa<MlpOp, LayerNormOp, GetOp, YieldOp, arith::AddFOp>(inner) &&
             llvm::none_of(inner.getOperands(), [&](Value operand) {
               return operand.getType() == op.getType() &&
                      (operand.getParentBlock() != inner.getBlock() ||
                       operand.getDefiningOp<GetOp>());
             });
    };
    for (Region &body : op.getBodies())
      if (!llvm::all_of(body.front(), isTokenWise))
        return failure();
    RankedTensorType old = op.getType();
    Value tokens = sliced(rewriter, op.getTokens(), first, type.getDimSize(0));
    auto clone = cast<ExpertsOp>(rewriter.clone(*op));
    clone.getTokensMutable().assign(tokens);
    auto retype = [&](Value value) {
      if (value.getType() == old)
        value.setType(type);
    };
    retype(clone.getResult());
    for (Region &body : clone.getBodies()) {
      retype(body.getArgument(0));
      for (Operation &inner : body.front())
        if (!isa<GetOp>(inner) && inner.getNumResults() == 1)
          retype(inner.getResult(0));
    }
    return clone.getResult();
  }
};

/// A mean over some of the tokens needs those only.
struct PoolOfSlice : OpRewritePattern<PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PoolOp op,
                                PatternRewriter &rewriter) const override {
    int64_t count = op.getCount();
    if (op.getTokens().getType().getDimSize(0) == count)
      return failure();
    Value slice = SliceTokensOp::create(rewriter, op.getLoc(),
                                        withRows(op.getTokens(), count),
                                        op.getTokens(), op.getFirst());
    rewriter.replaceOpWithNewOp<PoolOp>(op, op.getType(), slice, 0, count);
    return success();
  }
};

struct SliceTokens : moe::impl::SliceTokensBase<SliceTokens> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SliceOf<arith::AddFOp>, SliceOf<LayerNormOp>, SliceOf<MlpOp>,
                 SliceOf<AttentionOp>, SliceOf<ExpertsOp>, PoolOfSlice>(
        &getContext());
    PoolOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
