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

Value VectorEmitter::emitPairs(const TileSite &site, Loops loops, Value out) {
  int64_t rows = site.rows, panels = site.panels;
  assert(rows % 2 == 0 && "rows go by two");
  unsigned inner = reduction.back();
  auto add = [&](Value k, int64_t size, MutableArrayRef<Value> sums) {
    SmallVector<Value> steps = prefetchSteps(k, size, site, loops), inputs;
    auto loadWeights = [&](Value step, int64_t p) {
      enter(site, 0, p, loops);
      loops[inner] = step;
      return loadPacked(loops);
    };
    for (int64_t r = 0; r < rows; r += 2) {
      Value halves[2];
      for (int64_t i : {0, 1}) {
        enter(site, r + i, 0, loops);
        loops[inner] = k;
        halves[i] = loadVector(aTensor, evaluate(aMap, loops), 2 * side);
      }
      inputs.push_back(joinVectors(b, halves[0], halves[1]));
    }
    for (int64_t p = 0; p < panels; ++p) {
      Value weights =
          joinVectors(b, loadWeights(steps[0], p), loadWeights(steps[1], p));
      for (auto [i, input] : llvm::enumerate(inputs)) {
        Value &sum = sums[i * panels + p];
        sum = PairDotOp::create(b, sum, input, weights);
      }
    }
  };
  SmallVector<Value> sums =
      sumOverDepth(rows / 2 * panels, VectorType::get({2 * kPanel}, sumType),
                   /*parts=*/1, /*steps=*/2, loops, add);

  for (int64_t r = 0; r < rows; ++r) {
    // The row's two of each block.
    SmallVector<int64_t> own;
    for (int64_t c = 0; c < kPanel; ++c)
      own.push_back(c / 2 * 4 + r % 2 * 2 + c % 2);
    for (int64_t p = 0; p < panels; ++p) {
      Value pair = sums[r / 2 * panels + p];
      enter(site, r, p, loops);
      out = finish(vector::ShuffleOp::create(b, pair, pair, own), loops, out);
    }
  }
  return out;
}
