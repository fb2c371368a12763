//===- FoldConstants.cpp - Fold constants into weights --------------------===//

#include "moe/Transforms/DeriveParam.h"
#include "moe/Transforms/Passes.h"

#include "mlir/IR/SymbolTable.h"

namespace mlir::moe {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "moe/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// A matrix product whose input can take over a LayerNorm's scale and shift.
struct Consumer {
  Operation *op;
  OpOperand *weight;
  /// Null: the op has no bias yet and gets one.
  OpOperand *bias;
};

class Folder {
public:
  explicit Folder(ModuleOp module) : deriver(module) {}

  void foldScale(AttentionOp op);
  void foldAffine(LayerNormOp op);
  void foldTokens(PositionOp op);

private:
  /// Finds all matrix products that read `value`, through slices, pooling and
  /// into experts. False if anything else reads it.
  bool findConsumers(Value value, SmallVectorImpl<Consumer> &consumers);

  ParamDeriver deriver;
};

} // namespace

/// Whether `value` is a parameter and not an entry of a table: recipes of an
/// expert's weight and bias must name that expert's.
static bool isSingleParam(Value value) {
  auto get = value ? value.getDefiningOp<GetOp>() : GetOp();
  return get && !get.getExpert();
}

//===----------------------------------------------------------------------===//
// Attention's scale
//===----------------------------------------------------------------------===//

void Folder::foldScale(AttentionOp op) {
  double scale = op.getScale().convertToDouble();
  if (scale == 1.0 || !ParamDeriver::isParam(op.getQkvWeight()) ||
      (op.getQkvBias() && !ParamDeriver::isParam(op.getQkvBias())))
    return;
  int64_t width = op.getTokens().getType().getDimSize(1);
  OpBuilder builder(op);
  auto scaled = [&](Value value) {
    return deriver.derive(
        builder, value, ".scaled", [&](OpBuilder &b, Location loc, Value base) {
          return ScaleRowsOp::create(b, loc, base.getType(), base, width,
                                     op.getScale());
        });
  };
  op.getQkvWeightMutable().assign(scaled(op.getQkvWeight()));
  if (op.getQkvBias())
    op.getQkvBiasMutable().assign(scaled(op.getQkvBias()));
  op.setScale(APFloat(1.0));
}

//===----------------------------------------------------------------------===//
// LayerNorm's scale and shift
//===----------------------------------------------------------------------===//

bool Folder::findConsumers(Value value, SmallVectorImpl<Consumer> &consumers) {
  auto add = [&](Operation *op, OpOperand &weight, OpOperand *bias) {
    if (!isSingleParam(weight.get()) || (bias && !isSingleParam(bias->get())))
      return false;
    consumers.push_back({op, &weight, bias});
    return true;
  };
  auto optional = [](MutableOperandRange range) -> OpOperand * {
    return range.empty() ? nullptr : &range[0];
  };
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    bool ok = false;
    if (isa<SliceTokensOp, PoolOp>(user)) {
      ok = findConsumers(user->getResult(0), consumers);
    } else if (auto op = dyn_cast<AttentionOp>(user)) {
      ok = &use == &op.getTokensMutable() &&
           add(op, op.getQkvWeightMutable(), optional(op.getQkvBiasMutable()));
    } else if (auto op = dyn_cast<MlpOp>(user)) {
      ok = &use == &op.getTokensMutable() &&
           add(op, op.getFc1WeightMutable(), &op.getFc1BiasMutable());
    } else if (auto op = dyn_cast<RouterOp>(user)) {
      ok = add(op, op.getWeightMutable(), optional(op.getBiasMutable()));
    } else if (auto op = dyn_cast<TokenRouterOp>(user)) {
      ok = &use == &op.getTokensMutable() &&
           add(op, op.getWeightMutable(), optional(op.getBiasMutable()));
    } else if (auto op = dyn_cast<HeadOp>(user)) {
      ok = &use == &op.getInputMutable() &&
           add(op, op.getWeightMutable(), &op.getBiasMutable());
    } else if (auto op = dyn_cast<RoutedOpInterface>(user)) {
      ok = llvm::all_of(op.getExpertRegions(), [&](Region &body) {
        return findConsumers(body.getArgument(0), consumers);
      });
    }
    if (!ok)
      return false;
  }
  return true;
}

void Folder::foldAffine(LayerNormOp op) {
  if (!isSingleParam(op.getScale()) || !isSingleParam(op.getShift()))
    return;
  auto scale = op.getScale().getDefiningOp<GetOp>();
  auto shift = op.getShift().getDefiningOp<GetOp>();
  SmallVector<Consumer> consumers;
  if (!findConsumers(op, consumers))
    return;

  auto scaleParam = deriver.lookup<ParamOp>(scale.getParamAttr());
  auto shiftParam = deriver.lookup<ParamOp>(shift.getParamAttr());
  for (Consumer &consumer : consumers) {
    OpBuilder builder(consumer.op);
    Value weight = consumer.weight->get();
    auto weightParam =
        deriver.lookup<ParamOp>(weight.getDefiningOp<GetOp>().getParamAttr());
    // The suffix names the norm: a shared router may follow several.
    std::string suffix = (".after." + scaleParam.getSymName()).str();
    Value newWeight = deriver.derive(
        builder, weight, suffix, [&](OpBuilder &b, Location loc, Value base) {
          return ScaleColumnsOp::create(b, loc, base.getType(), base,
                                        getInRecipe(b, loc, scaleParam));
        });
    int64_t outputs = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    Type biasType = RankedTensorType::get({outputs}, builder.getF32Type());
    // First the weight: a new bias moves the operands.
    consumer.weight->set(newWeight);
    if (consumer.bias) {
      Value newBias = deriver.derive(
          builder, consumer.bias->get(), suffix,
          [&](OpBuilder &b, Location loc, Value base) {
            return AbsorbShiftOp::create(b, loc, biasType,
                                         getInRecipe(b, loc, weightParam),
                                         getInRecipe(b, loc, shiftParam), base);
          });
      consumer.bias->set(newBias);
    } else {
      Value newBias =
          deriver.derive(builder, weight, suffix + ".bias",
                         [&](OpBuilder &b, Location loc, Value base) {
                           return AbsorbShiftOp::create(
                               b, loc, biasType, base,
                               getInRecipe(b, loc, shiftParam), Value());
                         });
      if (auto attention = dyn_cast<AttentionOp>(consumer.op))
        attention.getQkvBiasMutable().assign(newBias);
      else if (auto router = dyn_cast<RouterOp>(consumer.op))
        router.getBiasMutable().assign(newBias);
      else
        cast<TokenRouterOp>(consumer.op).getBiasMutable().assign(newBias);
    }
  }
  OpBuilder builder(op);
  auto plain = LayerNormOp::create(builder, op.getLoc(), op.getTokens(),
                                   op.getEps().convertToDouble());
  op.replaceAllUsesWith(plain.getResult());
  op.erase();
}

//===----------------------------------------------------------------------===//
// Class token and position embedding
//===----------------------------------------------------------------------===//

void Folder::foldTokens(PositionOp op) {
  auto classToken = op.getTokens().getDefiningOp<ClassTokenOp>();
  auto embed = (classToken ? classToken.getTokens() : op.getTokens())
                   .getDefiningOp<PatchEmbedOp>();
  if (!embed || !embed->hasOneUse() || embed.getPrefix() != 0 ||
      (classToken && !classToken->hasOneUse()))
    return;
  auto bias = embed.getOffset().getDefiningOp<GetOp>();
  auto position = op.getEmbedding().getDefiningOp<GetOp>();
  auto token =
      classToken ? classToken.getToken().getDefiningOp<GetOp>() : GetOp();
  if (!isSingleParam(embed.getOffset()) || !isSingleParam(op.getEmbedding()) ||
      (classToken && !isSingleParam(classToken.getToken())) ||
      bias.getType().getRank() != 1)
    return;

  OpBuilder builder(op);
  auto biasParam = deriver.lookup<ParamOp>(bias.getParamAttr());
  Value table = deriver.derive(
      builder, position, ".table", [&](OpBuilder &b, Location loc, Value base) {
        Value first;
        if (token)
          first = getInRecipe(b, loc,
                              deriver.lookup<ParamOp>(token.getParamAttr()));
        return TokenTableOp::create(
            b, loc, op.getType(), getInRecipe(b, loc, biasParam), base, first);
      });
  auto fused =
      PatchEmbedOp::create(builder, op.getLoc(), op.getType(), embed.getImage(),
                           embed.getWeight(), table, classToken ? 1 : 0);
  op.replaceAllUsesWith(fused.getResult());
  op.erase();
}

namespace {
struct FoldConstants : moe::impl::FoldConstantsBase<FoldConstants> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Folder folder(module);
    // LayerNorm first: its shift becomes part of the query's bias, which the
    // scale must reach too.
    SmallVector<LayerNormOp> norms;
    SmallVector<AttentionOp> attentions;
    SmallVector<PositionOp> positions;
    module.walk([&](Operation *op) {
      if (auto norm = dyn_cast<LayerNormOp>(op))
        norms.push_back(norm);
      else if (auto attention = dyn_cast<AttentionOp>(op))
        attentions.push_back(attention);
      else if (auto position = dyn_cast<PositionOp>(op))
        positions.push_back(position);
    });
    for (LayerNormOp norm : norms)
      folder.foldAffine(norm);
    for (AttentionOp attention : attentions)
      folder.foldScale(attention);
    for (PositionOp position : positions)
      folder.foldTokens(position);
    // What the folds have left without a reader.
    SmallVector<Operation *> maybeDead;
    module.walk([&](Operation *op) {
      if (isa<GetOp, ClassTokenOp, PatchEmbedOp>(op))
        maybeDead.push_back(op);
    });
    for (Operation *op : llvm::reverse(maybeDead))
      if (op->use_empty())
        op->erase();
  }
};
} // namespace
