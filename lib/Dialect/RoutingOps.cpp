//===- RoutingOps.cpp - Verifiers of routers other than top-k -------------===//

#include "Verify.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::moe;

LogicalResult mlir::moe::verifyTokenChoice(Operation *op, Value tokens,
                                           Value weight, Value bias,
                                           ValueRange results) {
  Value taken = results[0], gates = results[1], counts = results[2];
  int64_t experts = rows(weight);
  if (failed(verifyShape(op, "weight", weight, {experts, columns(tokens)})) ||
      (bias && failed(verifyShape(op, "bias", bias, {experts}))))
    return failure();
  int64_t capacity = columns(gates);
  if (capacity < 1 || capacity > rows(tokens))
    return op->emitOpError() << "an expert cannot take " << capacity << " of "
                             << rows(tokens) << " tokens";
  if (failed(verifyShape(op, "gates", gates, {experts, capacity})) ||
      failed(verifyShape(op, "taken tokens", taken, {experts, capacity})) ||
      failed(verifyShape(op, "counts", counts, {experts})))
    return failure();
  return verifyShape(op, "mean gates", results[3], {experts});
}

LogicalResult ExpertChoiceOp::verify() {
  return verifyTokenChoice(*this, getTokens(), getWeight(), getBias(),
                           getResults());
}

int64_t ExpertChoiceOp::getMultiplyAdds() {
  return rows(getTokens()) * getWeight().getType().getNumElements();
}

//===----------------------------------------------------------------------===//
// Soft mixtures of experts
//===----------------------------------------------------------------------===//

/// Slots of all experts, for mu [width, experts, slots].
static int64_t numSlots(Value mu) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(mu.getType()).getShape();
  return shape[1] * shape[2];
}

/// Fails unless mu [width, ., .] and the scale [1] are a router's.
static LogicalResult verifySlots(Operation *op, Value mu, Value scale,
                                 int64_t width) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(mu.getType()).getShape();
  if (failed(verifyShape(op, "mu", mu, {width, shape[1], shape[2]})))
    return failure();
  return verifyShape(op, "scale", scale, {1});
}

LogicalResult SlotLogitsOp::verify() {
  if (failed(verifySlots(*this, getMu(), getScale(), columns(getTokens()))))
    return failure();
  return verifyShape(*this, "logits", getLogits(),
                     {rows(getTokens()), numSlots(getMu())});
}

int64_t SlotLogitsOp::getMultiplyAdds() {
  return rows(getTokens()) * getMu().getType().getNumElements();
}

LogicalResult SoftDispatchOp::verify() {
  int64_t slots = columns(getLogits());
  if (failed(verifyShape(*this, "logits", getLogits(),
                         {rows(getTokens()), slots})))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     {slots, columns(getTokens())});
}

int64_t SoftDispatchOp::getMultiplyAdds() {
  return rows(getTokens()) * getResult().getType().getNumElements();
}

LogicalResult SlotExpertsOp::verify() {
  if (getIndexed() && getBodies().size() != 1)
    return emitOpError() << "'indexed' needs one region, found "
                         << getBodies().size();
  int64_t experts = getNumExperts();
  if (experts < 1 || rows(getSlots()) % experts != 0)
    return emitOpError() << experts << " experts do not divide the "
                         << rows(getSlots()) << " slots";
  return success();
}

LogicalResult SlotExpertsOp::verifyRegions() {
  return verifyExpertRegions(*this, getGroupType());
}

MutableArrayRef<Region> SlotExpertsOp::getExpertRegions() {
  return getBodies();
}
bool SlotExpertsOp::isMerged() { return getIndexed().has_value(); }
int64_t SlotExpertsOp::getExpertCount() { return getNumExperts(); }

int64_t SlotExpertsOp::getMultiplyAdds() {
  SmallVector<int64_t> work = regionMultiplyAdds(*this);
  return std::accumulate(work.begin(), work.end(), int64_t(0));
}

LogicalResult SlotGatesOp::verify() {
  int64_t experts = rows(getGates());
  if (columns(getWeights()) % experts != 0)
    return emitOpError() << experts << " experts do not divide the "
                         << columns(getWeights()) << " slots";
  return verifyShape(*this, "counts", getCounts(), {experts});
}

LogicalResult SoftCombineOp::verify() {
  if (failed(verifyShape(*this, "outputs", getOutputs(),
                         {columns(getWeights()), columns(getOutputs())})))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     {rows(getWeights()), columns(getOutputs())});
}

int64_t SoftCombineOp::getMultiplyAdds() {
  return rows(getWeights()) * getOutputs().getType().getNumElements();
}

LogicalResult SlotKeysOp::verify() {
  if (failed(verifySlots(*this, getMu(), getScale(), columns(getResult()))))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     {numSlots(getMu()), columns(getResult())});
}

void SlotKeysOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                          MutableArrayRef<float> out) {
  ArrayRef<float> mu = operands[0];
  double scale = operands[1][0];
  size_t slots = numSlots(getMu()), width = out.size() / slots;
  for (size_t p = 0; p < slots; ++p) {
    double sum = 0;
    for (size_t d = 0; d < width; ++d)
      sum += double(mu[d * slots + p]) * mu[d * slots + p];
    double factor = scale / std::sqrt(sum + kSlotEpsilon);
    for (size_t d = 0; d < width; ++d)
      out[p * width + d] = float(mu[d * slots + p] * factor);
  }
}
