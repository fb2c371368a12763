//===- FoldConstants.cpp - Fold constants into weights --------------------===//

#include "FoldBatchNorm.h"

#include "moe/Transforms/DeriveParam.h"
#include "moe/Transforms/OneModule.h"
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

/// A weight or bias whose rows make channels.
struct Producer {
  Operation *op;
  OpOperand *weight;
};

class Folder {
public:
  explicit Folder(ModuleOp module) : deriver(module) {}

  void foldScale(AttentionOp op);
  void foldAffine(LayerNormOp op);
  void foldTokens(PatchEmbedOp op);
  void foldLayerScale(LayerScaleOp op);

private:
  /// Finds all matrix products that read `value`, through slices, pooling and
  /// into experts. False if anything else reads it.
  bool findConsumers(Value value, SmallVectorImpl<Consumer> &consumers);

  /// Finds weights and biases that make the channels of `value`, of which
  /// nobody else may read anything. False if something else makes them.
  bool findProducers(Value value, SmallVectorImpl<Producer> &producers);

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
  auto isParam = [](Value value) { return ParamDeriver::isParam(value); };
  if (scale == 1.0 || !isParam(op.getQkvWeight()) ||
      (op.getQkvBias() && !isParam(op.getQkvBias())) ||
      !llvm::all_of(op.getNorms(), isParam))
    return;
  int64_t width = op.getTokens().getType().getDimSize(1);
  OpBuilder builder(op);
  auto scaled = [&](Value value, int64_t rows) {
    return deriver.derive(
        builder, value, ".scaled", [&](OpBuilder &b, Location loc, Value base) {
          return ScaleRowsOp::create(b, loc, base.getType(), base, rows,
                                     op.getScale());
        });
  };
  if (!op.getNorms().empty()) {
    // The queries' norm is what comes last.
    for (OpOperand &norm : op.getNormsMutable().slice(0, 2))
      norm.set(scaled(norm.get(), width / op.getHeads()));
    return op.setScale(APFloat(1.0));
  }
  op.getQkvWeightMutable().assign(scaled(op.getQkvWeight(), width));
  if (op.getQkvBias())
    op.getQkvBiasMutable().assign(scaled(op.getQkvBias(), width));
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
    auto pool = dyn_cast<PoolOp>(user);
    // A factor for each channel may change which entry is the largest.
    if (isa<SliceTokensOp>(user) || (pool && !pool.getMax())) {
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
    } else if (auto op = dyn_cast<ExpertChoiceOp>(user)) {
      ok = &use == &op.getTokensMutable() &&
           add(op, op.getWeightMutable(), optional(op.getBiasMutable()));
    } else if (auto op = dyn_cast<HeadOp>(user)) {
      ok = &use == &op.getInputMutable() &&
           add(op, op.getWeightMutable(), &op.getBiasMutable());
    } else if (auto op = dyn_cast<RoutedOpInterface>(user)) {
      // The tokens come first. As gates, its value matters as it is.
      ok = use.getOperandNumber() == 0 &&
           llvm::all_of(op.getExpertRegions(), [&](Region &body) {
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
      else if (auto choice = dyn_cast<ExpertChoiceOp>(consumer.op))
        choice.getBiasMutable().assign(newBias);
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
// LayerScale
//===----------------------------------------------------------------------===//

bool Folder::findProducers(Value value, SmallVectorImpl<Producer> &producers) {
  auto add = [&](Operation *op, OpOperand &weight, OpOperand &bias) {
    if (!isSingleParam(weight.get()) || !isSingleParam(bias.get()))
      return false;
    producers.append({{op, &weight}, {op, &bias}});
    return true;
  };
  if (!value.hasOneUse())
    return false;
  Operation *op = value.getDefiningOp();
  if (auto attention = dyn_cast_if_present<AttentionOp>(op))
    return add(op, attention.getProjWeightMutable(),
               attention.getProjBiasMutable());
  if (auto mlp = dyn_cast_if_present<MlpOp>(op))
    return add(op, mlp.getFc2WeightMutable(), mlp.getFc2BiasMutable());
  if (auto sum = dyn_cast_if_present<arith::AddFOp>(op))
    return findProducers(sum.getLhs(), producers) &&
           findProducers(sum.getRhs(), producers);
  auto experts = dyn_cast_if_present<RoutedOpInterface>(op);
  return experts && llvm::all_of(experts.getExpertRegions(), [&](Region &body) {
           auto yield = cast<YieldOp>(body.front().getTerminator());
           return findProducers(yield.getValue(), producers);
         });
}

void Folder::foldLayerScale(LayerScaleOp op) {
  SmallVector<Producer> producers;
  if (!isSingleParam(op.getGamma()) ||
      !findProducers(op.getTokens(), producers))
    return;
  auto gamma = deriver.lookup<ParamOp>(
      op.getGamma().getDefiningOp<GetOp>().getParamAttr());
  for (Producer &producer : producers) {
    OpBuilder builder(producer.op);
    producer.weight->set(deriver.derive(
        builder, producer.weight->get(), (".times." + gamma.getSymName()).str(),
        [&](OpBuilder &b, Location loc, Value base) {
          return ScaleOutputsOp::create(b, loc, base.getType(), base,
                                        getInRecipe(b, loc, gamma));
        }));
  }
  op.replaceAllUsesWith(op.getTokens());
  op.erase();
}

//===----------------------------------------------------------------------===//
// The model's own tokens and the position embedding
//===----------------------------------------------------------------------===//

void Folder::foldTokens(PatchEmbedOp op) {
  Value offset = op.getOffset();
  if (op.getPrefix() != 0 ||
      (offset && (!isSingleParam(offset) ||
                  cast<RankedTensorType>(offset.getType()).getRank() != 1)))
    return;
  // What follows, as far as nobody else reads what is between.
  Value result = op;
  SmallVector<GetOp> tokens; // the last ones first
  GetOp position;
  while (result.hasOneUse()) {
    Operation *user = *result.getUsers().begin();
    if (auto own = dyn_cast<ClassTokenOp>(user)) {
      if (!isSingleParam(own.getToken()))
        break;
      tokens.push_back(own.getToken().getDefiningOp<GetOp>());
    } else if (auto add = dyn_cast<PositionOp>(user)) {
      if (position || !isSingleParam(add.getEmbedding()))
        break;
      position = add.getEmbedding().getDefiningOp<GetOp>();
    } else {
      break;
    }
    result = user->getResult(0);
  }
  if (!position)
    return;

  OpBuilder builder(op.getContext());
  builder.setInsertionPointAfterValue(result);
  auto get = [&](OpBuilder &b, Location loc, GetOp outside) {
    return getInRecipe(b, loc, deriver.lookup<ParamOp>(outside.getParamAttr()));
  };
  Value table = deriver.derive(
      builder, position, ".table", [&](OpBuilder &b, Location loc, Value base) {
        Value bias;
        if (offset)
          bias = get(b, loc, offset.getDefiningOp<GetOp>());
        SmallVector<Value> own;
        for (GetOp token : llvm::reverse(tokens))
          own.push_back(get(b, loc, token));
        return TokenTableOp::create(b, loc, result.getType(), base, bias, own);
      });
  auto rows = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getDimSize(0);
  };
  auto fused = PatchEmbedOp::create(builder, op.getLoc(), result.getType(),
                                    op.getImage(), op.getWeight(), table,
                                    rows(result) - rows(op));
  result.replaceAllUsesWith(fused.getResult());
}

namespace {
struct FoldConstants : moe::impl::FoldConstantsBase<FoldConstants> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyOneModule(module)))
      return signalPassFailure();
    foldBatchNorms(module);
    Folder folder(module);
    // LayerNorm first: its shift becomes part of the query's bias, which the
    // scale must reach too.
    SmallVector<LayerNormOp> norms;
    SmallVector<AttentionOp> attentions;
    SmallVector<LayerScaleOp> layerScales;
    SmallVector<PatchEmbedOp> embeddings;
    module.walk([&](Operation *op) {
      if (auto norm = dyn_cast<LayerNormOp>(op))
        norms.push_back(norm);
      else if (auto attention = dyn_cast<AttentionOp>(op))
        attentions.push_back(attention);
      else if (auto layerScale = dyn_cast<LayerScaleOp>(op))
        layerScales.push_back(layerScale);
      else if (auto embedding = dyn_cast<PatchEmbedOp>(op))
        embeddings.push_back(embedding);
    });
    for (LayerNormOp norm : norms)
      folder.foldAffine(norm);
    for (AttentionOp attention : attentions)
      folder.foldScale(attention);
    for (LayerScaleOp layerScale : layerScales)
      folder.foldLayerScale(layerScale);
    for (PatchEmbedOp embedding : embeddings)
      folder.foldTokens(embedding);
    // What the folds have left without a reader.
    SmallVector<Operation *> maybeDead;
    module.walk([&](Operation *op) {
      if (isa<GetOp, ClassTokenOp, PositionOp, PatchEmbedOp>(op))
        maybeDead.push_back(op);
    });
    for (Operation *op : llvm::reverse(maybeDead))
      if (op->use_empty())
        op->erase();
  }
};
} // namespace
