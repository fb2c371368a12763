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
/// other tokens. Several slices move as the smallest one that holds them all.
template <typename OpT> struct SliceOf : OpRewritePattern<SliceTokensOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceTokensOp slice,
                                PatternRewriter &rewriter) const override {
    auto op = slice.getTokens().template getDefiningOp<OpT>();
    if (!op)
      return failure();
    int64_t first = slice.getFirst(), end = first;
    for (Operation *user : op->getUsers()) {
      auto other = dyn_cast<SliceTokensOp>(user);
      if (!other)
        return failure();
      int64_t start = other.getFirst();
      first = std::min(first, start);
      end = std::max(end, start + other.getType().getDimSize(0));
    }
    if (end - first == slice.getTokens().getType().getDimSize(0))
      return failure();
    rewriter.setInsertionPoint(op);
    FailureOr<Value> result =
        rebuild(op, first, withRows(slice.getTokens(), end - first), rewriter);
    if (failed(result))
      return failure();
    for (Operation *user : llvm::make_early_inc_range(op->getUsers())) {
      auto other = cast<SliceTokensOp>(user);
      if (other.getType() == result->getType())
        rewriter.replaceOp(other, *result);
      else
        rewriter.replaceOpWithNewOp<SliceTokensOp>(
            other, other.getType(), *result, other.getFirst() - first);
    }
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

  FailureOr<Value> rebuild(LayerScaleOp op, int64_t first,
                           RankedTensorType type,
                           PatternRewriter &rewriter) const {
    Value tokens = sliced(rewriter, op.getTokens(), first, type.getDimSize(0));
    return LayerScaleOp::create(rewriter, op.getLoc(), tokens, op.getGamma())
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

  FailureOr<Value> rebuild(SoftCombineOp op, int64_t first,
                           RankedTensorType type,
                           PatternRewriter &rewriter) const {
    Value weights =
        sliced(rewriter, op.getWeights(), first, type.getDimSize(0));
    return SoftCombineOp::create(rewriter, op.getLoc(), type, weights,
                                 op.getOutputs())
        .getResult();
  }

  FailureOr<Value> rebuild(ExpertsOp op, int64_t first, RankedTensorType type,
                           PatternRewriter &rewriter) const {
    if (!areTokenWise(op, op.getType()))
      return failure();
    Value tokens = sliced(rewriter, op.getTokens(), first, type.getDimSize(0));
    auto clone = cast<ExpertsOp>(rewriter.clone(*op));
    clone.getTokensMutable().assign(tokens);
    clone.getResult().setType(type);
    retypeBodies(clone, op.getType(), type);
    return clone.getResult();
  }

  /// All tokens are routed, since they compete for the experts; the experts run
  /// for some of them only.
  FailureOr<Value> rebuild(TokenExpertsOp op, int64_t first,
                           RankedTensorType type,
                           PatternRewriter &rewriter) const {
    RankedTensorType group = op.getGroupType();
    if (!areTokenWise(op, group))
      return failure();
    int64_t rows = type.getDimSize(0), experts = op.getNumExperts(),
            capacity = std::min(op.getCapacity(), rows);
    auto shaped = [&](Value value) {
      return cast<RankedTensorType>(value.getType()).clone({experts, capacity});
    };
    auto kept = SliceTakenOp::create(
        rewriter, op.getLoc(), shaped(op.getTaken()), shaped(op.getGates()),
        op.getCounts().getType(), op.getTaken(), op.getGates(), op.getCounts(),
        first, rows);
    Value tokens = sliced(rewriter, op.getTokens(), first, rows);
    auto clone = cast<TokenExpertsOp>(rewriter.clone(*op));
    clone.getTokensMutable().assign(tokens);
    clone.getTakenMutable().assign(kept.getKeptTaken());
    clone.getGatesMutable().assign(kept.getKeptGates());
    clone.getCountsMutable().assign(kept.getKeptCounts());
    clone.getResult().setType(type);
    retypeBodies(clone, group, clone.getGroupType());
    return clone.getResult();
  }

  /// Whether every expert works on each of its tokens, a value of type `group`,
  /// by itself.
  static bool areTokenWise(RoutedOpInterface op, RankedTensorType group) {
    // A value with a row per token that is no result of the body's own keeps
    // all its rows.
    auto isTokenWise = [&](Operation &inner) {
      return isa<MlpOp, LayerNormOp, GetOp, YieldOp, arith::AddFOp>(inner) &&
             llvm::none_of(inner.getOperands(), [&](Value operand) {
               return operand.getType() == group &&
                      (operand.getParentBlock() != inner.getBlock() ||
                       operand.getDefiningOp<GetOp>());
             });
    };
    return llvm::all_of(op.getExpertRegions(), [&](Region &body) {
      return llvm::all_of(body.front(), isTokenWise);
    });
  }

  /// The bodies' tokens become fewer.
  static void retypeBodies(RoutedOpInterface op, RankedTensorType old,
                           RankedTensorType type) {
    auto retype = [&](Value value) {
      if (value.getType() == old)
        value.setType(type);
    };
    for (Region &body : op.getExpertRegions()) {
      retype(body.getArgument(0));
      for (Operation &inner : body.front())
        if (!isa<GetOp>(inner) && inner.getNumResults() == 1)
          retype(inner.getResult(0));
    }
  }
};

/// A pool over some of the tokens needs those only.
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
    rewriter.replaceOpWithNewOp<PoolOp>(op, op.getType(), slice, 0, count,
                                        op.getMax());
    return success();
  }
};

struct SliceTokens : moe::impl::SliceTokensBase<SliceTokens> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SliceOf<arith::AddFOp>, SliceOf<LayerNormOp>,
                 SliceOf<LayerScaleOp>, SliceOf<MlpOp>, SliceOf<AttentionOp>,
                 SliceOf<ExpertsOp>, SliceOf<TokenExpertsOp>,
                 SliceOf<SoftCombineOp>, PoolOfSlice>(&getContext());
    PoolOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
