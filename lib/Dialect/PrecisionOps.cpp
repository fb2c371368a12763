//===- PrecisionOps.cpp - Layers in lower precision -----------------------===//

#include "Verify.h"

using namespace mlir;
using namespace mlir::moe;

static Type elementOf(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
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
  if (getPrefix() < 0)
    return emitOpError() << "prefix must not be negative, found "
                         << getPrefix();
  return verifyShape(
      *this, "table", getTable(),
      {rows(getPatches()) + int64_t(getPrefix()), columns(getPatches())});
}

LogicalResult LinearOp::verify() {
  int64_t outputs = rows(getWeight()), inputs = columns(getInput());
  if (failed(verifyShape(*this, "weight", getWeight(), {outputs, inputs})) ||
      failed(verifyShape(*this, "result", getResult(),
                         {rows(getInput()), outputs})))
    return failure();
  Type element = elementOf(getInput());
  bool isInteger = element.isInteger(8);
  if (elementOf(getWeight()) != element)
    return emitOpError() << "multiplies " << element << " by "
                         << elementOf(getWeight());
  if (elementOf(getResult()).isF32() == isInteger)
    return emitOpError() << "cannot sum products of " << element << " in "
                         << elementOf(getResult());
  if (getBias() && isInteger)
    return emitOpError("has a bias in spite of its integers");
  if (getBias() && failed(verifyShape(*this, "bias", getBias(), {outputs})))
    return failure();
  if (getOffset() != 0 && (getOffset() != 128 || !isInteger))
    return emitOpError() << "offset " << getOffset() << " of " << element
                         << ", expected 0, or 128 of i8";
  if (getOutGroup() < 1 || outputs % getOutGroup() != 0 || getInGroup() < 1 ||
      inputs % getInGroup() != 0)
    return emitOpError() << "groups of " << getOutGroup() << " and "
                         << getInGroup() << " do not divide " << outputs
                         << " outputs and " << inputs << " inputs";
  return success();
}

int64_t LinearOp::getMultiplyAdds() {
  return rows(getInput()) * getWeight().getType().getNumElements();
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyShape(*this, "result", getResult(),
                         getInput().getType().getShape())))
    return failure();
  if (getOffset() != 0 && getOffset() != 128)
    return emitOpError() << "offset must be 0 or 128, found " << getOffset();
  if (bool(getScales()) == bool(getScale()))
    return emitOpError("needs scales as a result, or one as an attribute");
  if (getScales())
    return verifyShape(*this, "scales", getScales(), {rows(getInput())});
  APFloat scale = *getScale();
  if (!scale.isFinite() || scale.isNegative() || scale.isZero())
    return emitOpError("scale must be positive and finite");
  return success();
}

LogicalResult DequantizeOp::verify() {
  int64_t width = columns(getSums());
  if (failed(verifyShape(*this, "columns", getColumns(), {width})) ||
      (getRows() &&
       failed(verifyShape(*this, "rows", getRows(), {rows(getSums())}))) ||
      (getBias() && failed(verifyShape(*this, "bias", getBias(), {width}))))
    return failure();
  if (getGroup() < 1 || width % getGroup() != 0)
    return emitOpError() << "a group of " << getGroup() << " does not divide "
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
  if (getHeads() < 1 || width % getHeads() != 0)
    return emitOpError() << getHeads() << " heads do not divide the width "
                         << width;
  return success();
}

int64_t AttendOp::getMultiplyAdds() {
  return 2 * rows(getQueries()) * getKeys().getType().getNumElements();
}

LogicalResult DotOp::verify() {
  auto sums = cast<VectorType>(getSums().getType());
  auto inputs = cast<VectorType>(getInputs().getType());
  bool isInteger = inputs.getElementType().isInteger(8);
  if (sums.getElementType().isF32() == isInteger ||
      (getIsUnsigned() && !isInteger))
    return emitOpError() << "cannot sum products of " << inputs << " in "
                         << sums;
  if (inputs.getNumElements() != sums.getNumElements() * (isInteger ? 4 : 2))
    return emitOpError() << "expected " << (isInteger ? 4 : 2)
                         << " inputs for each of " << sums << ", found "
                         << inputs;
  return success();
}
