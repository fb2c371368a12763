//===- PrecisionOps.cpp - Layers in lower precision -----------------------===//

#include "Verify.h"

#include <cmath>

using namespace mlir;
using namespace mlir::moe;

static Type elementOf(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

bool mlir::moe::isScale(double scale) {
  return float(scale) > 0 && std::isfinite(float(scale)) &&
         float(1 / scale) > 0 && std::isfinite(float(1 / scale));
}

LogicalResult PatchesOp::verify() {
  ArrayRef<int64_t> image = getImage().getType().getShape();
  int64_t height = getHeight(), width = getWidth();
  if (height < 1 || width < 1 || image[1] % height != 0 ||
      image[2] % width != 0)
    return emitOpError() << "a patch of " << height << "x" << width
                         << " does not divide the image of " << image[1] << "x"
                         << image[2];
  return verifyShape(
      *this, "result", getResult(),
      {image[1] / height * (image[2] / width), image[0] * height * width});
}

LogicalResult PlaceTokensOp::verify() {
  int64_t prefix = getPrefix();
  if (prefix < 0 || prefix > rows(getTable()))
    return emitOpError() << "prefix " << prefix << " is not within the "
                         << rows(getTable()) << " rows of the table";
  return verifyShape(*this, "table", getTable(),
                     {rows(getPatches()) + prefix, columns(getPatches())});
}

LogicalResult LinearOp::verify() {
  int64_t outputs = rows(getWeight()), inputs = columns(getInput());
  if (failed(verifyShape(*this, "weight", getWeight(), {outputs, inputs})) ||
      failed(verifyShape(*this, "result", getResult(),
                         {rows(getInput()), outputs})))
    return failure();
  Type element = elementOf(getInput());
  bool isInteger = element.isInteger(8);
  bool onlyWeight = element.isF32() && elementOf(getWeight()).isInteger(8);
  if (elementOf(getWeight()) != element && !onlyWeight)
    return emitOpError() << "multiplies " << element << " by "
                         << elementOf(getWeight());
  if (elementOf(getResult()).isF32() == isInteger)
    return emitOpError() << "cannot sum products of " << element << " in "
                         << elementOf(getResult());
  if (getBias() && isInteger)
    return emitOpError("has a bias in spite of its integers");
  if (getBias() && failed(verifyShape(*this, "bias", getBias(), {outputs})))
    return failure();
  int64_t offset = getOffset(), outGroup = getOutGroup(),
          inGroup = getInGroup();
  if (offset != 0 && (offset != 128 || !isInteger))
    return emitOpError() << "offset " << offset << " of " << element
                         << ", expected 0, or 128 of i8";
  if (outGroup < 1 || outputs % outGroup != 0 || inGroup < 1 ||
      inputs % inGroup != 0)
    return emitOpError() << "groups of " << outGroup << " and " << inGroup
                         << " do not divide " << outputs << " outputs and "
                         << inputs << " inputs";
  return success();
}

int64_t LinearOp::getMultiplyAdds() {
  return rows(getInput()) * getWeight().getType().getNumElements();
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyShape(*this, "result", getResult(),
                         getInput().getType().getShape())))
    return failure();
  int64_t offset = getOffset();
  if (offset != 0 && offset != 128)
    return emitOpError() << "offset must be 0 or 128, found " << offset;
  if (bool(getScales()) == bool(getScale()))
    return emitOpError("needs scales as a result, or one as an attribute");
  if (getScales())
    return verifyShape(*this, "scales", getScales(), {rows(getInput())});
  if (!isScale(getScale()->convertToDouble()))
    return emitOpError("scale must be positive and finite, and so its inverse");
  return success();
}

LogicalResult DequantizeOp::verify() {
  int64_t width = columns(getSums());
  if (failed(verifyShape(*this, "columns", getColumns(), {width})) ||
      (getRows() &&
       failed(verifyShape(*this, "rows", getRows(), {rows(getSums())}))) ||
      (getBias() && failed(verifyShape(*this, "bias", getBias(), {width}))))
    return failure();
  int64_t group = getGroup();
  if (group < 1 || width % group != 0)
    return emitOpError() << "a group of " << group << " does not divide "
                         << width;
  return verifyShape(*this, "result", getResult(),
                     getSums().getType().getShape());
}

LogicalResult CollectOp::verify() {
  int64_t entries = 0;
  for (Value input : getInputs())
    entries += rows(input);
  return verifyShape(*this, "result", getResult(), {1, entries});
}

LogicalResult AttendOp::verify() {
  int64_t width = columns(getQueries());
  if (failed(verifyShape(*this, "keys", getKeys(), {rows(getKeys()), width})) ||
      failed(
          verifyShape(*this, "values", getValues(), {rows(getKeys()), width})))
    return failure();
  int64_t heads = getHeads();
  if (heads < 1 || width % heads != 0)
    return emitOpError() << heads << " heads do not divide the width " << width;
  if (!std::isfinite(float(getScale().convertToDouble())))
    return emitOpError("scale must be finite");
  return verifyHeadNorms(*this, getNorms(), getEps(), width / heads);
}

int64_t AttendOp::getMultiplyAdds() {
  return 2 * rows(getQueries()) * getKeys().getType().getNumElements();
}

/// Fails if there are more sums than any register tile has, each of which would
/// become an instruction.
static LogicalResult verifyLanes(Operation *op, VectorType sums) {
  constexpr int64_t maxLanes = 1024;
  if (sums.getNumElements() <= maxLanes)
    return success();
  return op->emitOpError() << "expected at most " << maxLanes << " sums, found "
                           << sums;
}

LogicalResult DotOp::verify() {
  auto sums = cast<VectorType>(getSums().getType());
  auto inputs = cast<VectorType>(getInputs().getType());
  bool isInteger = inputs.getElementType().isInteger(8);
  if (sums.getElementType().isF32() == isInteger ||
      (getIsUnsigned() && !isInteger))
    return emitOpError() << "cannot sum products of " << inputs << " in "
                         << sums;
  if (failed(verifyLanes(*this, sums)))
    return failure();
  int64_t depth = isInteger ? 4 : 2;
  if (inputs.getNumElements() != depth * sums.getNumElements())
    return emitOpError() << "expected " << depth << " inputs for each of "
                         << sums << ", found " << inputs;
  return success();
}

LogicalResult PairDotOp::verify() {
  auto sums = cast<VectorType>(getSums().getType());
  auto inputs = cast<VectorType>(getInputs().getType());
  auto weights = cast<VectorType>(getWeights().getType());
  bool isInteger = inputs.getElementType().isInteger(8);
  if (sums.getElementType().isF32() == isInteger ||
      inputs.getElementType() != weights.getElementType())
    return emitOpError() << "cannot sum products of " << inputs << " and "
                         << weights << " in " << sums;
  if (failed(verifyLanes(*this, sums)))
    return failure();
  int64_t side = isInteger ? 8 : 4;
  if (sums.getNumElements() % 4 != 0 || inputs.getNumElements() != 2 * side ||
      weights.getNumElements() != side / 2 * sums.getNumElements())
    return emitOpError() << "expected " << 2 * side << " inputs and " << side
                         << " weights for each two of " << sums << ", found "
                         << inputs << " and " << weights;
  return success();
}
