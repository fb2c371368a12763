//===- EmitDepthwise.cpp - Convolutions of each channel by itself ---------===//
//
// No number of the input serves two channels, so vectors of the input are
// multiplied by vectors of the kernel. A tile is some pixels of a row of the
// result, of one panel. For each row of the kernel it loads its taps, and each
// pixel of the input once for all the sums that it goes into.
//
//===----------------------------------------------------------------------===//

#include "VectorEmitter.h"

using namespace mlir;
using namespace mlir::moe;

/// Taps of a row of the kernel that are in registers together.
static constexpr int64_t kMostTaps = 7;

/// Pixels of a tile: enough sums to hide the latency of a multiply-add.
static constexpr int64_t kMostPixels = 14;

/// The value of `expr` where `dim` is `value` and all other dimensions are 0.
static std::optional<int64_t> valueAt(AffineExpr expr, unsigned numDims,
                                      unsigned dim, int64_t value) {
  MLIRContext *context = expr.getContext();
  SmallVector<AffineExpr> point(numDims, getAffineConstantExpr(0, context));
  point[dim] = getAffineConstantExpr(value, context);
  auto constant =
      dyn_cast<AffineConstantExpr>(expr.replaceDimsAndSymbols(point, {}));
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

bool VectorEmitter::isDepthwise() {
  if (!isMultiplyAdd(op) || !isZeroFill(op.getDpsInits()[0]) ||
      llvm::any_of(
          op->getOperandTypes(),
          [](Type type) { return !getElementTypeOrSelf(type).isF32(); }) ||
      llvm::any_of(ranges, ShapedType::isDynamic))
    return false;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  aMap = maps[0], bMap = maps[1], cMap = maps[2];
  if (!cMap.isProjectedPermutation() || !bMap.isProjectedPermutation() ||
      cMap.getNumResults() == 0)
    return false;
  // All run along the lanes.
  lane = cMap.getDimPosition(cMap.getNumResults() - 1);
  AffineExpr lanes = b.getAffineDimExpr(lane);
  for (AffineMap map : maps)
    if (ranges[lane] != kPanel || map.getNumResults() == 0 ||
        map.getResults().back() != lanes ||
        llvm::any_of(map.getResults().drop_back(), [&](AffineExpr expr) {
          return expr.isFunctionOfDim(lane);
        }))
      return false;
  for (unsigned d = 0; d < ranges.size(); ++d) {
    if (iterators[d] == utils::IteratorType::reduction)
      reduction.push_back(d);
    else if (d != lane)
      (bMap.isFunctionOfDim(d) ? outer : middle).push_back(d);
  }
  if (reduction.empty() || middle.empty())
    return false;
  row = middle.pop_back_val();
  // The input's pixel is that of the result times the stride, plus the tap.
  unsigned tap = reduction.back();
  for (AffineExpr expr : aMap.getResults()) {
    if (!expr.isFunctionOfDim(*row) && !expr.isFunctionOfDim(tap))
      continue;
    std::optional<int64_t> step = valueAt(expr, ranges.size(), *row, 1),
                           distance = valueAt(expr, ranges.size(), tap, 1);
    if (pixelStride != 0 || !step || *step < 1 || distance != 1)
      return false;
    pixelStride = *step;
  }
  aTensor = op.getDpsInputs()[0], bTensor = op.getDpsInputs()[1];
  sumType = b.getF32Type();
  return pixelStride != 0;
}

Value VectorEmitter::emitPixels(Value first, int64_t pixels, Loops loops,
                                Value out) {
  int64_t lanes = cpu.lanes, perPanel = kPanel / lanes;
  unsigned tap = reduction.back();
  int64_t taps = ranges[tap];
  auto type = VectorType::get({lanes}, sumType);
  auto loadLanes = [&](Value tensor, AffineMap map, int64_t part) {
    loops[lane] = index(part * lanes);
    return loadVector(tensor, evaluate(map, loops), lanes);
  };
  // `count` taps from `start` on, for all pixels.
  auto addTaps = [&](Value start, int64_t count, ValueRange state) {
    SmallVector<Value> sums(state);
    for (int64_t part = 0; part < perPanel; ++part) {
      SmallVector<Value> kernel;
      for (int64_t t = 0; t < count; ++t) {
        loops[tap] = b.createOrFold<arith::AddIOp>(start, index(t));
        kernel.push_back(loadLanes(bTensor, bMap, part));
      }
      loops[*row] = first;
      for (int64_t i = 0; i < (pixels - 1) * pixelStride + count; ++i) {
        Value input;
        for (int64_t t = 0; t < count; ++t) {
          int64_t pixel = (i - t) / pixelStride;
          if (i < t || (i - t) % pixelStride != 0 || pixel >= pixels)
            continue;
          if (!input) {
            loops[tap] = b.createOrFold<arith::AddIOp>(start, index(i));
            input = loadLanes(aTensor, aMap, part);
          }
          Value &sum = sums[pixel * perPanel + part];
          sum = multiplyAdd(input, kernel[t], sum);
        }
      }
    }
    return sums;
  };
  Value none = arith::ConstantOp::create(b, b.getZeroAttr(type));
  SmallVector<Value> sums =
      nest(ArrayRef(reduction).drop_back(), loops,
           SmallVector<Value>(pixels * perPanel, none), [&](ValueRange state) {
             if (taps <= kMostTaps)
               return addTaps(index(0), taps, state);
             return loop(0, taps, 1, state, [&](Value t, ValueRange inner) {
               return addTaps(t, 1, inner);
             });
           });
  keepRolled(sums);
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    loops[*row] = b.createOrFold<arith::AddIOp>(first, index(pixel));
    loops[lane] = index(0);
    ArrayRef own = ArrayRef(sums).slice(pixel * perPanel, perPanel);
    out = finish(joinVectors(b, own), loops, out);
  }
  return out;
}

void VectorEmitter::emitDepthwise() {
  Value out = takeEpilogue();
  int64_t perPanel = kPanel / cpu.lanes, width = ranges[*row];
  int64_t taps = ranges[reduction.back()];
  // Taps, a pixel of the input, and the next one or a product.
  int64_t factors = (taps <= kMostTaps ? taps : 1) + 2;
  // Where all factors are loaded, not read from memory as they are multiplied,
  // LLVM loads those of the next part early.
  if (cpu.fmaByLane)
    factors += 4;
  int64_t most =
      std::clamp<int64_t>((cpu.registers - factors) / perPanel, 1, kMostPixels);
  int64_t pixels = llvm::divideCeil(width, llvm::divideCeil(width, most));
  Loops loops(ranges.size());
  // Panels inside: those of a pixel follow each other in memory.
  auto overPanels = [&](Value first, int64_t count, ValueRange state) {
    return nest(outer, loops, state, [&](ValueRange inner) {
      return SmallVector<Value>{emitPixels(first, count, loops, inner[0])};
    });
  };
  auto overRow = [&](ValueRange start) {
    int64_t whole = width / pixels * pixels;
    SmallVector<Value> result =
        loop(0, whole, pixels, start, [&](Value first, ValueRange state) {
          return overPanels(first, pixels, state);
        });
    if (whole < width)
      result = overPanels(index(whole), width - whole, result);
    return result;
  };
  replaceWith(nest(middle, loops, out, overRow)[0]);
}
