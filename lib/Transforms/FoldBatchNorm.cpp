//===- FoldBatchNorm.cpp - Batch normalisation into weights ---------------===//

#include "FoldBatchNorm.h"

#include "moe/Transforms/DeriveParam.h"

using namespace mlir;
using namespace mlir::moe;

/// The parameter that `value` reads, or null.
static ParamOp paramOf(ParamDeriver &deriver, Value value) {
  auto get = value ? value.getDefiningOp<GetOp>() : GetOp();
  if (!get || get.getExpert())
    return {};
  return deriver.lookup<ParamOp>(get.getParamAttr());
}

static void fold(BatchNormOp op, ParamDeriver &deriver) {
  auto conv = op.getInput().getDefiningOp<ConvOp>();
  ParamOp scale = paramOf(deriver, op.getScale()),
          shift = paramOf(deriver, op.getShift()),
          mean = paramOf(deriver, op.getMean()),
          variance = paramOf(deriver, op.getVariance());
  if (!conv || !conv->hasOneUse() || !scale || !shift || !mean || !variance ||
      !paramOf(deriver, conv.getWeight()))
    return;
  ParamOp bias = paramOf(deriver, conv.getBias());
  if (conv.getBias() && !bias)
    return;
  OpBuilder builder(op);
  std::string suffix = (".with." + scale.getSymName()).str();
  Value weight = deriver.derive(
      builder, conv.getWeight(), suffix,
      [&](OpBuilder &b, Location loc, Value base) {
        return NormWeightOp::create(b, loc, base.getType(), base,
                                    getInRecipe(b, loc, scale),
                                    getInRecipe(b, loc, variance), op.getEps());
      });
  // Of the shift, which there always is.
  Value newBias = deriver.derive(
      builder, op.getShift(), ".as.bias",
      [&](OpBuilder &b, Location loc, Value base) {
        return NormBiasOp::create(
            b, loc, base.getType(), getInRecipe(b, loc, scale), base,
            getInRecipe(b, loc, mean), getInRecipe(b, loc, variance),
            op.getEps(), bias ? getInRecipe(b, loc, bias) : Value());
      });
  auto folded = ConvOp::create(
      builder, conv.getLoc(), conv.getType(), conv.getInput(), weight, newBias,
      conv.getStride(), conv.getPadding(), conv.getDepthwise());
  op.replaceAllUsesWith(folded.getResult());
  op.erase();
  conv.erase();
}

void mlir::moe::foldBatchNorms(ModuleOp module) {
  ParamDeriver deriver(module);
  SmallVector<BatchNormOp> norms;
  module.walk([&](BatchNormOp op) { norms.push_back(op); });
  for (BatchNormOp op : norms)
    fold(op, deriver);
}
