//===- ImportModel.cpp - From a specification to the moe dialect ----------===//

#include "moe/Import/ImportModel.h"

#include "moe/Dialect/MoE.h"
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
  Value embed(Value image);
  Value attention(Value x, int64_t block);
  Value mlp(Value x, const Twine &prefix);
  Value experts(Value x, int64_t block, Route route);
  /// The class token, or the mean of the patch tokens.
  Value pool(Value x, bool cls);
  Route router(Value x, const Twine &name);
  /// The experts of a block for each token of its own (V-MoE).
  Routed tokenExperts(Value x, int64_t block);
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
  return LayerNormOp::create(b, x, param(name + ".weight"),
                             param(name + ".bias"), spec.layerNormEps);
}

Value ModelBuilder::embed(Value image) {
  Value x = PatchEmbedOp::create(b, tokensType(spec.numPatches()), image,
                                 param("patch_embed.proj.weight"),
                                 param("patch_embed.proj.bias"), /*prefix=*/0);
  if (spec.classToken)
    x = ClassTokenOp::create(b, tokensType(spec.numTokens()), x,
                             param("cls_token"));
  return PositionOp::create(b, x, param("pos_embed"));
}

Value ModelBuilder::attention(Value x, int64_t block) {
  std::string prefix = ("blocks." + Twine(block) + ".attn.").str();
  return AttentionOp::create(
      b, cast<RankedTensorType>(x.getType()), x, param(prefix + "qkv.weight"),
      param(prefix + "qkv.bias"), param(prefix + "proj.weight"),
      param(prefix + "proj.bias"), spec.numHeads,
      APFloat(1.0 / std::sqrt(double(spec.headSize()))),
      /*first_query=*/0);
}

Value ModelBuilder::mlp(Value x, const Twine &prefix) {
  std::string p = prefix.str();
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
  auto router = TokenRouterOp::create(
      b, indices({experts, capacity}), tensorOf({experts, capacity}),
      indices({experts}), tensorOf({experts}), x, param(name + ".weight"),
      param(name + ".bias"), moe.topK, moe.normalize, moe.batchPriority);
  auto op = TokenExpertsOp::create(
      b, x.getType(), x, router.getTaken(), router.getGates(),
      router.getCounts(), /*indexed=*/IntegerAttr(), /*bodiesCount=*/experts);
  fillRegions(op, op.getGroupType(), block);
  return {op, {router.getCounts(), router.getMeanGates()}};
}

Value ModelBuilder::pool(Value x, bool cls) {
  if (cls)
    return SliceTokensOp::create(b, tokensType(1), x, /*first=*/0);
  return PoolOp::create(b, tokensType(1), x, spec.classToken ? 1 : 0,
                        spec.numPatches());
}

Route ModelBuilder::router(Value x, const Twine &name) {
  const MoESpec &moe = *spec.moe;
  Value input = pool(x, moe.routerInput == MoESpec::RouterInput::Cls);
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
    x = arith::AddFOp::create(b, x, a);
    Value h = layerNorm(x, block + ".norm2");
    Value y;
    if (isMoE && isPerToken) {
      Routed routed = tokenExperts(h, i);
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
    x = arith::AddFOp::create(b, x, y);
  }

  Value pooled = pool(layerNorm(x, "norm"), spec.pool == ModelSpec::Pool::Cls);
  results[0] = HeadOp::create(b, tensorOf({1, spec.numClasses}), pooled,
                              param("head.weight"), param("head.bias"));
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
