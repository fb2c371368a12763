//===- ImportModel.cpp - From a specification to the moe dialect ----------===//

#include "moe/Import/ImportModel.h"

#include "moe/Dialect/MoE.h"
#include "moe/Dialect/Parts.h"
#include "moe/Import/ModelWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

#include <cmath>

using namespace mlir;
using namespace mlir::moe;

namespace {

/// The experts and gates that a router chose.
struct Route {
  Value experts, gates;
};

/// What a MoE block computes, and what it tells of its routing.
struct Routed {
  Value tokens;
  SmallVector<Value, 2> report;
};

class ModelBuilder {
public:
  ModelBuilder(const ModelSpec &spec, MLIRContext *context)
      : spec(spec), b(UnknownLoc::get(context), context) {}

  OwningOpRef<ModuleOp> build();

private:
  RankedTensorType tensorOf(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, b.getF32Type());
  }
  RankedTensorType tokensType(int64_t count) {
    return tensorOf({count, spec.hiddenSize});
  }

  /// The weight section for parameter `name`: an expert's own, or none.
  StringAttr section(StringRef name);
  /// The parameter `name`; null if the model has none of that name.
  Value param(const Twine &name);
  Value layerNorm(Value x, const Twine &name);
  Value stem(Value image);
  Value embed(Value image);
  Value attention(Value x, int64_t block);
  /// A branch's output times its gamma, if it has one.
  Value layerScale(Value y, const Twine &name);
  Value mlp(Value x, const Twine &prefix);
  Value experts(Value x, int64_t block, Route route);
  Value token(Value x, int64_t index);
  /// The mean or the largest of the patch tokens, or of all.
  Value patches(Value x, bool isMax, bool includesPrefix = false);
  Value pool(Value x);
  /// The logits, or the pooled features, of the last block's tokens.
  Value answer(Value x);
  Route router(Value x, const Twine &name);
  /// The experts of a block for each token of its own (V-MoE).
  Routed tokenExperts(Value x, int64_t block);
  /// The experts of a block on slots for all tokens (Soft MoE).
  Routed softExperts(Value x, int64_t block);
  /// A region for each expert of the block.
  void fillRegions(RoutedOpInterface op, RankedTensorType group, int64_t block);

  const ModelSpec &spec;
  ImplicitLocOpBuilder b;
  llvm::StringMap<RankedTensorType> params;
};

} // namespace

StringAttr ModelBuilder::section(StringRef name) {
  // blocks.I.moe.experts.E.…
  auto [block, rest] = name.split(".moe.experts.");
  if (rest.empty())
    return {};
  return b.getStringAttr(block + ".expert." + rest.split('.').first);
}

Value ModelBuilder::param(const Twine &name) {
  SmallString<64> storage;
  auto it = params.find(name.toStringRef(storage));
  if (it == params.end())
    return {};
  return GetOp::create(b, it->second, it->first(), Value());
}

Value ModelBuilder::layerNorm(Value x, const Twine &name) {
  PartScope part(b, name);
  return LayerNormOp::create(b, x, param(name + ".weight"),
                             param(name + ".bias"), spec.layerNormEps);
}

Value ModelBuilder::stem(Value image) {
  SmallVector<Value> maps{image};
  for (auto [i, layer] : llvm::enumerate(spec.stem)) {
    PartScope part(b, "stem." + Twine(i));
    std::string conv = ("stem." + Twine(i) + ".conv.").str(),
                bn = ("stem." + Twine(i) + ".bn.").str();
    const MapSize &size = layer.output;
    Value x = ConvOp::create(
        b, tensorOf({size.channels, size.height, size.width}), maps.back(),
        param(conv + "weight"), param(conv + "bias"),
        ArrayRef<int64_t>{layer.strideHeight, layer.strideWidth},
        ArrayRef<int64_t>{layer.paddingHeight, layer.paddingWidth},
        layer.depthwise);
    if (layer.batchNorm)
      x = BatchNormOp::create(b, x, param(bn + "weight"), param(bn + "bias"),
                              param(bn + "running_mean"),
                              param(bn + "running_var"),
                              APFloat(layer.batchNormEps));
    if (layer.activation)
      x = ActivateOp::create(b, x,
                             static_cast<moe::Activation>(*layer.activation));
    if (layer.residual)
      x = arith::AddFOp::create(b, maps.end()[-layer.residual], x);
    maps.push_back(x);
  }
  return maps.back();
}

Value ModelBuilder::embed(Value image) {
  Value map = stem(image);
  PartScope part(b, "patch_embed");
  Value x = PatchEmbedOp::create(b, tokensType(spec.numPatches()), map,
                                 param("patch_embed.proj.weight"),
                                 param("patch_embed.proj.bias"), /*prefix=*/0);
  auto addPosition = [&] { x = PositionOp::create(b, x, param("pos_embed")); };
  if (spec.noEmbedClass)
    addPosition();
  // Each goes before those that are there.
  for (StringRef name : {"reg_token", "dist_token", "cls_token"}) {
    Value own = param(name);
    if (!own)
      continue;
    int64_t count = cast<RankedTensorType>(own.getType()).getDimSize(1) +
                    cast<RankedTensorType>(x.getType()).getDimSize(0);
    x = ClassTokenOp::create(b, tokensType(count), x, own);
  }
  if (!spec.noEmbedClass)
    addPosition();
  return spec.preNorm ? layerNorm(x, "norm_pre") : x;
}

Value ModelBuilder::attention(Value x, int64_t block) {
  PartScope part(b, "blocks." + Twine(block) + ".attn");
  std::string prefix = ("blocks." + Twine(block) + ".attn.").str();
  SmallVector<Value> norms;
  FloatAttr eps;
  if (spec.qkNorm) {
    for (const char *name :
         {"q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias"})
      norms.push_back(param(prefix + name));
    eps = b.getF64FloatAttr(spec.layerNormEps);
  }
  double scale = 1.0 / std::sqrt(double(spec.headSize()));
  return AttentionOp::create(
      b, x.getType(), x, param(prefix + "qkv.weight"),
      param(prefix + "qkv.bias"), param(prefix + "proj.weight"),
      param(prefix + "proj.bias"), norms, b.getI64IntegerAttr(spec.numHeads),
      b.getF64FloatAttr(scale), eps,
      /*first_query=*/b.getI64IntegerAttr(0));
}

Value ModelBuilder::layerScale(Value y, const Twine &name) {
  return spec.layerScale ? LayerScaleOp::create(b, y, param(name + ".gamma"))
                         : y;
}

Value ModelBuilder::mlp(Value x, const Twine &prefix) {
  std::string p = prefix.str();
  // All experts of a block are one part.
  PartScope part(b, StringRef(p).split(".experts.").first);
  auto activation = static_cast<moe::Activation>(spec.activation);
  return MlpOp::create(b, x, param(p + ".fc1.weight"), param(p + ".fc1.bias"),
                       param(p + ".fc2.weight"), param(p + ".fc2.bias"),
                       activation);
}

void ModelBuilder::fillRegions(RoutedOpInterface op, RankedTensorType group,
                               int64_t block) {
  OpBuilder::InsertionGuard guard(b);
  for (auto [index, region] : llvm::enumerate(op.getExpertRegions())) {
    Block *body = b.createBlock(&region, {}, group, {b.getLoc()});
    Value y = mlp(body->getArgument(0),
                  "blocks." + Twine(block) + ".moe.experts." + Twine(index));
    YieldOp::create(b, y);
  }
}

Value ModelBuilder::experts(Value x, int64_t block, Route route) {
  PartScope part(b, "blocks." + Twine(block) + ".moe");
  auto op = ExpertsOp::create(b, x.getType(), x, route.experts, route.gates,
                              /*indexed=*/IntegerAttr(),
                              /*bodiesCount=*/spec.moe->numExperts);
  fillRegions(op, op.getType(), block);
  return op;
}

Routed ModelBuilder::tokenExperts(Value x, int64_t block) {
  const MoESpec &moe = *spec.moe;
  int64_t experts = moe.numExperts, capacity = spec.expertCapacity();
  std::string name = ("blocks." + Twine(block) + ".moe.router").str();
  auto indices = [&](ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, b.getIndexType());
  };
  // Who was taken, gates, counts and mean gates.
  Type results[] = {indices({experts, capacity}), tensorOf({experts, capacity}),
                    indices({experts}), tensorOf({experts})};
  Value weight = param(name + ".weight"), bias = param(name + ".bias");
  ValueRange taken;
  PartScope part(b, name);
  if (moe.routerType == MoESpec::RouterType::ExpertChoice)
    taken = ExpertChoiceOp::create(b, results[0], results[1], results[2],
                                   results[3], x, weight, bias)
                ->getResults();
  else
    taken = TokenRouterOp::create(b, results[0], results[1], results[2],
                                  results[3], x, weight, bias, moe.topK,
                                  moe.normalize, moe.batchPriority)
                ->getResults();
  PartScope regions(b, "blocks." + Twine(block) + ".moe");
  auto op = TokenExpertsOp::create(b, x.getType(), x, taken[0], taken[1],
                                   taken[2], /*indexed=*/IntegerAttr(),
                                   /*bodiesCount=*/experts);
  fillRegions(op, op.getGroupType(), block);
  return {op, {taken[2], taken[3]}};
}

Routed ModelBuilder::softExperts(Value x, int64_t block) {
  int64_t experts = spec.moe->numExperts,
          slots = experts * spec.slotsPerExpert();
  int64_t tokens = cast<RankedTensorType>(x.getType()).getDimSize(0);
  std::string name = ("blocks." + Twine(block) + ".moe.router").str();
  PartScope part(b, name);
  Value logits =
      SlotLogitsOp::create(b, tensorOf({tokens, slots}), x, param(name + ".mu"),
                           param(name + ".scale"));
  Value means = SoftDispatchOp::create(b, tokensType(slots), x, logits);
  auto op = SlotExpertsOp::create(b, means.getType(), means,
                                  /*indexed=*/IntegerAttr(),
                                  /*bodiesCount=*/experts);
  fillRegions(op, op.getGroupType(), block);
  Value weights = CombineWeightsOp::create(b, logits);
  auto gates =
      SlotGatesOp::create(b, RankedTensorType::get({experts}, b.getIndexType()),
                          tensorOf({experts}), weights);
  Value y = SoftCombineOp::create(b, x.getType(), weights, op);
  return {y, {gates.getCounts(), gates.getGates()}};
}

Value ModelBuilder::token(Value x, int64_t index) {
  return SliceTokensOp::create(b, tokensType(1), x, index);
}

Value ModelBuilder::patches(Value x, bool isMax, bool includesPrefix) {
  int64_t first = includesPrefix ? 0 : spec.numPrefixTokens();
  return PoolOp::create(b, tokensType(1), x, first, spec.numTokens() - first,
                        isMax);
}

Value ModelBuilder::pool(Value x) {
  PartScope part(b, "pool");
  auto pooled = [&](bool isMax) {
    return patches(x, isMax, spec.poolIncludesPrefix);
  };
  switch (spec.pool) {
  case ModelSpec::Pool::Cls:
    return token(x, 0);
  case ModelSpec::Pool::Mean:
    return pooled(/*isMax=*/false);
  case ModelSpec::Pool::Max:
    return pooled(/*isMax=*/true);
  case ModelSpec::Pool::AvgMax: {
    Value mean = pooled(/*isMax=*/false);
    return AverageOp::create(b, mean, pooled(/*isMax=*/true));
  }
  }
  llvm_unreachable("all pools are handled");
}

Value ModelBuilder::answer(Value x) {
  if (!spec.fcNorm)
    x = layerNorm(x, "norm");
  Value pooled = pool(x);
  if (spec.fcNorm)
    pooled = layerNorm(pooled, "fc_norm");
  if (!spec.hasHead)
    return pooled;
  auto head = [&](Value of, const Twine &name) -> Value {
    PartScope part(b, name);
    return HeadOp::create(b, tensorOf({1, spec.numClasses}), of,
                          param(name + ".weight"), param(name + ".bias"));
  };
  Value logits = head(pooled, "head");
  // Of the distillation token, which comes second.
  if (spec.distillationHead)
    logits = AverageOp::create(b, logits, head(token(x, 1), "head_dist"));
  return logits;
}

Route ModelBuilder::router(Value x, const Twine &name) {
  const MoESpec &moe = *spec.moe;
  PartScope part(b, name);
  Value input = moe.routerInput == MoESpec::RouterInput::Cls
                    ? token(x, 0)
                    : patches(x, /*isMax=*/false);
  auto op =
      RouterOp::create(b, RankedTensorType::get({moe.topK}, b.getIndexType()),
                       tensorOf({moe.topK}), input, param(name + ".weight"),
                       param(name + ".bias"), moe.normalize);
  return {op.getExperts(), op.getGates()};
}

OwningOpRef<ModuleOp> ModelBuilder::build() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(b, b.getLoc(), spec.name);
  b.setInsertionPointToEnd(module->getBody());
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    RankedTensorType type = tensorOf(tensor.shape);
    params[tensor.name] = type;
    ParamOp::create(b, tensor.name, type, section(tensor.name));
  }

  auto function = func::FuncOp::create(
      b, kRunFunction,
      b.getFunctionType(
          tensorOf({spec.numChannels, spec.imageHeight, spec.imageWidth}), {}));
  b.setInsertionPointToStart(function.addEntryBlock());
  Value x = embed(function.getArgument(0));

  SmallVector<Value> results(1);
  SmallVector<int64_t> routeLayers;
  std::optional<Route> sharedRoute;
  bool isPerToken = spec.moe && spec.moe->routing == MoESpec::Routing::Patch;
  for (int64_t i = 0; i < spec.numLayers; ++i) {
    std::string block = ("blocks." + Twine(i)).str();
    bool isMoE = spec.isMoELayer(i);
    bool isShared = isMoE && spec.moe->placement == MoESpec::Placement::Shared;
    if (isShared && !sharedRoute)
      sharedRoute = router(x, "router");
    Value a = attention(layerNorm(x, block + ".norm1"), i);
    {
      // Mostly one with the product before it.
      PartScope branch(b, block + ".attn.proj");
      x = arith::AddFOp::create(b, x, layerScale(a, block + ".ls1"));
    }
    Value h = layerNorm(x, block + ".norm2");
    Value y;
    if (isMoE && isPerToken) {
      bool isSoft = spec.moe->routerType == MoESpec::RouterType::Soft;
      Routed routed = isSoft ? softExperts(h, i) : tokenExperts(h, i);
      y = routed.tokens;
      results.append(routed.report);
      routeLayers.push_back(i);
    } else if (isMoE) {
      Route route = isShared ? *sharedRoute : router(h, block + ".moe.router");
      y = experts(h, i, route);
      results.append({route.experts, route.gates});
      routeLayers.push_back(i);
    } else {
      y = mlp(h, block + ".mlp");
    }
    PartScope branch(b, block + (isMoE ? ".moe" : ".mlp.fc2"));
    if (isMoE && spec.moe->sharedExpertIntermediateSize)
      y = arith::AddFOp::create(b, mlp(h, block + ".moe.shared_expert"), y);
    x = arith::AddFOp::create(b, x, layerScale(y, block + ".ls2"));
  }

  results[0] = answer(x);
  func::ReturnOp::create(b, results);
  function.setType(b.getFunctionType(function.getArgumentTypes(),
                                     ValueRange(results).getTypes()));
  if (!routeLayers.empty())
    function->setAttr(kRouteLayersAttr, b.getDenseI64ArrayAttr(routeLayers));
  if (isPerToken)
    function->setAttr(kTokenRoutesAttr, b.getUnitAttr());
  return module;
}

OwningOpRef<ModuleOp> mlir::moe::importModel(const ModelSpec &spec,
                                             MLIRContext *context) {
  return ModelBuilder(spec, context).build();
}
