//===- EmitColumns.cpp - Matrix products by two columns (SMMLA, SDOT) -----===//
//
// A vector of the weight is two columns of 64 bits. BFMMLA and SMMLA multiply
// two rows of the input by both; a product of one row (SDOT, BFDOT) sums each
// column in two halves, which are added up when the loop over k is done. So a
// row's input stands twice in a vector, or two rows' stand in one: that is
// arranged once for all panels.
//
//===----------------------------------------------------------------------===//

#include "VectorEmitter.h"

#include "llvm/Support/SaveAndRestore.h"

#include <numeric>

using namespace mlir;
using namespace mlir::moe;

/// Columns in a vector, and rows in a pair.
static constexpr int64_t kPair = 2;

Value VectorEmitter::packInput() {
  unsigned inner = reduction.back();
  int64_t panels = ranges[panel], depth = ranges[inner];
  // A single panel or row would not use it again.
  if (!isMatrix() || panels < 2 || ranges[*row] < 2)
    return {};
  int64_t rowsOfGroup = isPaired() ? kPair : 1, numbers = numbersOfColumns();
  auto type =
      RankedTensorType::get({ranges[*row] / rowsOfGroup, depth, numbers},
                            getElementTypeOrSelf(aTensor.getType()));
  Value &known = packedInputs[aTensor];
  if (known && known.getType() == type)
    return known;
  // Where the input is made, so that all that reads it can read this instead.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(aTensor);
  Value packed = bufferization::AllocTensorOp::create(b, type, ValueRange());
  Loops loops(ranges.size());
  loops[sideDim] = index(0);
  // What `size` steps from `k` on have in a row of the group.
  auto load = [&](Value group, int64_t r, Value k, int64_t size) {
    Value first = scaled(group, rowsOfGroup);
    loops[*row] = b.createOrFold<arith::AddIOp>(first, index(r));
    loops[inner] = k;
    return loadVector(aTensor, evaluate(aMap, loops), size * side);
  };
  auto pack = [&](Value group, Value k, int64_t size, Value out) {
    Value x = load(group, 0, k, size),
          y = load(group, rowsOfGroup - 1, k, size);
    for (int64_t i = 0; i < size; ++i) {
      SmallVector<int64_t> own;
      for (int64_t first : {i * side, (size + i) * side})
        for (int64_t n = 0; n < numbers / kPair; ++n)
          own.push_back(first + n % side);
      out = storeVector(
          vector::ShuffleOp::create(b, x, y, own), out,
          {group, b.createOrFold<arith::AddIOp>(k, index(i)), index(0)});
    }
    return out;
  };
  // Two steps at a time: whole vectors.
  constexpr int64_t steps = 2;
  int64_t whole = depth / steps * steps;
  auto packGroup = [&](Value group, ValueRange state) {
    SmallVector<Value> out =
        loop(0, whole, steps, state, [&](Value k, ValueRange inner) {
          return SmallVector<Value>{pack(group, k, steps, inner[0])};
        });
    if (whole < depth)
      out = {pack(group, index(whole), depth - whole, out[0])};
    return out;
  };
  known = loop(0, ranges[*row] / rowsOfGroup, 1, packed, packGroup,
               /*isParallel=*/true)[0];
  return known;
}

Value VectorEmitter::emitColumns(const TileSite &site, Loops loops, Value out) {
  if (isPaired() && site.rows > 1 && site.rows % kPair != 0) {
    TileSite pairs = site, last = site;
    pairs.rows = site.rows / kPair * kPair;
    last.rows = 1;
    last.row = b.createOrFold<arith::AddIOp>(site.row, index(pairs.rows));
    out = emitColumns(pairs, loops, out);
    // The pairs have prefetched what this tile has to.
    llvm::SaveAndRestore none(prefetchedLanes, int64_t(0));
    return emitColumns(last, loops, out);
  }
  unsigned inner = reduction.back();
  int64_t lanes = cpu.lanes;
  bool inPairs = isPaired() && site.rows > 1;
  int64_t rowsOfGroup = inPairs ? kPair : 1, groups = site.rows / rowsOfGroup;
  // Vectors of a panel's weights in a step, which are as many of its sums, and
  // numbers in one.
  int64_t perPanel = 2 * kPanel / lanes, numbers = numbersOfColumns();
  int64_t count = groups * site.panels * perPanel;
  auto input = [&](int64_t group, Value k) {
    enter(site, group * rowsOfGroup, 0, loops);
    loops[inner] = k;
    // The packed ones of a product by pairs do not have a last single row.
    if (packedInput && inPairs == isPaired()) {
      Value first =
          b.createOrFold<arith::DivUIOp>(site.row, index(rowsOfGroup));
      return loadVector(
          packedInput,
          {b.createOrFold<arith::AddIOp>(first, index(group)), k, index(0)},
          numbers);
    }
    Value x = loadVector(aTensor, evaluate(aMap, loops), side), y = x;
    if (inPairs) {
      enter(site, group * rowsOfGroup + 1, 0, loops);
      y = loadVector(aTensor, evaluate(aMap, loops), side);
    }
    // As many of both as a vector has room for.
    SmallVector<Value> halves(numbers / side / kPair, x);
    halves.append(halves.size(), y);
    return joinVectors(b, halves);
  };
  int64_t parts = partsOfDepth(site.rows, site.panels, cpu, kind());
  auto add = [&](Value k, int64_t size, MutableArrayRef<Value> all) {
    SmallVector<Value> steps = prefetchSteps(k, size, site, loops);
    for (int64_t i = 0; i < size; ++i) {
      MutableArrayRef<Value> sums = all.slice(i % parts * count, count);
      SmallVector<Value> inputs;
      for (int64_t group = 0; group < groups; ++group)
        inputs.push_back(input(group, steps[i]));
      for (int64_t p = 0; p < site.panels; ++p)
        for (int64_t q = 0; q < perPanel; ++q) {
          enter(site, 0, p, loops);
          loops[inner] = steps[i];
          Value weights = loadPacked(loops, q * numbers, numbers);
          for (int64_t group = 0; group < groups; ++group) {
            Value &sum = sums[(group * site.panels + p) * perPanel + q];
            if (inPairs)
              sum = PairDotOp::create(b, sum, inputs[group], weights);
            else
              sum = DotOp::create(b, sum, inputs[group], weights, isUnsigned);
          }
        }
    }
  };
  // Enough steps in a loop to share what it costs.
  constexpr int64_t unrolled = 4;
  SmallVector<Value> sums =
      sumOverDepth(count, VectorType::get({lanes}, sumType), parts,
                   std::lcm(parts, unrolled), loops, add);

  for (int64_t r = 0; r < site.rows; ++r)
    for (int64_t p = 0; p < site.panels; ++p) {
      int64_t first = (r / rowsOfGroup * site.panels + p) * perPanel;
      Value all = joinVectors(b, ArrayRef(sums).slice(first, perPanel));
      auto lanesOf = [&](auto laneOf) {
        SmallVector<int64_t> own =
            llvm::map_to_vector(llvm::seq(kPanel), laneOf);
        return vector::ShuffleOp::create(b, all, all, own).getResult();
      };
      Value value;
      if (inPairs)
        // The row's two of each block of two by two.
        value = lanesOf(
            [&](int64_t c) { return c / 2 * 4 + r % kPair * 2 + c % 2; });
      else
        value = addUp(lanesOf([](int64_t c) { return 2 * c; }),
                      lanesOf([](int64_t c) { return 2 * c + 1; }));
      enter(site, r, p, loops);
      out = finish(value, loops, out);
    }
  return out;
}
