//===- WeightOps.cpp - Weight expressions ---------------------------------===//
//
// Verifiers of the weight expressions, and their evaluation when the weight
// sections are written. Sums are taken in f64: it costs nothing here, and the
// folded model then differs from the original by single roundings only.
//
//===----------------------------------------------------------------------===//

#include "Verify.h"

#include <cmath>

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// scale_columns, scale_outputs, absorb_shift, scale_rows
//===----------------------------------------------------------------------===//

LogicalResult ScaleColumnsOp::verify() {
  return verifyShape(*this, "factors", getFactors(), {columns(getMatrix())});
}

void ScaleColumnsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                              MutableArrayRef<float> out) {
  ArrayRef<float> matrix = operands[0], factors = operands[1];
  size_t width = factors.size();
  for (size_t row = 0; row < matrix.size(); row += width)
    for (size_t i = 0; i < width; ++i)
      out[row + i] = matrix[row + i] * factors[i];
}

LogicalResult ScaleOutputsOp::verify() {
  auto type = cast<RankedTensorType>(getInput().getType());
  if (type.getRank() != 1 && type.getRank() != 2)
    return emitOpError() << "expected a vector or a matrix, found " << type;
  return verifyShape(*this, "factors", getFactors(), {type.getDimSize(0)});
}

void ScaleOutputsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                              MutableArrayRef<float> out) {
  ArrayRef<float> input = operands[0], factors = operands[1];
  size_t width = out.size() / factors.size();
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = input[i] * factors[i / width];
}

LogicalResult AbsorbShiftOp::verify() {
  int64_t outputs = rows(getMatrix());
  if (failed(verifyShape(*this, "shift", getShift(), {columns(getMatrix())})) ||
      (getBias() && failed(verifyShape(*this, "bias", getBias(), {outputs}))))
    return failure();
  return verifyShape(*this, "result", getResult(), {outputs});
}

void AbsorbShiftOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                             MutableArrayRef<float> out) {
  ArrayRef<float> matrix = operands[0], shift = operands[1];
  size_t width = shift.size();
  for (size_t row = 0; row < out.size(); ++row) {
    double sum = operands.size() > 2 ? operands[2][row] : 0.0;
    for (size_t i = 0; i < width; ++i)
      sum += double(matrix[row * width + i]) * shift[i];
    out[row] = float(sum);
  }
}

LogicalResult ScaleRowsOp::verify() {
  auto type = cast<RankedTensorType>(getInput().getType());
  if (type.getRank() != 1 && type.getRank() != 2)
    return emitOpError() << "expected a vector or a matrix, found " << type;
  int64_t count = getCount();
  if (count < 0 || count > type.getDimSize(0))
    return emitOpError() << "count " << count << " is not within the "
                         << type.getDimSize(0) << " rows";
  return success();
}

void ScaleRowsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                           MutableArrayRef<float> out) {
  auto type = cast<RankedTensorType>(getInput().getType());
  size_t width = type.getRank() == 2 ? type.getDimSize(1) : 1;
  size_t scaled = getCount() * width;
  double factor = getFactor().convertToDouble();
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = i < scaled ? float(operands[0][i] * factor) : operands[0][i];
}

//===----------------------------------------------------------------------===//
// slice_rows, transpose_blocks
//===----------------------------------------------------------------------===//

LogicalResult SliceRowsOp::verify() {
  RankedTensorType from = getInput().getType(), to = getResult().getType();
  if (from.getRank() != 1 && from.getRank() != 2)
    return emitOpError() << "expected a vector or a matrix, found " << from;
  if (to.getShape().drop_front() != from.getShape().drop_front())
    return emitOpError() << "changes the width from " << from << " to " << to;
  return verifyRows(*this, "rows", getInput(), getFirst(), rows(getResult()));
}

void SliceRowsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                           MutableArrayRef<float> out) {
  size_t width = out.size() / rows(getResult());
  llvm::copy(operands[0].slice(getFirst() * width, out.size()), out.begin());
}

LogicalResult TransposeBlocksOp::verify() {
  int64_t block = columns(getResult());
  if (rows(getMatrix()) % block != 0)
    return emitOpError() << "blocks of " << block << " rows do not divide "
                         << rows(getMatrix());
  return verifyShape(*this, "result", getResult(),
                     {rows(getMatrix()) / block * columns(getMatrix()), block});
}

void TransposeBlocksOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                                 MutableArrayRef<float> out) {
  size_t width = columns(getMatrix()), block = columns(getResult());
  for (size_t i = 0; i < out.size(); ++i) {
    size_t row = i / block, column = i % block;
    out[i] = operands[0][(row / width * block + column) * width + row % width];
  }
}

//===----------------------------------------------------------------------===//
// token_table
//===----------------------------------------------------------------------===//

LogicalResult TokenTableOp::verify() {
  int64_t count = rows(getResult()), width = columns(getResult());
  auto rowsOf = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getDimSize(1);
  };
  int64_t positions = rowsOf(getPosition()), own = 0;
  if (failed(verifyShape(*this, "position", getPosition(),
                         {1, positions, width})) ||
      (getBias() && failed(verifyShape(*this, "bias", getBias(), {width}))))
    return failure();
  for (Value token : getTokens()) {
    if (failed(verifyShape(*this, "token", token, {1, rowsOf(token), width})))
      return failure();
    own += rowsOf(token);
  }
  if (positions > count || own > count)
    return emitOpError() << "has " << count << " rows, too few for "
                         << positions << " positions and " << own << " tokens";
  return success();
}

void TokenTableOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                            MutableArrayRef<float> out) {
  ArrayRef<float> position = operands.front();
  bool hasBias = bool(getBias());
  size_t width = columns(getResult()), own = 0;
  for (ArrayRef<float> token : operands.drop_front(1 + hasBias)) {
    llvm::copy(token, out.begin() + own);
    own += token.size();
  }
  for (size_t i = own; i < out.size(); ++i)
    out[i] = hasBias ? operands[1][i % width] : 0.0f;
  size_t first = out.size() - position.size();
  for (size_t i = 0; i < position.size(); ++i)
    out[first + i] += position[i];
}

//===----------------------------------------------------------------------===//
// round, row_scales, quantize_rows, row_sums
//===----------------------------------------------------------------------===//

/// Entries of a row where all dimensions but the first count as one.
static int64_t widthOfRows(Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  return type.getNumElements() / type.getDimSize(0);
}

LogicalResult RoundOp::verify() {
  return verifyShape(*this, "result", getResult(),
                     {rows(getMatrix()), widthOfRows(getMatrix())});
}

void RoundOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                       MutableArrayRef<float> out) {
  for (auto [value, rounded] : llvm::zip(operands[0], out)) {
    APFloat number(value);
    bool losesInfo;
    number.convert(APFloat::BFloat(), APFloat::rmNearestTiesToEven, &losesInfo);
    rounded = number.convertToFloat();
  }
}

/// The largest magnitude of quantised numbers: as far below 0 as above.
static constexpr float kLargest = 127.0f;

static float largestMagnitude(ArrayRef<float> row) {
  float largest = 0.0f;
  for (float value : row)
    // A NaN stays: it must not vanish in quantised numbers.
    if (!(std::fabs(value) <= largest))
      largest = std::fabs(value);
  return largest;
}

LogicalResult RowScalesOp::verify() {
  if (!isScale(getFactor().convertToDouble()))
    return emitOpError(
        "factor must be positive and finite, and so its inverse");
  return verifyShape(*this, "result", getResult(), {rows(getMatrix())});
}

void RowScalesOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                           MutableArrayRef<float> out) {
  size_t width = widthOfRows(getMatrix());
  double factor = getFactor().convertToDouble();
  for (auto [row, scale] : llvm::enumerate(out))
    scale = float(largestMagnitude(operands[0].slice(row * width, width)) /
                  kLargest * factor);
}

LogicalResult QuantizeRowsOp::verify() {
  return verifyShape(*this, "result", getResult(),
                     {rows(getMatrix()), widthOfRows(getMatrix())});
}

void QuantizeRowsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                              MutableArrayRef<float> out) {
  size_t width = widthOfRows(getMatrix());
  for (size_t row = 0; row < out.size(); row += width) {
    ArrayRef<float> values = operands[0].slice(row, width);
    float largest = largestMagnitude(values);
    // Whatever is not finite is in the scale.
    double factor =
        largest > 0 && std::isfinite(largest) ? kLargest / double(largest) : 0;
    for (size_t i = 0; i < width; ++i)
      out[row + i] =
          factor == 0 ? 0.0f : float(std::nearbyint(values[i] * factor));
  }
}

LogicalResult RowSumsOp::verify() {
  return verifyShape(*this, "result", getResult(), {rows(getMatrix())});
}

void RowSumsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                         MutableArrayRef<float> out) {
  size_t width = columns(getMatrix());
  int64_t factor = getFactor();
  for (auto [row, result] : llvm::enumerate(out)) {
    double sum = 0;
    for (float value : operands[0].slice(row * width, width))
      sum += value;
    // A power of two times an integer below 2^24: an f32 holds it.
    result = float(sum * double(factor));
  }
}

//===----------------------------------------------------------------------===//
// pack_panels, pad_channels
//===----------------------------------------------------------------------===//

/// How a dimension that is cut into groups is laid out: entry i goes to
/// (i / group) * padded + i % group.
namespace {
struct Grouping {
  int64_t group, padded;
  Grouping(int64_t size, int64_t group)
      : group(group ? group : size),
        padded(group ? numPanels(group) * kPanel : size) {}
  int64_t place(int64_t i) const { return i / group * padded + i % group; }
  int64_t total(int64_t size) const { return size / group * padded; }
};
} // namespace

static LogicalResult verifyGroup(Operation *op, StringRef what, int64_t size,
                                 int64_t group, bool mayBeZero) {
  if ((group == 0 && mayBeZero) || (group > 0 && size % group == 0))
    return success();
  return op->emitOpError() << what << " group " << group << " does not divide "
                           << size;
}

static LogicalResult verifySameElement(Operation *op, Value from, Value to) {
  if (cast<ShapedType>(from.getType()).getElementType() ==
      cast<ShapedType>(to.getType()).getElementType())
    return success();
  return op->emitOpError() << "changes the element type from " << from.getType()
                           << " to " << to.getType();
}

LogicalResult PackPanelsOp::verify() {
  auto type = cast<RankedTensorType>(getMatrix().getType());
  if (type.getRank() < 2)
    return emitOpError() << "expected a matrix, found " << type;
  int64_t outputs = type.getDimSize(0);
  int64_t inputs = type.getNumElements() / outputs;
  if (failed(verifyGroup(*this, "output", outputs, getOutGroup(), false)) ||
      failed(verifyGroup(*this, "input", inputs, getInGroup(), true)) ||
      failed(verifySameElement(*this, getMatrix(), getResult())))
    return failure();
  int64_t depth = Grouping(inputs, getInGroup()).total(inputs);
  int64_t interleave = getInterleave();
  if (interleave < 1 || depth % interleave != 0)
    return emitOpError() << "cannot interleave " << depth << " inputs by "
                         << interleave;
  return verifyShape(*this, "result", getResult(),
                     {Grouping(outputs, getOutGroup()).total(outputs) / kPanel,
                      depth / interleave, interleave * kPanel});
}

void PackPanelsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                            MutableArrayRef<float> out) {
  auto type = cast<RankedTensorType>(getMatrix().getType());
  int64_t outputs = type.getDimSize(0);
  int64_t inputs = type.getNumElements() / outputs;
  Grouping outGroups(outputs, getOutGroup()), inGroups(inputs, getInGroup());
  int64_t depth = inGroups.total(inputs), side = getInterleave();
  std::fill(out.begin(), out.end(), 0.0f);
  const float *weight = operands[0].data();
  for (int64_t o = 0; o < outputs; ++o) {
    int64_t channel = outGroups.place(o);
    float *panel = out.data() + channel / kPanel * depth * kPanel;
    float *lane = panel + channel % kPanel * side;
    for (int64_t i = 0; i < inputs; ++i) {
      int64_t k = inGroups.place(i);
      lane[k / side * side * kPanel + k % side] = weight[o * inputs + i];
    }
  }
}

LogicalResult PadChannelsOp::verify() {
  auto type = cast<RankedTensorType>(getInput().getType());
  if (type.getRank() < 1)
    return emitOpError() << "expected at least one dimension, found " << type;
  int64_t channels = type.getShape().back();
  if (failed(verifyGroup(*this, "channel", channels, getGroup(), false)))
    return failure();
  if (failed(verifySameElement(*this, getInput(), getResult())))
    return failure();
  SmallVector<int64_t> shape(type.getShape().drop_back());
  shape.push_back(Grouping(channels, getGroup()).total(channels) / kPanel);
  shape.push_back(kPanel);
  return verifyShape(*this, "result", getResult(), shape);
}

void PadChannelsOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                             MutableArrayRef<float> out) {
  auto type = cast<RankedTensorType>(getInput().getType());
  int64_t channels = type.getShape().back();
  Grouping groups(channels, getGroup());
  int64_t padded = groups.total(channels);
  std::fill(out.begin(), out.end(), 0.0f);
  for (int64_t i = 0, e = operands[0].size(); i < e; ++i)
    out[i / channels * padded + groups.place(i % channels)] = operands[0][i];
}
