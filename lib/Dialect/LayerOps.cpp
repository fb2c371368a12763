//===- LayerOps.cpp - Tokens, layers, experts -----------------------------===//

#include "Verify.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::moe;

LogicalResult mlir::moe::verifyShape(Operation *op, StringRef what, Value value,
                                     ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << "expected " << what << " of shape [";
  llvm::interleaveComma(shape, diag);
  diag << "], found " << type;
  return diag;
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

LogicalResult PatchEmbedOp::verify() {
  ArrayRef<int64_t> image = getImage().getType().getShape();
  ArrayRef<int64_t> weight = getWeight().getType().getShape();
  if (weight[1] != image[0])
    return emitOpError() << "weight takes " << weight[1]
                         << " channels, but the image has " << image[0];
  if (image[1] % weight[2] != 0 || image[2] % weight[3] != 0)
    return emitOpError() << "a patch of " << weight[2] << "x" << weight[3]
                         << " does not divide the image of " << image[1] << "x"
                         << image[2];
  int64_t prefix = getPrefix();
  bool table = getOffset() &&
               cast<RankedTensorType>(getOffset().getType()).getRank() == 2;
  if (prefix < 0 || (prefix > 0 && !table))
    return emitOpError() << "prefix of " << prefix
                         << " tokens needs an offset with a row per token";
  if (prefix > rows(getResult()))
    return emitOpError() << "prefix of " << prefix << " tokens exceeds the "
                         << rows(getResult()) << " tokens of the result";
  int64_t tokens = prefix + (image[1] / weight[2]) * (image[2] / weight[3]);
  if (failed(verifyShape(*this, "result", getResult(), {tokens, weight[0]})))
    return failure();
  if (!getOffset())
    return success();
  if (table)
    return verifyShape(*this, "offset", getOffset(), {tokens, weight[0]});
  return verifyShape(*this, "offset", getOffset(), {weight[0]});
}

int64_t PatchEmbedOp::getMultiplyAdds() {
  int64_t patches = rows(getResult()) - getPrefix();
  return patches * getWeight().getType().getNumElements();
}

LogicalResult ClassTokenOp::verify() {
  int64_t width = columns(getTokens());
  int64_t count = getToken().getType().getDimSize(1);
  if (failed(verifyShape(*this, "token", getToken(), {1, count, width})))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     {rows(getTokens()) + count, width});
}

LogicalResult PositionOp::verify() {
  return verifyShape(*this, "embedding", getEmbedding(),
                     {1, rows(getTokens()), columns(getTokens())});
}

LogicalResult mlir::moe::verifyRows(Operation *op, StringRef what, Value matrix,
                                    int64_t first, int64_t count) {
  if (first < 0 || count < 1 || count > rows(matrix) ||
      first > rows(matrix) - count)
    return op->emitOpError()
           << "rows " << first << " to " << uint64_t(first) + count - 1
           << " are not within the " << rows(matrix) << ' ' << what;
  return success();
}

LogicalResult SliceTokensOp::verify() {
  if (columns(getTokens()) != columns(getResult()))
    return emitOpError() << "changes the width from " << columns(getTokens())
                         << " to " << columns(getResult());
  return verifyRows(*this, "tokens", getTokens(), getFirst(),
                    rows(getResult()));
}

OpFoldResult SliceTokensOp::fold(FoldAdaptor) {
  if (getTokens().getType() == getType())
    return getTokens();
  if (auto inner = getTokens().getDefiningOp<SliceTokensOp>()) {
    getTokensMutable().assign(inner.getTokens());
    setFirst(getFirst() + inner.getFirst());
    return getResult();
  }
  return {};
}

LogicalResult PoolOp::verify() {
  if (failed(
          verifyShape(*this, "result", getResult(), {1, columns(getTokens())})))
    return failure();
  return verifyRows(*this, "tokens", getTokens(), getFirst(), getCount());
}

namespace {
/// The mean of one row is the row, and so is the largest.
struct PoolOfOneRow : OpRewritePattern<PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PoolOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getCount() != 1)
      return failure();
    rewriter.replaceOpWithNewOp<SliceTokensOp>(op, op.getType(), op.getTokens(),
                                               op.getFirst());
    return success();
  }
};
} // namespace

void PoolOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                         MLIRContext *context) {
  patterns.add<PoolOfOneRow>(context);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

void LayerNormOp::build(OpBuilder &builder, OperationState &state, Value tokens,
                        Value scale, Value shift, double eps) {
  state.addOperands(tokens);
  if (scale)
    state.addOperands({scale, shift});
  int32_t affine = scale ? 1 : 0;
  Properties &properties = state.getOrAddProperties<Properties>();
  llvm::copy(ArrayRef<int32_t>({1, affine, affine}),
             properties.operandSegmentSizes.begin());
  properties.eps = builder.getF64FloatAttr(eps);
  state.addTypes(tokens.getType());
}

void LayerNormOp::build(OpBuilder &builder, OperationState &state, Value tokens,
                        double eps) {
  build(builder, state, tokens, Value(), Value(), eps);
}

LogicalResult LayerNormOp::verify() {
  double eps = getEps().convertToDouble();
  if (!std::isfinite(eps) || eps < 0)
    return emitOpError() << "eps must be finite and not negative, found "
                         << eps;
  if (!getScale() != !getShift())
    return emitOpError() << "scale and shift come together";
  if (!getScale())
    return success();
  int64_t width = columns(getTokens());
  if (failed(verifyShape(*this, "scale", getScale(), {width})))
    return failure();
  return verifyShape(*this, "shift", getShift(), {width});
}

LogicalResult LayerScaleOp::verify() {
  return verifyShape(*this, "gamma", getGamma(), {columns(getTokens())});
}

LogicalResult mlir::moe::verifyHeadNorms(Operation *op, ValueRange norms,
                                         std::optional<APFloat> eps,
                                         int64_t size) {
  if (norms.size() != 0 && norms.size() != 4)
    return op->emitOpError()
           << "expected 4 norms or none, found " << norms.size();
  if (eps.has_value() != !norms.empty())
    return op->emitOpError("norms and eps come together");
  constexpr StringRef names[] = {"queries' scale", "queries' shift",
                                 "keys' scale", "keys' shift"};
  for (auto [name, norm] : llvm::zip(names, norms))
    if (failed(verifyShape(op, name, norm, {size})))
      return failure();
  double value = eps ? eps->convertToDouble() : 0;
  if (!std::isfinite(value) || value < 0)
    return op->emitOpError()
           << "eps must be finite and not negative, found " << value;
  return success();
}

LogicalResult AttentionOp::verify() {
  int64_t width = columns(getTokens());
  if (failed(verifyShape(*this, "qkv weight", getQkvWeight(),
                         {3 * width, width})) ||
      (getQkvBias() &&
       failed(verifyShape(*this, "qkv bias", getQkvBias(), {3 * width}))) ||
      failed(
          verifyShape(*this, "proj weight", getProjWeight(), {width, width})) ||
      failed(verifyShape(*this, "proj bias", getProjBias(), {width})))
    return failure();
  int64_t heads = getHeads();
  if (heads < 1 || width % heads != 0)
    return emitOpError() << heads << " heads do not divide the width " << width;
  if (failed(verifyHeadNorms(*this, getNorms(), getEps(), width / heads)))
    return failure();
  if (columns(getResult()) != width)
    return emitOpError() << "changes the width from " << width << " to "
                         << columns(getResult());
  return verifyRows(*this, "tokens", getTokens(), getFirstQuery(),
                    rows(getResult()));
}

/// Multiply-adds of what both ways of attention do differently, for n tokens, m
/// of which ask: k and v of all tokens, then qkᵀ and pv.
template <typename Number> static Number usualWork(AttentionOp op) {
  Number n = rows(op.getTokens()), m = rows(op.getResult());
  Number width = columns(op.getTokens());
  return 2 * n * width * width + 2 * m * n * width;
}

/// Two products with a weight for each query, then two with all tokens, which
/// are as wide as the model for each head.
template <typename Number> static Number fewQueriesWork(AttentionOp op) {
  Number n = rows(op.getTokens()), m = rows(op.getResult());
  Number width = columns(op.getTokens()), heads = op.getHeads();
  return 2 * m * width * width + 2 * m * n * width * heads;
}

bool AttentionOp::asksFew() {
  // The work of the way that is not taken may be too large for an integer.
  return getNorms().empty() &&
         2 * fewQueriesWork<double>(*this) <= usualWork<double>(*this);
}

int64_t AttentionOp::getMultiplyAdds() {
  // q and the projection for the queries.
  int64_t both =
      2 * rows(getResult()) * columns(getTokens()) * columns(getTokens());
  return both + (asksFew() ? fewQueriesWork<int64_t>(*this)
                           : usualWork<int64_t>(*this));
}

LogicalResult MlpOp::verify() {
  int64_t width = columns(getTokens());
  int64_t hidden = rows(getFc1Weight());
  if (failed(
          verifyShape(*this, "fc1 weight", getFc1Weight(), {hidden, width})) ||
      failed(verifyShape(*this, "fc1 bias", getFc1Bias(), {hidden})) ||
      failed(verifyShape(*this, "fc2 weight", getFc2Weight(), {width, hidden})))
    return failure();
  return verifyShape(*this, "fc2 bias", getFc2Bias(), {width});
}

int64_t MlpOp::getMultiplyAdds() {
  return 2 * rows(getTokens()) * getFc1Weight().getType().getNumElements();
}

LogicalResult RouterOp::verify() {
  int64_t experts = rows(getWeight());
  if (failed(verifyShape(*this, "weight", getWeight(),
                         {experts, columns(getInput())})))
    return failure();
  if (rows(getInput()) != 1)
    return emitOpError() << "expected an input of one row, found "
                         << getInput().getType();
  if (getBias() && failed(verifyShape(*this, "bias", getBias(), {experts})))
    return failure();
  int64_t chosen = rows(getGates());
  if (failed(verifyShape(*this, "experts", getExperts(), {chosen})))
    return failure();
  if (chosen < 1 || chosen > experts)
    return emitOpError() << "chooses " << chosen << " of " << experts
                         << " experts";
  return success();
}

int64_t RouterOp::getMultiplyAdds() {
  return getWeight().getType().getNumElements();
}

LogicalResult ExpertsOp::verify() {
  int64_t chosen = getNumChosen();
  if (failed(verifyShape(*this, "experts", getExperts(), {chosen})))
    return failure();
  if (getIndexed() && (*getIndexed() < 1 || getBodies().size() != 1))
    return emitOpError() << "'indexed' needs one region and a positive number "
                            "of experts, found "
                         << getBodies().size() << " regions and "
                         << *getIndexed();
  if (chosen < 1 || chosen > getNumExperts())
    return emitOpError() << "runs " << chosen << " of " << getNumExperts()
                         << " experts";
  return success();
}

LogicalResult mlir::moe::verifyExpertRegions(RoutedOpInterface op,
                                             RankedTensorType group) {
  SmallVector<Type> expected{group};
  if (op.isMerged())
    expected.push_back(IndexType::get(op->getContext()));
  for (auto [index, region] : llvm::enumerate(op.getExpertRegions())) {
    Block &body = region.front();
    if (body.getArgumentTypes() != TypeRange(expected)) {
      InFlightDiagnostic diag = op->emitOpError()
                                << "region " << index << " must take (";
      llvm::interleaveComma(expected, diag);
      return diag << ")";
    }
    auto yield =
        body.empty() ? YieldOp() : llvm::dyn_cast<YieldOp>(body.back());
    if (!yield || yield.getValue().getType() != group)
      return op->emitOpError()
             << "region " << index << " must yield a " << group;
  }
  return success();
}

SmallVector<int64_t> mlir::moe::regionMultiplyAdds(RoutedOpInterface op) {
  SmallVector<int64_t> work;
  for (Region &region : op.getExpertRegions()) {
    int64_t sum = 0;
    for (auto layer : region.getOps<LayerOpInterface>())
      sum += layer.getMultiplyAdds();
    work.push_back(sum);
  }
  // One region for all.
  work.resize(op.getExpertCount(), work.front());
  return work;
}

LogicalResult ExpertsOp::verifyRegions() {
  return verifyExpertRegions(*this, getType());
}

MutableArrayRef<Region> ExpertsOp::getExpertRegions() { return getBodies(); }
bool ExpertsOp::isMerged() { return getIndexed().has_value(); }
int64_t ExpertsOp::getExpertCount() { return getNumExperts(); }

int64_t ExpertsOp::getMultiplyAdds() {
  // Of the most expensive choice.
  SmallVector<int64_t> work = regionMultiplyAdds(*this);
  llvm::sort(work, std::greater<int64_t>());
  return std::accumulate(work.begin(), work.begin() + getNumChosen(),
                         int64_t(0));
}

LogicalResult TokenRouterOp::verify() {
  if (failed(verifyTokenChoice(*this, getTokens(), getWeight(), getBias(),
                               getResults())))
    return failure();
  int64_t topK = getTopK(), experts = getNumExperts();
  if (topK < 1 || topK > experts)
    return emitOpError() << "chooses " << topK << " of " << experts
                         << " experts";
  return success();
}

int64_t TokenRouterOp::getMultiplyAdds() {
  return rows(getTokens()) * getWeight().getType().getNumElements();
}

LogicalResult SliceTakenOp::verify() {
  int64_t experts = rows(getGates()), capacity = columns(getGates());
  if (failed(verifyShape(*this, "taken tokens", getTaken(),
                         {experts, capacity})) ||
      failed(verifyShape(*this, "counts", getCounts(), {experts})))
    return failure();
  int64_t first = getFirst(), count = getCount();
  if (first < 0 || count < 1)
    return emitOpError() << "cannot keep " << count << " tokens from " << first;
  int64_t kept = std::min(capacity, count);
  if (failed(
          verifyShape(*this, "kept tokens", getKeptTaken(), {experts, kept})) ||
      failed(verifyShape(*this, "kept gates", getKeptGates(), {experts, kept})))
    return failure();
  return verifyShape(*this, "kept counts", getKeptCounts(), {experts});
}

LogicalResult TokenExpertsOp::verify() {
  int64_t experts = getNumExperts();
  if (failed(verifyShape(*this, "taken tokens", getTaken(),
                         {experts, getCapacity()})) ||
      failed(verifyShape(*this, "counts", getCounts(), {experts})))
    return failure();
  if (getIndexed() && *getIndexed() != uint64_t(experts))
    return emitOpError() << "'indexed' says " << *getIndexed()
                         << " experts, the gates are of " << experts;
  int64_t expected = getIndexed() ? 1 : experts;
  if (int64_t(getBodies().size()) != expected)
    return emitOpError() << "expected " << expected << " regions, found "
                         << getBodies().size();
  return success();
}

LogicalResult TokenExpertsOp::verifyRegions() {
  return verifyExpertRegions(*this, getGroupType());
}

MutableArrayRef<Region> TokenExpertsOp::getExpertRegions() {
  return getBodies();
}
bool TokenExpertsOp::isMerged() { return getIndexed().has_value(); }
int64_t TokenExpertsOp::getExpertCount() { return getNumExperts(); }

int64_t TokenExpertsOp::getMultiplyAdds() {
  // At most what every group takes, and no more than the tokens' choices; of
  // the most expensive choice.
  Value counts = getCounts();
  if (auto slice = counts.getDefiningOp<SliceTakenOp>())
    counts = slice.getCounts();
  auto router = counts.getDefiningOp<TokenRouterOp>();
  int64_t capacity = getCapacity(), served = getNumExperts() * capacity;
  if (router)
    served = std::min<int64_t>(served, rows(getTokens()) * router.getTopK());
  SmallVector<int64_t> work = regionMultiplyAdds(*this);
  llvm::sort(work, std::greater<int64_t>());
  int64_t sum = 0;
  for (int64_t ofGroup : work) {
    int64_t taken = std::min(served, capacity);
    sum += taken * (ofGroup / capacity);
    served -= taken;
  }
  return sum;
}

LogicalResult HeadOp::verify() {
  int64_t classes = rows(getWeight());
  if (failed(verifyShape(*this, "weight", getWeight(),
                         {classes, columns(getInput())})) ||
      failed(verifyShape(*this, "bias", getBias(), {classes})))
    return failure();
  return verifyShape(*this, "logits", getLogits(), {rows(getInput()), classes});
}

int64_t HeadOp::getMultiplyAdds() {
  return rows(getInput()) * getWeight().getType().getNumElements();
}
