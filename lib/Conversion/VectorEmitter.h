//===- VectorEmitter.h - linalg to loops over vectors -----------*- C++ -*-===//
//
// Inside moe-vectorize: code generation for one linalg.generic. Works on
// tensors: loops carry the result, bufferisation makes that in place.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_VECTOREMITTER_H
#define MOE_LIB_CONVERSION_VECTOREMITTER_H

#include "moe/Conversion/Passes.h"
#include "moe/Conversion/RegisterTile.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {

/// The value of each loop of a generic; null for those that are not open.
using Loops = SmallVector<Value>;

/// Where a tile of a matrix product's result begins, and how large it is.
struct TileSite {
  Value row;
  int64_t rows;
  Value panel;
  int64_t panels;
  /// Which it is of the tiles that share its panels.
  Value position;
};

/// Inputs of products by columns -> the same as their tiles want them.
using PackedInputs = DenseMap<Value, Value>;

/// Code generation for one generic (and the generics fused into it).
class VectorEmitter {
public:
  /// `packedInputs` is shared by the products of a function.
  VectorEmitter(linalg::GenericOp op, const CpuLevel &cpu,
                PackedInputs &packedInputs)
      : op(op), cpu(cpu), b(op.getLoc(), op), packedInputs(packedInputs) {
    ranges = op.getStaticLoopRanges();
    iterators = op.getIteratorTypesArray();
  }

  /// Replaces the generic, or the last one of the chain that hangs on it.
  LogicalResult emit();

private:
  bool isContraction();
  void emitContraction();
  /// Whether vectors along the lanes are multiplied by such: a depthwise
  /// convolution.
  bool isDepthwise();
  void emitDepthwise();
  /// Some pixels of a row of its result, from `first` on, of one panel; the
  /// result with those stored in it.
  Value emitPixels(Value first, int64_t pixels, Loops loops, Value out);
  /// Finds what follows the product and begins where that ends; the tensor that
  /// the result is to be stored in.
  Value takeEpilogue();
  /// `result` instead of the product and what follows it, which are erased.
  void replaceWith(Value result);
  /// Computes a tile of the result, and what follows; the result with that
  /// stored in it.
  Value emitTile(const TileSite &site, Loops loops, Value out);
  /// Whether the weight's columns are multiplied two at a time, and rows too.
  bool isByColumns() const { return isDot && columnBits() == 64; }
  bool isPaired() const { return isByColumns() && cpu.mmla && !isUnsigned; }
  /// As emitTile; of pairs of rows if there is more than one row.
  Value emitColumns(const TileSite &site, Loops loops, Value out);
  /// Arranges the input of a product by columns as its tiles want it, if that
  /// pays and no product before this one did; null if it does not.
  Value packInput();
  /// Of a product by columns: the weight's numbers in a vector, which has two
  /// sums of each column.
  int64_t numbersOfColumns() const { return cpu.lanes / 2 * side; }
  /// Whether vectors of the weight are multiplied by lanes of the input's.
  bool isByLane() const;
  /// As emitTile.
  Value emitByLane(const TileSite &site, Loops loops, Value out);
  /// Sets the loops over the result to row `r` and panel `p` of the tile, the
  /// first lane.
  void enter(const TileSite &site, int64_t r, int64_t p, Loops &loops);
  /// Sums over k, by all of its loops: `count` vectors of `type`, each in as
  /// many parts, which `add` is given one part after the other, with `size`
  /// steps from `k` on: `steps`, or fewer at the end.
  using AddSteps =
      function_ref<void(Value k, int64_t size, MutableArrayRef<Value> sums)>;
  SmallVector<Value> sumOverDepth(int64_t count, VectorType type, int64_t parts,
                                  int64_t steps, Loops &loops, AddSteps add);
  /// Whether rows of rows are multiplied: the sums of a convolution, or of
  /// patches.
  bool isConvolution() const { return reduction.size() > 1; }
  /// Tells LLVM not to unroll the loop with these results, nor those in it: of
  /// a few steps over k it would unroll all, find numbers that several of them
  /// load, keep those, and spill sums.
  void keepRolled(ValueRange results);
  /// What follows the product, for `value` of the result's element at `loops`;
  /// the result with that stored in it.
  Value finish(Value value, const Loops &loops, Value out);
  /// Whether it is one matrix by another, of a known number of rows.
  bool isMatrix() const {
    return row && !ShapedType::isDynamic(ranges[*row]) && outer.empty() &&
           middle.empty() && reduction.size() == 1 &&
           aMap.getNumResults() == 2 &&
           aMap.getResult(0) == getAffineDimExpr(*row, b.getContext());
  }
  /// Whether the CPU's matrix registers do this product.
  bool isTiled() const;
  /// Panels of the result in blocks of matrix registers.
  Value emitBlocks(Value panelStart, int64_t panels, Loops loops, Value out);
  /// One or two tiles of rows below each other, which begin at `starts`; the
  /// first `skipped` rows of each are another's.
  Value emitBlock(ArrayRef<Value> starts, ArrayRef<int64_t> skipped,
                  Value panelStart, int64_t panels, Value position, Loops loops,
                  Value out);
  /// Rows of a block.
  int64_t blockRows() const;
  ProductKind kind() const {
    if (isByColumns())
      return isPaired() ? ProductKind::Pairs : ProductKind::Columns;
    bool isWidening = side > 1 && !isDot;
    if (isByLane())
      return isWidening ? ProductKind::WideningByLane : ProductKind::ByLane;
    return isWidening ? ProductKind::Widening : ProductKind::Plain;
  }
  /// The tile, also where the number of rows is not known.
  RegisterTile chooseTile(int64_t rows, int64_t panels);
  /// What `emit` makes of `current` if `bit` of `number` is set; `position`
  /// advances by that bit.
  Value ifBit(Value number, int64_t bit, Value &position, Value current,
              function_ref<Value(Value)> emit);
  /// Prefetches what this step over k of the tile has to bring in of the panels
  /// that come after its own.
  void prefetchNext(Value k, const TileSite &site, Loops loops);
  /// As prefetchNext, for `size` steps from `k` on; returns these.
  SmallVector<Value> prefetchSteps(Value k, int64_t size, const TileSite &site,
                                   const Loops &loops);
  /// Whether this copies so that another dimension is the last one; sets
  /// `source` to the last one of the input, `lane` to that of the result.
  bool isTransposition();
  void emitTransposition();
  std::optional<unsigned> findLane();
  void emitVector(unsigned lane);
  void emitScalar();

  // Pieces.
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value scaled(Value value, int64_t factor) {
    return b.createOrFold<arith::MulIOp>(value, index(factor));
  }
  Value evaluate(AffineExpr expr, const Loops &loops);
  SmallVector<Value> evaluate(AffineMap map, const Loops &loops);
  /// A loop over [first, last) in steps that carries `state`, whose iterations
  /// may be independent of each other.
  SmallVector<Value>
  loop(int64_t first, int64_t last, int64_t step, ValueRange state,
       function_ref<SmallVector<Value>(Value, ValueRange)> body,
       bool isParallel = false);
  SmallVector<Value>
  loop(Value first, Value last, int64_t step, ValueRange state,
       function_ref<SmallVector<Value>(Value, ValueRange)> body,
       bool isParallel = false);
  /// How many values the loop of dimension `d` takes, known or not.
  Value extent(unsigned d);
  /// Nested loops over `dims` of the generic; `loops` gets their values.
  SmallVector<Value> nest(ArrayRef<unsigned> dims, Loops &loops,
                          ValueRange state,
                          function_ref<SmallVector<Value>(ValueRange)> body);
  /// What `value` is for these loops: a vector if the map ends in the lane's
  /// dimension, else a scalar.
  Value load(Value value, AffineMap map, const Loops &loops,
             std::optional<unsigned> lane);
  Value loadVector(Value tensor, ValueRange indices, int64_t lanes = kPanel);
  /// Of a contraction with weights side by side, those of a panel and step: all
  /// of them, or `size` from `first` on.
  Value loadPacked(Loops loops, int64_t first, int64_t size);
  Value loadPacked(const Loops &loops) {
    return loadPacked(loops, 0, kPanel * side);
  }
  Value broadcast(Value scalar);
  /// Of the packed weights `bits` of some columns, those with number `which` in
  /// each of them, as f32.
  Value widen(Value bits, int64_t which);
  Value store(Value value, Value tensor, AffineMap map, const Loops &loops);
  Value storeVector(Value vector, Value tensor, ValueRange indices);
  /// The body's yielded value for these arguments, scalars or vectors.
  Value inlineBody(linalg::GenericOp generic, ValueRange arguments,
                   bool vector);
  Value multiplyAdd(Value x, Value y, Value sum);
  /// The sum of two sums of products.
  Value addUp(Value x, Value y);
  Value zero(Type element) {
    return arith::ConstantOp::create(b, b.getZeroAttr(vectorType(element)));
  }
  VectorType vectorType(Type element) {
    return VectorType::get({kPanel}, element);
  }

  linalg::GenericOp op;
  const CpuLevel &cpu;
  ImplicitLocOpBuilder b;
  PackedInputs &packedInputs;
  SmallVector<int64_t> ranges;
  SmallVector<utils::IteratorType> iterators;
  // Of a transposition (and `lane`).
  unsigned source = 0;
  // Of a contraction.
  unsigned lane = 0, panel = 0;
  std::optional<unsigned> row;
  AffineMap aMap, bMap, cMap;
  Value aTensor, bTensor;
  // Loops around the panels (the weight has them), between panels and rows (it
  // has not), and over k.
  SmallVector<unsigned> outer, middle, reduction;
  Value bMemory; // The weight in memory, to prefetch; null for activations.
  Type sumType;
  // Of a contraction with a weight of bf16 or i8: how many of its numbers lie
  // side by side in a column, and their dimension.
  int64_t side = 1;
  unsigned sideDim = 0;
  /// Bits of them.
  int64_t columnBits() const {
    Type element = getElementTypeOrSelf(bTensor.getType());
    return side * element.getIntOrFloatBitWidth();
  }
  // Of one by columns, if it was arranged: the input [groups of rows, k, a
  // vector].
  Value packedInput;
  // The weight with lanes and numbers as one dimension; the same in memory, as
  // rows of 64 bytes, null for activations.
  Value bLanes, bTiles;
  // Whether inputs are of the weight's type, and multiplied as they are; and
  // unsigned.
  bool isDot = false, isUnsigned = false;
  int64_t pixelStride = 0; // Of a depthwise convolution, along a row.
  RegisterTile tile;
  int64_t prefetchedLanes = 0; // in each step over k
  /// Element-wise generics that read the result and nothing else does.
  SmallVector<linalg::GenericOp> epilogue;
};

/// The lanes of `x`, then those of `y`, of as many.
inline Value joinVectors(ImplicitLocOpBuilder &b, Value x, Value y) {
  int64_t size = cast<VectorType>(x.getType()).getNumElements();
  return vector::ShuffleOp::create(b, x, y,
                                   llvm::to_vector(llvm::seq(2 * size)));
}

/// Vectors of one size side by side, a power of two of them.
Value joinVectors(ImplicitLocOpBuilder &b, ArrayRef<Value> pieces);

/// Fails, with an error, unless code can be made for the op: one result,
/// tensors of numbers, arithmetic only.
LogicalResult verifyVectorizable(linalg::GenericOp op);

/// Whether `value` is filled with zeros.
bool isZeroFill(Value value);

/// Whether the op sums products: out + a * b, of floats or integers, either
/// factor perhaps extended to the type of the sum.
bool isMultiplyAdd(linalg::GenericOp op);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_VECTOREMITTER_H
