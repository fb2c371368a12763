//===- EmitTransposition.cpp - Transpositions through registers -----------===//

#include "VectorEmitter.h"

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;
using utils::IteratorType;

/// Lanes of 128 bits, the least that a vector register has.
static constexpr int64_t kQuarter = 4;

bool VectorEmitter::isTransposition() {
  Block &body = *op.getBody();
  if (op.getNumDpsInputs() != 1 ||
      op.getNumLoops() != op.getNumParallelLoops() ||
      !getElementTypeOrSelf(op.getResult(0).getType()).isF32() ||
      body.getTerminator()->getOperand(0) != body.getArgument(0) ||
      llvm::any_of(ranges, ShapedType::isDynamic))
    return false;
  AffineMap in = op.getIndexingMapsArray()[0];
  AffineMap out = op.getIndexingMapsArray()[1];
  if (!in.isPermutation() || !out.isPermutation() || in.getNumResults() < 2)
    return false;
  source = in.getDimPosition(in.getNumResults() - 1);
  lane = out.getDimPosition(out.getNumResults() - 1);
  return source != lane && ranges[source] % kQuarter == 0;
}

void VectorEmitter::emitTransposition() {
  AffineMap in = op.getIndexingMapsArray()[0];
  AffineMap out = op.getIndexingMapsArray()[1];
  Value input = op.getDpsInputs()[0];
  SmallVector<unsigned> others;
  for (unsigned d = 0; d < ranges.size(); ++d)
    if (d != source && d != lane)
      others.push_back(d);
  Loops loops(ranges.size());
  auto quarter = VectorType::get({kQuarter}, b.getF32Type());
  Value nothing = arith::ConstantOp::create(b, b.getZeroAttr(quarter));
  auto shuffle = [&](Value x, Value y, ArrayRef<int64_t> mask) -> Value {
    return vector::ShuffleOp::create(b, x, y, mask);
  };
  // Pieces of `size` lanes of x and y in turn, from the lower or the upper half
  // of each quarter: one instruction, whatever the width of the registers.
  auto unpack = [&](Value x, Value y, int64_t size, bool upper) {
    SmallVector<int64_t> mask;
    for (int64_t q = 0; q < kPanel; q += kQuarter)
      for (int64_t i = 0; i < kQuarter / 2; i += size)
        for (int64_t from : {int64_t(0), kPanel})
          for (int64_t j = 0; j < size; ++j)
            mask.push_back(from + q + upper * kQuarter / 2 + i + j);
    return shuffle(x, y, mask);
  };
  // Four entries of `source` from `first` on, by sixteen of `lane` from
  // `start` on, of which `count` are there.
  auto emitBlock = [&](Value first, Value start, int64_t count, Value state) {
    auto at = [&](int64_t i, int64_t j) {
      loops[source] = b.createOrFold<arith::AddIOp>(first, index(i));
      loops[lane] = b.createOrFold<arith::AddIOp>(start, index(j));
    };
    auto load = [&](int64_t j) {
      at(0, j);
      return j < count ? loadVector(input, evaluate(in, loops), kQuarter)
                       : nothing;
    };
    // Row r of each of four blocks of 4 x 4, side by side.
    SmallVector<Value> rows;
    for (int64_t r = 0; r < kQuarter; ++r)
      rows.push_back(joinVectors(
          b, joinVectors(b, load(r), load(r + kQuarter)),
          joinVectors(b, load(r + 2 * kQuarter), load(r + 3 * kQuarter))));
    for (int64_t i = 0; i < kQuarter; ++i) {
      bool upper = i / 2;
      Value column = unpack(unpack(rows[0], rows[1], 1, upper),
                            unpack(rows[2], rows[3], 1, upper), 2, i % 2);
      if (count < kPanel)
        column = shuffle(column, column, llvm::to_vector(llvm::seq(count)));
      at(i, 0);
      state = store(column, state, out, loops);
    }
    return state;
  };
  int64_t lanes = ranges[lane], whole = lanes / kPanel * kPanel;
  auto overBlocks = [&](ValueRange outer) {
    return loop(
        0, ranges[source], kQuarter, outer,
        [&](Value first, ValueRange middle) {
          SmallVector<Value> state = loop(
              0, whole, kPanel, middle, [&](Value start, ValueRange inner) {
                return SmallVector<Value>{
                    emitBlock(first, start, kPanel, inner[0])};
              });
          if (whole < lanes)
            state = {emitBlock(first, index(whole), lanes - whole, state[0])};
          return state;
        },
        /*isParallel=*/true);
  };
  Value result = nest(others, loops, op.getDpsInits()[0], overBlocks)[0];
  op.getResult(0).replaceAllUsesWith(result);
  op.erase();
}
