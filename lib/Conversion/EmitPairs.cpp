//===- EmitPairs.cpp - Matrix products by pairs of rows (BFMMLA, SMMLA) ---===//
//
// The instructions multiply two rows of the input by two columns of the weight,
// over twice as many numbers as a dot product of one row takes. So rows go by
// two, a step over k is two of the others, and the sums of a pair of rows lie
// in blocks of two by two, until the loop over k is done.
//
//===----------------------------------------------------------------------===//

#include "VectorEmitter.h"

using namespace mlir;
using namespace mlir::moe;

bool VectorEmitter::isPaired() const {
  return cpu.mmla && isDot && !isUnsigned && ranges[reduction.back()] % 2 == 0;
}

void VectorEmitter::emitPairs(Value rowStart, int64_t rows, Value panelStart,
                              int64_t panels, Value position, Loops loops,
                              Value &out) {
  assert(rows % 2 == 0 && "rows go by two");
  unsigned inner = reduction.back();
  auto pairType = VectorType::get({2 * kPanel}, sumType);
  Value none = arith::ConstantOp::create(b, b.getZeroAttr(pairType));
  auto at = [&](int64_t r, int64_t p) {
    if (row)
      loops[*row] = b.createOrFold<arith::AddIOp>(rowStart, index(r));
    loops[panel] = b.createOrFold<arith::AddIOp>(panelStart, index(p));
    loops[lane] = loops[sideDim] = index(0);
  };
  auto loadWeights = [&](Value k, int64_t p) {
    at(0, p);
    loops[inner] = k;
    return loadPacked(loops);
  };
  auto step = [&](Value k, ValueRange state) {
    Value second = b.createOrFold<arith::AddIOp>(k, index(1));
    if (prefetchedLanes > 0)
      for (Value which : {k, second})
        prefetchNext(which, position, panelStart, panels, loops);
    SmallVector<Value> next(state), inputs;
    for (int64_t r = 0; r < rows; r += 2) {
      Value halves[2];
      for (int64_t i : {0, 1}) {
        at(r + i, 0);
        loops[inner] = k;
        halves[i] = loadVector(aTensor, evaluate(aMap, loops), 2 * side);
      }
      inputs.push_back(joinVectors(b, halves[0], halves[1]));
    }
    for (int64_t p = 0; p < panels; ++p) {
      Value weights = joinVectors(b, loadWeights(k, p), loadWeights(second, p));
      for (auto [i, input] : llvm::enumerate(inputs)) {
        Value &sum = next[i * panels + p];
        sum = PairDotOp::create(b, sum, input, weights);
      }
    }
    return next;
  };
  SmallVector<Value> sums(rows / 2 * panels, none);
  auto overDepth = [&](ValueRange start) {
    return loop(0, ranges[inner], 2, start, step);
  };
  sums = nest(ArrayRef(reduction).drop_back(), loops, sums, overDepth);

  for (int64_t r = 0; r < rows; ++r) {
    // The row's two of each block.
    SmallVector<int64_t> own;
    for (int64_t c = 0; c < kPanel; ++c)
      own.push_back(c / 2 * 4 + r % 2 * 2 + c % 2);
    for (int64_t p = 0; p < panels; ++p) {
      Value pair = sums[r / 2 * panels + p];
      at(r, p);
      out = finish(vector::ShuffleOp::create(b, pair, pair, own), loops, out);
    }
  }
}
