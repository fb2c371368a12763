//===- EmitBlocks.cpp - Matrix products in matrix registers (AMX) ---------===//
//
// A tile register has up to 16 rows of 64 bytes. A block of the result is two
// by two of them; a step over k multiplies two tiles of the input by two of the
// weight, whose panels lie in memory just as the instruction wants them. The
// sums go through memory, a little buffer that stays in the first-level cache,
// to the vectors that the rest is computed in.
//
//===----------------------------------------------------------------------===//

#include "VectorEmitter.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;
using namespace mlir::moe;

/// Rows of a tile register, and 32-bit words in one of them.
static constexpr int64_t kTileRows = 16;

/// With fewer rows, most of what a tile instruction does would be for nothing:
/// reading the weight bounds the time.
static constexpr int64_t kFewRows = 8;

/// With more panels than a block has, they are a loop, which becomes a function
/// of its own: the shapes of the tile registers are set up for a whole
/// function.
static constexpr int64_t kFewPanels = 2;

bool VectorEmitter::isTiled() const {
  return cpu.amx && isDot && columnBits() == 32 && isMatrix() &&
         ranges[*row] >= kFewRows && ranges[panel] > kFewPanels;
}

namespace {
/// How the rows of a result are divided into tiles. All have one shape, since a
/// register's shape is set for a whole function; so the last one may begin in
/// the one before it.
struct RowTiles {
  int64_t rows, count, size;
  explicit RowTiles(int64_t rows)
      : rows(rows), count(llvm::divideCeil(rows, kTileRows)),
        size(llvm::divideCeil(rows, count)) {}
  /// Where tile `i` begins, and its first row that is no other's.
  int64_t start(int64_t i) const { return std::min(i * size, rows - size); }
  int64_t first(int64_t i) const { return i * size; }
  /// Blocks of two tiles, but for those at the end.
  int64_t wholeBlocks() const { return rows / (2 * size); }
};
} // namespace

int64_t VectorEmitter::blockRows() const {
  return 2 * RowTiles(ranges[*row]).size;
}

/// The words of a step over k: as many as a tile has, if they divide k.
static int64_t wordsOfStep(int64_t depth) {
  int64_t words = std::min(depth, kTileRows);
  while (depth % words != 0)
    --words;
  return words;
}

Value VectorEmitter::emitBlock(ArrayRef<Value> starts,
                               ArrayRef<int64_t> skipped, Value panelStart,
                               int64_t panels, Value position, Loops loops,
                               Value out) {
  unsigned inner = reduction.back();
  Type element = getElementTypeOrSelf(aTensor.getType());
  int64_t rows = RowTiles(ranges[*row]).size;
  // In a word of the weight there are `side` numbers, and of the input too.
  int64_t depth = ranges[inner], words = wordsOfStep(depth);
  auto tileType = [&](int64_t rows, int64_t words, Type type) {
    int64_t perWord = 32 / type.getIntOrFloatBitWidth();
    return amx::TileType::get({rows, words * perWord}, type);
  };
  SmallVector<Value> sums;
  for (size_t i = 0; i < starts.size() * panels; ++i)
    sums.push_back(amx::TileZeroOp::create(b, tileType(rows, kPanel, sumType)));
  // A tensor as memory. Where it is used: what it is then is known where it
  // lies.
  auto asMemory = [&](Value tensor) -> Value {
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
    strides.back() = 1;
    auto layout =
        StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides);
    return bufferization::ToBufferOp::create(
        b, MemRefType::get(type.getShape(), type.getElementType(), layout),
        tensor, /*read_only=*/true);
  };

  auto step = [&](Value k, ValueRange state) {
    prefetchSteps(k, words, {starts[0], rows, panelStart, panels, position},
                  loops);
    Value memory = asMemory(aTensor);
    Value panelMemory = bTiles ? bTiles : asMemory(bLanes);
    SmallVector<Value> next(state), inputs, weights;
    loops[inner] = k;
    loops[sideDim] = loops[lane] = index(0);
    for (Value start : starts) {
      loops[*row] = start;
      inputs.push_back(amx::TileLoadOp::create(
          b, tileType(rows, words, element), memory, evaluate(aMap, loops)));
    }
    for (int64_t p = 0; p < panels; ++p) {
      loops[panel] = b.createOrFold<arith::AddIOp>(panelStart, index(p));
      SmallVector<Value> indices = evaluate(bMap, loops);
      indices.pop_back();
      weights.push_back(amx::TileLoadOp::create(
          b, tileType(words, kPanel, element), panelMemory, indices));
    }
    for (auto [i, input] : llvm::enumerate(inputs))
      for (int64_t p = 0; p < panels; ++p) {
        Value &sum = next[i * panels + p];
        if (sumType.isF32())
          sum =
              amx::TileMulFOp::create(b, sum.getType(), input, weights[p], sum);
        else
          sum = amx::TileMulIOp::create(b, sum.getType(), input, weights[p],
                                        sum, isUnsigned, false);
      }
    return next;
  };
  sums = loop(0, depth, words, sums, step);

  // moe-outline-kernels moves it to where the function begins.
  auto scratch = memref::AllocaOp::create(
      b, MemRefType::get({2 * kTileRows, panels * kPanel}, sumType),
      b.getI64IntegerAttr(64));
  for (size_t i = 0; i < starts.size(); ++i) {
    Value start = starts[i];
    Value base = index(i * kTileRows);
    for (int64_t p = 0; p < panels; ++p)
      amx::TileStoreOp::create(b, scratch, ValueRange{base, index(p * kPanel)},
                               sums[i * panels + p]);
    out = loop(skipped[i], rows, 1, out, [&](Value r, ValueRange state) {
      Value current = state[0];
      loops[*row] = b.createOrFold<arith::AddIOp>(start, r);
      loops[lane] = index(0);
      Value from = b.createOrFold<arith::AddIOp>(base, r);
      for (int64_t p = 0; p < panels; ++p) {
        loops[panel] = b.createOrFold<arith::AddIOp>(panelStart, index(p));
        Value value =
            vector::LoadOp::create(b, vectorType(sumType), scratch,
                                   ValueRange{from, index(p * kPanel)});
        current = finish(value, loops, current);
      }
      return SmallVector<Value>{current};
    })[0];
  }
  return out;
}

Value VectorEmitter::emitBlocks(Value panelStart, int64_t panels, Loops loops,
                                Value out) {
  RowTiles tiles(ranges[*row]);
  int64_t whole = tiles.wholeBlocks(), blockRows = 2 * tiles.size;
  out = loop(
      0, whole * blockRows, blockRows, out, [&](Value r, ValueRange state) {
        Value position = b.createOrFold<arith::DivUIOp>(r, index(blockRows));
        Value second = b.createOrFold<arith::AddIOp>(r, index(tiles.size));
        return SmallVector<Value>{emitBlock({r, second}, {0, 0}, panelStart,
                                            panels, position, loops, state[0])};
      })[0];
  if (whole * blockRows == tiles.rows)
    return out;
  SmallVector<Value> starts;
  SmallVector<int64_t> skipped;
  for (int64_t i = 2 * whole; i < tiles.count; ++i) {
    starts.push_back(index(tiles.start(i)));
    skipped.push_back(tiles.first(i) - tiles.start(i));
  }
  return emitBlock(starts, skipped, panelStart, panels, index(whole), loops,
                   out);
}
