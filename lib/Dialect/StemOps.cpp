//===- StemOps.cpp - Convolutions and their normalisation -----------------===//

#include "Verify.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// conv
//===----------------------------------------------------------------------===//

LogicalResult ConvOp::verify() {
  ArrayRef<int64_t> input = getInput().getType().getShape();
  ArrayRef<int64_t> weight = getWeight().getType().getShape();
  if (getStride().size() != 2 || getPadding().size() != 2)
    return emitOpError("expected two strides and two paddings");
  int64_t channels = getDepthwise() ? 1 : input[0];
  if (weight[1] != channels)
    return emitOpError() << "weight takes " << weight[1]
                         << " channels, but there are " << channels;
  if (getDepthwise() && weight[0] != input[0])
    return emitOpError() << "expected a kernel for each of " << input[0]
                         << " channels, found " << weight[0];
  SmallVector<int64_t> result{weight[0]};
  for (int64_t d = 0; d < 2; ++d) {
    int64_t kernel = weight[2 + d], size = input[1 + d];
    int64_t stride = getStride()[d], padding = getPadding()[d];
    if (stride < 1)
      return emitOpError() << "stride must be positive, found " << stride;
    if (padding < 0 || padding >= kernel)
      return emitOpError() << "expected a padding from 0 to " << kernel - 1
                           << ", found " << padding;
    if (size + 2 * padding < kernel)
      return emitOpError() << "a kernel of " << kernel
                           << " does not fit in the padded map's "
                           << size + 2 * padding;
    result.push_back((size + 2 * padding - kernel) / stride + 1);
  }
  if (getBias() && failed(verifyShape(*this, "bias", getBias(), {weight[0]})))
    return failure();
  return verifyShape(*this, "result", getResult(), result);
}

int64_t ConvOp::getMultiplyAdds() {
  ArrayRef<int64_t> result = getResult().getType().getShape();
  return result[1] * result[2] * getWeight().getType().getNumElements();
}

//===----------------------------------------------------------------------===//
// batch_norm and its folding
//===----------------------------------------------------------------------===//

static LogicalResult verifyEps(Operation *op, APFloat value) {
  double eps = value.convertToDouble();
  if (std::isfinite(eps) && eps >= 0)
    return success();
  return op->emitOpError("eps must be finite and not negative");
}

LogicalResult BatchNormOp::verify() {
  if (failed(verifyEps(*this, getEps())))
    return failure();
  return verifyShape(*this, "scale", getScale(), {rows(getInput())});
}

LogicalResult NormWeightOp::verify() {
  if (failed(verifyEps(*this, getEps())))
    return failure();
  return verifyShape(*this, "scale", getScale(), {rows(getWeight())});
}

void NormWeightOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                            MutableArrayRef<float> out) {
  ArrayRef<float> weight = operands[0], scale = operands[1],
                  variance = operands[2];
  double eps = getEps().convertToDouble();
  size_t width = weight.size() / scale.size();
  for (size_t i = 0; i < out.size(); ++i) {
    size_t row = i / width;
    out[i] = float(weight[i] * (scale[row] / std::sqrt(variance[row] + eps)));
  }
}

LogicalResult NormBiasOp::verify() {
  if (failed(verifyEps(*this, getEps())))
    return failure();
  return getBias() ? verifyShape(*this, "bias", getBias(), {rows(getScale())})
                   : success();
}

void NormBiasOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                          MutableArrayRef<float> out) {
  ArrayRef<float> scale = operands[0], shift = operands[1], mean = operands[2],
                  variance = operands[3];
  double eps = getEps().convertToDouble();
  for (size_t i = 0; i < out.size(); ++i) {
    double bias = operands.size() > 4 ? operands[4][i] : 0.0;
    out[i] = float(shift[i] + (bias - mean[i]) *
                                  (scale[i] / std::sqrt(variance[i] + eps)));
  }
}

//===----------------------------------------------------------------------===//
// permute
//===----------------------------------------------------------------------===//

LogicalResult PermuteOp::verify() {
  RankedTensorType from = getInput().getType();
  SmallVector<int64_t> sorted(getOrder());
  llvm::sort(sorted);
  if (sorted != llvm::to_vector(llvm::seq<int64_t>(from.getRank())))
    return emitOpError() << "expected a permutation of " << from.getRank()
                         << " dimensions";
  SmallVector<int64_t> shape = llvm::map_to_vector(
      getOrder(), [&](int64_t d) { return from.getDimSize(d); });
  return verifyShape(*this, "result", getResult(), shape);
}

void PermuteOp::evaluate(ArrayRef<ArrayRef<float>> operands,
                         MutableArrayRef<float> out) {
  ArrayRef<int64_t> from = getInput().getType().getShape();
  // How far apart entries are in the input, by dimensions of the result.
  SmallVector<int64_t> distances(from.size(), 1), strides(from.size());
  for (int64_t d = int64_t(from.size()) - 2; d >= 0; --d)
    distances[d] = distances[d + 1] * from[d + 1];
  for (auto [d, source] : llvm::enumerate(getOrder()))
    strides[d] = distances[source];
  ArrayRef<int64_t> to = getResult().getType().getShape();
  SmallVector<int64_t> place(to.size(), 0);
  int64_t source = 0;
  for (float &value : out) {
    value = operands[0][source];
    // The next place, the last dimension first.
    for (int64_t d = int64_t(to.size()) - 1; d >= 0; --d) {
      source += strides[d];
      if (++place[d] < to[d])
        break;
      source -= strides[d] * to[d];
      place[d] = 0;
    }
  }
}
