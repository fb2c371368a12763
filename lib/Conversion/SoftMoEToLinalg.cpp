//===- SoftMoEToLinalg.cpp - Soft mixtures of experts to linalg -----------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

Value MoELowering::mixRows(Value weights, Value rows) {
  AffineExpr m = dim(0), p = dim(1), c = dim(2), r = dim(3);
  return multiplyAdd({weights, rows},
                     {rowsOf(weights), shapeOf(rows)[1], kPanel},
                     {map(4, {m, r}), map(4, {r, p, c}), map(4, {m, p, c})},
                     {IteratorType::parallel, IteratorType::parallel,
                      IteratorType::parallel, IteratorType::reduction});
}

LogicalResult MoELowering::lower(SlotLogitsOp op) {
  auto scale = op.getScale().getDefiningOp<GetOp>();
  if (scale.getExpert())
    return op.emitOpError("cannot be lowered: the scale is an expert's own");
  auto scaleParam = deriver.lookup<ParamOp>(scale.getParamAttr());
  int64_t width = widthOf(op.getTokens()), slots = widthOf(op.getLogits());
  Value keys = weights(
      op.getMu(), ".keys", [&](OpBuilder &builder, Location loc, Value base) {
        Value unit = SlotKeysOp::create(builder, loc, f32({slots, width}), base,
                                        getInRecipe(builder, loc, scaleParam));
        return PackPanelsOp::create(
            builder, loc,
            f32({numPanels(slots), numPanels(width) * kPanel, kPanel}), unit,
            slots, width);
      });
  Value x = lowered.lookup(op.getTokens());
  AffineMap full = b.getMultiDimIdentityMap(3);
  AffineMap one = b.getMultiDimIdentityMap(1);
  Value squares = reduceLanes(
      {x}, {full}, {rowsOf(x)}, 0.0f,
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return arith::AddFOp::create(
            ib, args[1], arith::MulFOp::create(ib, args[0], args[0]));
      });
  Value factor = generic(
      {squares}, empty({rowsOf(x)}), {one, one}, {IteratorType::parallel},
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value epsilon = arith::ConstantOp::create(
            ib, ib.getF32FloatAttr(float(kSlotEpsilon)));
        return math::RsqrtOp::create(
            ib, arith::AddFOp::create(ib, args[0], epsilon));
      });
  lowered[op] = times(matmul(x, keys), factor, map(3, {dim(0)}));
  return success();
}

void MoELowering::lower(SoftDispatchOp op) {
  Value x = lowered.lookup(op.getTokens());
  Value logits = lowered.lookup(op.getLogits());
  int64_t tokens = rowsOf(x), slots = rowsOf(op.getResult());
  // A row for each slot, its tokens in lanes.
  Value flat = slice(collapse(logits, {{0}, {1, 2}}), {0, 0}, {tokens, slots});
  Value panels = tokenPanels(expand(flat, {tokens, 1, slots}, {{0}, {1, 2}}));
  auto [exps, inverse] =
      softmaxParts(collapse(panels, {{0, 1}, {2}, {3}}), tokens);
  exps = slice(collapse(exps, {{0}, {1, 2}}), {0, 0}, {slots, tokens});
  lowered[op] = times(mixRows(exps, x), inverse, map(3, {dim(0)}));
}

void MoELowering::lower(CombineWeightsOp op) {
  auto [exps, inverse] =
      softmaxParts(lowered.lookup(op.getLogits()), widthOf(op.getLogits()));
  lowered[op] = times(exps, inverse, map(3, {dim(0)}));
}

void MoELowering::lower(SlotGatesOp op) {
  Value weights = lowered.lookup(op.getWeights());
  int64_t tokens = rowsOf(weights), slots = widthOf(op.getWeights());
  int64_t experts = rowsOf(op.getGates());
  auto add = [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
    return arith::AddFOp::create(ib, args[1], args[0]);
  };
  AffineExpr p = dim(0), c = dim(1), m = dim(2);
  Value sums = generic(
      {weights}, filled(shapeOf(weights).drop_front(), 0.0f),
      {map(3, {m, p, c}), map(3, {p, c})},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      add);
  sums = slice(collapse(sums, {{0, 1}}), {0}, {slots});
  sums = expand(sums, {experts, slots / experts}, {{0, 1}});
  Value bySlots =
      generic({sums}, filled({experts}, 0.0f),
              {map(2, {dim(0), dim(1)}), map(2, {dim(0)})},
              {IteratorType::parallel, IteratorType::reduction}, add);
  lowered[op.getGates()] = scaled(bySlots, float(1.0 / double(tokens)));
  lowered[op.getCounts()] =
      overRange(index(experts), indices({experts}),
                [&](Value e, ValueRange state) -> SmallVector<Value> {
                  return {set(state[0], index(slots / experts), e)};
                })[0];
}

void MoELowering::lower(SoftCombineOp op) {
  Value weights = lowered.lookup(op.getWeights());
  int64_t slots = rowsOf(op.getOutputs());
  lowered[op] = mixRows(
      slice(collapse(weights, {{0}, {1, 2}}), {0, 0}, {rowsOf(weights), slots}),
      lowered.lookup(op.getOutputs()));
}

LogicalResult MoELowering::lower(SlotExpertsOp op) {
  Value slots = lowered.lookup(op.getSlots());
  int64_t perExpert = op.getSlotsPerExpert();
  auto loop = scf::ForOp::create(b, index(0), index(op.getNumExperts()),
                                 index(1), ValueRange{empty(shapeOf(slots))});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value which = loop.getInductionVar(), carried = loop.getRegionIterArg(0);
  Value first = arith::MulIOp::create(b, which, index(perExpert));
  FailureOr<Value> result = chooseRegion(
      op, which, carried.getType(), rowsFrom(slots, first, perExpert),
      [&](Region &body, ValueRange arguments) -> FailureOr<Value> {
        FailureOr<Value> value = lowerRegion(body, arguments);
        if (failed(value))
          return failure();
        return withRows(carried, *value, first);
      });
  if (failed(result))
    return failure();
  scf::YieldOp::create(b, *result);
  lowered[op] = loop.getResult(0);
  return success();
}
