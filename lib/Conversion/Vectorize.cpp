//===- Vectorize.cpp - linalg to loops over vectors of 16 lanes -----------===//
//
// Works on tensors: loops carry the result, bufferisation makes that in place.
//
//===----------------------------------------------------------------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Conversion/RegisterTile.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

namespace mlir::moe {
#define GEN_PASS_DEF_VECTORIZE
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;
using utils::IteratorType;

namespace {

/// Of tiles that share a panel, where their number is known at run time only:
/// each prefetches its share of the next panels.
constexpr int64_t kGuessedTiles = 2;

/// Lanes of 128 bits, the least that a vector register has.
constexpr int64_t kQuarter = 4;

/// The value of each loop of a generic; null for those that are not open.
using Loops = SmallVector<Value>;

/// Code generation for one generic (and the generics fused into it).
class Emitter {
public:
  Emitter(GenericOp op, const CpuLevel &cpu)
      : op(op), cpu(cpu), b(op.getLoc(), op) {
    ranges = op.getStaticLoopRanges();
    iterators = op.getIteratorTypesArray();
  }

  /// Replaces the generic, or the last one of the chain that hangs on it.
  LogicalResult emit();

private:
  bool isContraction();
  void emitContraction();
  void emitContractionTile(Value rowStart, int64_t rows, Value panelStart,
                           int64_t panels, Value position, Loops loops,
                           Value &out);
  /// The tile, also where the number of rows is not known.
  RegisterTile chooseTile(int64_t rows, int64_t panels);
  /// What `emit` makes of `current` if `bit` of `number` is set; `position`
  /// advances by that bit.
  Value ifBit(Value number, int64_t bit, Value &position, Value current,
              function_ref<Value(Value)> emit);
  /// Prefetches what this step over k of the tile has to bring in of the panels
  /// that come after these; `tile` counts the tiles that share a panel.
  void prefetchNext(Value k, Value tile, Value panelStart, int64_t panels,
                    Loops loops);
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
  Value broadcast(Value scalar);
  /// Of the packed weights `bits`, those with number `which` in each lane, as
  /// f32.
  Value widen(Value bits, int64_t which);
  Value store(Value value, Value tensor, AffineMap map, const Loops &loops);
  /// The body's yielded value for these arguments, scalars or vectors.
  Value inlineBody(GenericOp generic, ValueRange arguments, bool vector);
  Value multiplyAdd(Value x, Value y, Value sum);
  Value zero(Type element) {
    return arith::ConstantOp::create(b, b.getZeroAttr(vectorType(element)));
  }
  VectorType vectorType(Type element) {
    return VectorType::get({kPanel}, element);
  }

  GenericOp op;
  const CpuLevel &cpu;
  ImplicitLocOpBuilder b;
  SmallVector<int64_t> ranges;
  SmallVector<IteratorType> iterators;
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
  // Of a contraction of bf16 or i8: the number of weights side by side in a
  // lane, and their dimension; the weight with both in one dimension; whether
  // the inputs are as low, so that they can be multiplied as they are.
  int64_t side = 1;
  unsigned sideDim = 0;
  Value bLanes;
  bool isDot = false, isUnsigned = false;
  Type sumType;
  ProductKind kind() const {
    return side > 1 && !isDot ? ProductKind::Widening : ProductKind::Plain;
  }
  RegisterTile tile;
  int64_t prefetchedLanes = 0; // in each step over k
  /// Element-wise generics that read the result and nothing else does.
  SmallVector<GenericOp> epilogue;
};

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

Value Emitter::evaluate(AffineExpr expr, const Loops &loops) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return loops[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return index(constant.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = evaluate(binary.getLHS(), loops);
  Value rhs = evaluate(binary.getRHS(), loops);
  if (binary.getKind() == AffineExprKind::Add)
    return b.createOrFold<arith::AddIOp>(lhs, rhs);
  assert(binary.getKind() == AffineExprKind::Mul && "only sums and products");
  return b.createOrFold<arith::MulIOp>(lhs, rhs);
}

SmallVector<Value> Emitter::evaluate(AffineMap map, const Loops &loops) {
  return llvm::map_to_vector(
      map.getResults(), [&](AffineExpr expr) { return evaluate(expr, loops); });
}

SmallVector<Value>
Emitter::loop(int64_t first, int64_t last, int64_t step, ValueRange state,
              function_ref<SmallVector<Value>(Value, ValueRange)> body,
              bool isParallel) {
  if (first + step >= last)
    return first >= last ? SmallVector<Value>(state)
                         : body(index(first), state);
  return loop(index(first), index(last), step, state, body, isParallel);
}

SmallVector<Value>
Emitter::loop(Value first, Value last, int64_t step, ValueRange state,
              function_ref<SmallVector<Value>(Value, ValueRange)> body,
              bool isParallel) {
  auto loop = scf::ForOp::create(b, first, last, index(step), state);
  if (isParallel)
    loop->setAttr(kParallelAttr, b.getUnitAttr());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> results =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, results);
  return SmallVector<Value>(loop.getResults());
}

Value Emitter::extent(unsigned d) {
  if (!ShapedType::isDynamic(ranges[d]))
    return index(ranges[d]);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (std::optional<unsigned> position =
            map.getResultPosition(b.getAffineDimExpr(d)))
      return tensor::DimOp::create(b, operand.get(), *position);
  }
  llvm_unreachable("every loop has an operand's dimension");
}

SmallVector<Value>
Emitter::nest(ArrayRef<unsigned> dims, Loops &loops, ValueRange state,
              function_ref<SmallVector<Value>(ValueRange)> body) {
  if (dims.empty())
    return body(state);
  auto inside = [&](Value i, ValueRange inner) {
    loops[dims.front()] = i;
    return nest(dims.drop_front(), loops, inner, body);
  };
  int64_t range = ranges[dims.front()];
  bool isParallel = iterators[dims.front()] == IteratorType::parallel;
  return ShapedType::isDynamic(range)
             ? loop(index(0), extent(dims.front()), 1, state, inside,
                    isParallel)
             : loop(0, range, 1, state, inside, isParallel);
}

Value Emitter::loadVector(Value tensor, ValueRange indices, int64_t lanes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Value padding = ub::PoisonOp::create(b, type.getElementType());
  bool inBounds = true;
  return vector::TransferReadOp::create(
      b, VectorType::get({lanes}, type.getElementType()), tensor, indices,
      padding,
      AffineMap::getMinorIdentityMap(type.getRank(), 1, b.getContext()),
      ArrayRef<bool>(inBounds));
}

Value Emitter::broadcast(Value scalar) {
  return vector::BroadcastOp::create(b, vectorType(scalar.getType()), scalar);
}

Value Emitter::widen(Value bits, int64_t which) {
  Value lanes = vector::BitCastOp::create(b, vectorType(b.getI32Type()), bits);
  auto constant = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(vectorType(b.getI32Type()),
                                  b.getI32IntegerAttr(value)));
  };
  // A bf16 is the upper half of an f32.
  Value upper =
      which == 0
          ? arith::ShLIOp::create(b, lanes, constant(16)).getResult()
          : arith::AndIOp::create(b, lanes, constant(int32_t(0xffff0000)));
  return arith::BitcastOp::create(b, vectorType(b.getF32Type()), upper);
}

Value Emitter::load(Value value, AffineMap map, const Loops &loops,
                    std::optional<unsigned> lane) {
  if (!isa<RankedTensorType>(value.getType()))
    return value;
  SmallVector<Value> indices = evaluate(map, loops);
  if (lane && map.getNumResults() > 0 &&
      map.getResults().back() == b.getAffineDimExpr(*lane))
    return loadVector(value, indices);
  return tensor::ExtractOp::create(b, value, indices);
}

Value Emitter::store(Value value, Value tensor, AffineMap map,
                     const Loops &loops) {
  SmallVector<Value> indices = evaluate(map, loops);
  if (!isa<VectorType>(value.getType()))
    return tensor::InsertOp::create(b, value, tensor, indices);
  bool inBounds = true;
  return vector::TransferWriteOp::create(
             b, value, tensor, indices,
             AffineMap::getMinorIdentityMap(indices.size(), 1, b.getContext()),
             ArrayRef<bool>(inBounds))
      .getResult();
}

Value Emitter::inlineBody(GenericOp generic, ValueRange arguments,
                          bool vector) {
  IRMapping map;
  for (auto [argument, value] :
       llvm::zip(generic.getBody()->getArguments(), arguments))
    map.map(argument, value);
  auto get = [&](Value value) {
    Value known = map.lookupOrDefault(value);
    if (!vector || isa<VectorType>(known.getType()))
      return known;
    Value lanes = broadcast(known);
    map.map(value, lanes);
    return lanes;
  };
  for (Operation &inner : generic.getBody()->without_terminator()) {
    if (!vector || inner.getNumOperands() == 0) {
      b.clone(inner, map);
      continue;
    }
    SmallVector<Value> operands = llvm::map_to_vector(inner.getOperands(), get);
    OperationState state(b.getLoc(), inner.getName(), operands,
                         {vectorType(inner.getResult(0).getType())},
                         inner.getAttrs());
    map.map(inner.getResult(0), b.create(state)->getResult(0));
  }
  return get(generic.getBody()->getTerminator()->getOperand(0));
}

Value Emitter::multiplyAdd(Value x, Value y, Value sum) {
  // Without the instruction, fma() would be a call into libm for each lane.
  if (cpu.fma)
    return vector::FMAOp::create(b, x, y, sum);
  return arith::AddFOp::create(b, arith::MulFOp::create(b, x, y), sum);
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

/// What `value` was before it was extended to the type of the sums.
static Value beforeExtension(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp>(op)
             ? op->getOperand(0)
             : value;
}

/// Whether the op sums products: out + a * b, of floats or integers, either
/// factor perhaps extended to the type of the sum.
bool isMultiplyAdd(GenericOp op) {
  Block &body = *op.getBody();
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() == 0)
    return false;
  Operation *add = body.getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_nonnull<arith::AddFOp, arith::AddIOp>(add) ||
      add->getOperand(0) != body.getArgument(2))
    return false;
  Operation *mul = add->getOperand(1).getDefiningOp();
  return isa_and_nonnull<arith::MulFOp, arith::MulIOp>(mul) &&
         beforeExtension(mul->getOperand(0)) == body.getArgument(0) &&
         beforeExtension(mul->getOperand(1)) == body.getArgument(1);
}

bool isZeroFill(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill && (matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) ||
                  matchPattern(fill.getInputs()[0], m_Zero()));
}

bool Emitter::isContraction() {
  if (!isMultiplyAdd(op) || !isZeroFill(op.getDpsInits()[0]))
    return false;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  aMap = maps[0], bMap = maps[1], cMap = maps[2];
  aTensor = op.getDpsInputs()[0], bTensor = op.getDpsInputs()[1];
  if (!cMap.isProjectedPermutation() || !bMap.isProjectedPermutation() ||
      cMap.getNumResults() < 2)
    return false;
  lane = cMap.getDimPosition(cMap.getNumResults() - 1);
  panel = cMap.getDimPosition(cMap.getNumResults() - 2);
  if (ranges[lane] != kPanel || aMap.isFunctionOfDim(lane) ||
      aMap.isFunctionOfDim(panel) || !bMap.isFunctionOfDim(panel))
    return false;
  sumType = getElementTypeOrSelf(op.getResult(0).getType());
  unsigned last = bMap.getDimPosition(bMap.getNumResults() - 1);
  if (last != lane) {
    // Weights side by side, in 32 bits for each lane.
    Type element = getElementTypeOrSelf(bTensor.getType());
    side = ranges[last], sideDim = last;
    if (bMap.getNumResults() < 2 ||
        bMap.getDimPosition(bMap.getNumResults() - 2) != lane ||
        iterators[last] != IteratorType::reduction ||
        side * element.getIntOrFloatBitWidth() != 32)
      return false;
    isDot = getElementTypeOrSelf(aTensor.getType()) == element;
    isUnsigned = llvm::any_of(op.getBody()->getArgument(0).getUsers(),
                              llvm::IsaPred<arith::ExtUIOp>);
  } else if (!sumType.isF32() || getElementTypeOrSelf(aTensor.getType()) !=
                                     getElementTypeOrSelf(bTensor.getType())) {
    return false;
  }
  for (unsigned d = 0; d < iterators.size(); ++d) {
    if (iterators[d] == IteratorType::reduction) {
      if (side == 1 || d != sideDim)
        reduction.push_back(d);
    } else if (d != lane && d != panel)
      (bMap.isFunctionOfDim(d) ? outer : middle).push_back(d);
  }
  // The innermost dimension that the weight does not have: its rows share the
  // weight's vectors.
  if (!middle.empty())
    row = middle.pop_back_val();
  // Only how many rows there are may be unknown.
  for (unsigned d = 0; d < ranges.size(); ++d)
    if (ShapedType::isDynamic(ranges[d]) && row != d)
      return false;
  return !reduction.empty();
}

/// The single reader of `op` if it is element-wise over all of op's result.
GenericOp elementwiseReader(GenericOp op) {
  Value result = op.getResult(0);
  if (!result.hasOneUse())
    return {};
  OpOperand &use = *result.getUses().begin();
  auto reader = dyn_cast<GenericOp>(use.getOwner());
  if (!reader || reader->getBlock() != op->getBlock() ||
      reader.getNumDpsInits() != 1 ||
      reader.getNumLoops() != reader.getNumParallelLoops())
    return {};
  AffineMap map = reader.getMatchingIndexingMap(&use);
  AffineMap outMap = reader.getIndexingMapsArray().back();
  auto type = cast<RankedTensorType>(result.getType());
  bool isInput = reader.isDpsInput(&use);
  if (!isInput || !map.isPermutation() || !outMap.isPermutation() ||
      map.getResults().back() != outMap.getResults().back() ||
      int64_t(reader.getNumLoops()) != type.getRank())
    return {};
  // Every other operand is a scalar, or its lanes are those of the result.
  AffineExpr lane = outMap.getResults().back();
  for (OpOperand *operand : reader.getDpsInputOperands()) {
    AffineMap other = reader.getMatchingIndexingMap(operand);
    if (!other.isProjectedPermutation() ||
        (other.isFunctionOfDim(cast<AffineDimExpr>(lane).getPosition()) &&
         other.getResults().back() != lane))
      return {};
  }
  return reader;
}

/// The buffer that `tensor` is a view of, seen as the same view; null if it is
/// no weight.
static Value weightMemory(ImplicitLocOpBuilder &b, Value tensor) {
  Operation *def = tensor.getDefiningOp();
  if (auto base = dyn_cast_or_null<bufferization::ToTensorOp>(def))
    return base.getBuffer().getDefiningOp<WeightsOp>() ? base.getBuffer()
                                                       : Value();
  if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(def)) {
    Value source = weightMemory(b, expand.getSrc());
    if (!source)
      return {};
    return memref::ExpandShapeOp::create(
        b, expand.getResultType().getShape(), source,
        expand.getReassociationIndices(), expand.getMixedOutputShape());
  }
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(def)) {
    Value source = weightMemory(b, slice.getSource());
    if (!source || slice.getType().getRank() != slice.getSourceType().getRank())
      return {};
    return memref::SubViewOp::create(b, source, slice.getMixedOffsets(),
                                     slice.getMixedSizes(),
                                     slice.getMixedStrides());
  }
  return {};
}

void Emitter::prefetchNext(Value k, Value tile, Value panelStart,
                           int64_t panels, Loops loops) {
  // The next panels follow each other in memory, so a place in them is a
  // distance from where they begin, whatever panel it is of.
  int64_t stride = prefetchedLanes * ranges[reduction.back()];
  Value distance = scaled(k, prefetchedLanes);
  for (unsigned d : llvm::reverse(ArrayRef(reduction).drop_back())) {
    distance =
        b.createOrFold<arith::AddIOp>(distance, scaled(loops[d], stride));
    stride *= ranges[d];
    loops[d] = index(0);
  }
  distance = b.createOrFold<arith::AddIOp>(distance, scaled(tile, stride));
  loops[panel] = b.createOrFold<arith::AddIOp>(panelStart, index(panels));
  loops[reduction.back()] = index(0);
  if (side > 1)
    loops[sideDim] = index(0);
  for (int64_t i = 0; i < prefetchedLanes; i += kPanel) {
    loops[lane] = b.createOrFold<arith::AddIOp>(distance, index(i));
    // To the second-level cache: the first has no room for the next panels.
    memref::PrefetchOp::create(b, bMemory, evaluate(bMap, loops),
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  }
}

void Emitter::emitContractionTile(Value rowStart, int64_t rows,
                                  Value panelStart, int64_t panels,
                                  Value position, Loops loops, Value &out) {
  auto at = [&](int64_t r, int64_t p) {
    if (row)
      loops[*row] = b.createOrFold<arith::AddIOp>(rowStart, index(r));
    loops[panel] = b.createOrFold<arith::AddIOp>(panelStart, index(p));
    loops[lane] = index(0);
  };
  // Accumulators in registers through all loops over k.
  Value none = zero(sumType);
  SmallVector<Value> accumulators(rows * panels, none);
  auto loadWeights = [&](int64_t p) {
    at(0, p);
    if (side == 1)
      return loadVector(bTensor, evaluate(bMap, loops));
    loops[sideDim] = index(0);
    SmallVector<Value> indices = evaluate(bMap, loops);
    indices.pop_back();
    return loadVector(bLanes, indices, kPanel * side);
  };
  // One number of the input in all lanes, or as many as a lane holds.
  auto loadInput = [&](int64_t r, int64_t which) {
    at(r, 0);
    if (side > 1)
      loops[sideDim] = index(which);
    SmallVector<Value> indices = evaluate(aMap, loops);
    if (!isDot)
      return broadcast(tensor::ExtractOp::create(b, aTensor, indices));
    Value few = loadVector(aTensor, indices, side);
    Value bits =
        vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), few);
    Value lanes = broadcast(vector::ExtractOp::create(b, bits, int64_t(0)));
    Type element = getElementTypeOrSelf(aTensor.getType());
    return Value(vector::BitCastOp::create(
        b, VectorType::get({kPanel * side}, element), lanes));
  };
  auto step = [&](ValueRange state) {
    SmallVector<Value> next(state);
    SmallVector<Value> packed, weights;
    for (int64_t p = 0; p < panels; ++p)
      packed.push_back(loadWeights(p));
    for (int64_t which = 0; which < (isDot ? 1 : side); ++which) {
      weights = packed;
      if (side > 1 && !isDot)
        for (Value &bits : weights)
          bits = widen(bits, which);
      for (int64_t r = 0; r < rows; ++r) {
        Value input = loadInput(r, which);
        for (int64_t p = 0; p < panels; ++p) {
          Value &sum = next[r * panels + p];
          sum = isDot ? DotOp::create(b, sum, input, weights[p], isUnsigned)
                      : multiplyAdd(input, weights[p], sum);
        }
      }
    }
    return next;
  };
  auto add = [&](Value x, Value y) -> Value {
    if (sumType.isF32())
      return arith::AddFOp::create(b, x, y);
    return arith::AddIOp::create(b, x, y);
  };
  unsigned inner = reduction.back();
  int64_t count = rows * panels, parts = partsOfDepth(rows, panels, cpu, kind());
  auto overDepth = [&](ValueRange start) -> SmallVector<Value> {
    // The tile's sums of each part, one part after the other.
    SmallVector<Value> sums(parts * count, none);
    llvm::copy(start, sums.begin());
    auto addPart = [&](Value k, int64_t part, SmallVectorImpl<Value> &sums) {
      if (prefetchedLanes > 0)
        prefetchNext(k, position, panelStart, panels, loops);
      loops[inner] = k;
      MutableArrayRef<Value> own(sums.data() + part * count, count);
      llvm::copy(step(own), own.begin());
    };
    int64_t whole = ranges[inner] / parts * parts;
    sums = loop(0, whole, parts, sums, [&](Value k, ValueRange state) {
      SmallVector<Value> next(state);
      for (int64_t part = 0; part < parts; ++part)
        addPart(b.createOrFold<arith::AddIOp>(k, index(part)), part, next);
      return next;
    });
    for (int64_t k = whole; k < ranges[inner]; ++k)
      addPart(index(k), k - whole, sums);
    // In pairs, not in a chain.
    for (int64_t n = parts; n > 1; n = (n + 1) / 2)
      for (int64_t i = 0; i < n / 2 * count; ++i)
        sums[i] = add(sums[i], sums[(n + 1) / 2 * count + i]);
    sums.resize(count);
    return sums;
  };
  accumulators =
      nest(ArrayRef(reduction).drop_back(), loops, accumulators, overDepth);

  // What follows happens while the tile is in registers.
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t p = 0; p < panels; ++p) {
      at(r, p);
      Value value = accumulators[r * panels + p];
      AffineMap map = cMap;
      Loops domain = loops;
      Value chained = op.getResult(0);
      for (GenericOp step : epilogue) {
        // The loops of this step, from where it reads the value.
        Loops inner(step.getNumLoops());
        for (OpOperand *operand : step.getDpsInputOperands())
          if (operand->get() == chained)
            for (auto [expr, source] :
                 llvm::zip(step.getMatchingIndexingMap(operand).getResults(),
                           map.getResults()))
              inner[cast<AffineDimExpr>(expr).getPosition()] =
                  evaluate(source, domain);
        AffineMap outMap = step.getIndexingMapsArray().back();
        unsigned stepLane =
            cast<AffineDimExpr>(outMap.getResults().back()).getPosition();
        SmallVector<Value> arguments;
        for (OpOperand &operand : step->getOpOperands()) {
          if (operand.get() == chained) {
            arguments.push_back(value);
            continue;
          }
          BlockArgument argument = step.getMatchingBlockArgument(&operand);
          bool isOut = step.isDpsInit(&operand);
          if (argument.use_empty()) {
            arguments.push_back(Value());
            continue;
          }
          // The result's old value comes from where it is written: in place.
          Value from = isOut && step == epilogue.back() ? out : operand.get();
          arguments.push_back(load(from, step.getMatchingIndexingMap(&operand),
                                   inner, stepLane));
        }
        value = inlineBody(step, arguments, /*vector=*/true);
        chained = step.getResult(0);
        map = outMap;
        domain = inner;
      }
      out = store(value, out, map, domain);
    }
  }
}

RegisterTile Emitter::chooseTile(int64_t rows, int64_t panels) {
  if (!ShapedType::isDynamic(rows))
    return chooseRegisterTile(rows, panels, cpu, kind());
  // A power of two, since the remainder is taken bit by bit.
  RegisterTile tile = chooseRegisterTile(/*rows=*/8, panels, cpu, kind());
  tile.rows = llvm::bit_floor(uint64_t(tile.rows));
  return tile;
}

Value Emitter::ifBit(Value number, int64_t bit, Value &position, Value current,
                     function_ref<Value(Value)> emit) {
  Value masked = arith::AndIOp::create(b, number, index(bit));
  Value isSet =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked, index(0));
  auto branch = scf::IfOp::create(b, current.getType(), isSet,
                                  /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, emit(current));
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, current);
  }
  position = arith::AddIOp::create(b, position, masked);
  return branch.getResult(0);
}

void Emitter::emitContraction() {
  GenericOp last = op;
  while (GenericOp reader = elementwiseReader(last)) {
    epilogue.push_back(reader);
    last = reader;
  }
  b.setInsertionPoint(last);
  Value out = last.getDpsInits()[0];
  if (last == op)
    out = out.getDefiningOp<linalg::FillOp>().getOutputs()[0];

  int64_t rows = row ? ranges[*row] : 1, panels = ranges[panel];
  tile = chooseTile(rows, panels);
  int64_t tilesPerRun = ShapedType::isDynamic(rows)
                            ? kGuessedTiles
                            : llvm::divideCeil(rows, tile.rows);
  int64_t tiles = tilesPerRun;
  for (unsigned d : middle)
    tiles *= ranges[d];
  if (side > 1) {
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i + 1 < int64_t(bMap.getNumResults()); ++i)
      groups.push_back({i});
    groups.back().push_back(bMap.getNumResults() - 1);
    bLanes = tensor::CollapseShapeOp::create(b, bTensor, groups);
  }
  bMemory = weightMemory(b, bTensor);
  if (bMemory)
    prefetchedLanes = planPrefetch(tile.panels, tiles);
  Loops loops(ranges.size());
  // Panels outside: a panel stays in the cache for all rows, and the weight is
  // streamed once.
  auto emitTile = [&](Value r, int64_t rowCount, Value p, int64_t panelCount,
                      Value current) {
    Value position = b.createOrFold<arith::DivUIOp>(r, index(tile.rows));
    int64_t stride = tilesPerRun;
    for (unsigned d : llvm::reverse(middle)) {
      position =
          b.createOrFold<arith::AddIOp>(position, scaled(loops[d], stride));
      stride *= ranges[d];
    }
    emitContractionTile(r, rowCount, p, panelCount, position, loops, current);
    return current;
  };
  // How many rows there are, and how many of them full tiles take.
  Value rowCount, wholeRows;
  if (ShapedType::isDynamic(rows)) {
    rowCount = extent(*row);
    Value rest = arith::RemUIOp::create(b, rowCount, index(tile.rows));
    wholeRows = arith::SubIOp::create(b, rowCount, rest);
  }
  auto overRows = [&](Value p, int64_t panelCount,
                      ValueRange start) -> SmallVector<Value> {
    auto fullTile = [&](Value r, ValueRange state) -> SmallVector<Value> {
      return {emitTile(r, tile.rows, p, panelCount, state[0])};
    };
    if (ShapedType::isDynamic(rows)) {
      SmallVector<Value> result =
          loop(index(0), wholeRows, tile.rows, start, fullTile, true);
      // The rows that are left, fewer than a tile: one of each power of two.
      Value r = wholeRows;
      for (int64_t count = tile.rows / 2; count >= 1; count /= 2)
        result = {ifBit(rowCount, count, r, result[0], [&](Value current) {
          return emitTile(r, count, p, panelCount, current);
        })};
      return result;
    }
    int64_t whole = rows / tile.rows * tile.rows;
    SmallVector<Value> result =
        loop(0, whole, tile.rows, start, fullTile, /*isParallel=*/true);
    if (whole < rows)
      result = {emitTile(index(whole), rows - whole, p, panelCount, result[0])};
    return result;
  };
  auto overPanels = [&](ValueRange start) {
    auto body = [&](Value p, int64_t panelCount, ValueRange state) {
      return nest(middle, loops, state, [&](ValueRange inner) {
        return overRows(p, panelCount, inner);
      });
    };
    int64_t whole = panels / tile.panels * tile.panels;
    SmallVector<Value> result = loop(
        0, whole, tile.panels, start,
        [&](Value p, ValueRange state) { return body(p, tile.panels, state); },
        /*isParallel=*/true);
    if (whole < panels)
      result = body(index(whole), panels - whole, result);
    return result;
  };
  Value result = nest(outer, loops, out, overPanels)[0];
  last.getResult(0).replaceAllUsesWith(result);
  for (GenericOp step : llvm::reverse(epilogue))
    step.erase();
  op.erase();
}

//===----------------------------------------------------------------------===//
// Transpositions
//===----------------------------------------------------------------------===//

bool Emitter::isTransposition() {
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

void Emitter::emitTransposition() {
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
  auto concat = [&](Value x, Value y) {
    int64_t size = cast<VectorType>(x.getType()).getNumElements();
    return shuffle(x, y, llvm::to_vector(llvm::seq(2 * size)));
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
      rows.push_back(
          concat(concat(load(r), load(r + kQuarter)),
                 concat(load(r + 2 * kQuarter), load(r + 3 * kQuarter))));
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

//===----------------------------------------------------------------------===//
// Everything else
//===----------------------------------------------------------------------===//

/// The dimension that vectors run along: the last one of every operand that has
/// it, with 16 entries.
std::optional<unsigned> Emitter::findLane() {
  for (unsigned d = 0; d < ranges.size(); ++d) {
    if (ranges[d] != kPanel)
      continue;
    AffineExpr expr = b.getAffineDimExpr(d);
    bool fits = false, ok = true;
    for (AffineMap map : op.getIndexingMapsArray()) {
      if (!map.isFunctionOfDim(d))
        continue;
      fits = true;
      ok &= map.getResults().back() == expr &&
            llvm::none_of(map.getResults().drop_back(),
                          [&](AffineExpr e) { return e.isFunctionOfDim(d); });
    }
    AffineMap outMap = op.getIndexingMapsArray().back();
    if (iterators[d] == IteratorType::parallel)
      ok &= outMap.isFunctionOfDim(d);
    if (fits && ok)
      return d;
  }
  return std::nullopt;
}

/// How the lanes of a reduction's accumulator are put together, if the body is
/// one of the reductions that vectors know.
std::optional<vector::CombiningKind> combiningKind(GenericOp op) {
  SmallVector<Operation *> combiners;
  if (!matchReduction(op.getRegionOutputArgs(), 0, combiners) ||
      combiners.size() != 1)
    return std::nullopt;
  if (isa<arith::AddFOp>(combiners[0]))
    return vector::CombiningKind::ADD;
  if (isa<arith::MaxSIOp>(combiners[0]))
    return vector::CombiningKind::MAXSI;
  if (isa<arith::MaxNumFOp>(combiners[0]) &&
      llvm::is_contained(combiners[0]->getOperands(),
                         op.getRegionInputArgs()[0]))
    return vector::CombiningKind::MAXNUMF;
  return std::nullopt;
}

void Emitter::emitVector(unsigned lane) {
  SmallVector<unsigned> parallel, reductions;
  for (unsigned d = 0; d < ranges.size(); ++d)
    if (d != lane)
      (iterators[d] == IteratorType::parallel ? parallel : reductions)
          .push_back(d);
  bool laneReduced = iterators[lane] == IteratorType::reduction;
  bool isMax =
      laneReduced && *combiningKind(op) == vector::CombiningKind::MAXNUMF;
  AffineMap outMap = op.getIndexingMapsArray().back();
  BlockArgument old = op.getRegionOutputArgs()[0];

  Loops loops(ranges.size());
  Value result = nest(
      parallel, loops, op.getDpsInits()[0],
      [&](ValueRange state) -> SmallVector<Value> {
        Value out = state[0];
        loops[lane] = index(0);
        Value initial, accumulator;
        if (!old.use_empty())
          initial = load(out, outMap, loops, lane);
        if (laneReduced) {
          // Integers begin with the result's own start: the largest of them
          // stays what it is.
          Type element = getElementTypeOrSelf(op.getResult(0).getType());
          if (isMax)
            accumulator = arith::ConstantOp::create(
                b, DenseElementsAttr::get(
                       vectorType(element),
                       -std::numeric_limits<float>::infinity()));
          else
            accumulator = element.isF32() ? zero(element) : broadcast(initial);
        } else {
          accumulator = initial;
        }
        auto body = [&](Value current) -> Value {
          SmallVector<Value> arguments;
          for (OpOperand *operand : op.getDpsInputOperands())
            arguments.push_back(load(operand->get(),
                                     op.getMatchingIndexingMap(operand), loops,
                                     lane));
          arguments.push_back(current);
          if (!isMax)
            return inlineBody(op, arguments, /*vector=*/true);
          // The number of the two, as the op says, in one instruction:
          // `current` never is a NaN.
          Value larger = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT,
                                               arguments[0], current);
          return arith::SelectOp::create(b, larger, arguments[0], current);
        };
        Value value;
        if (reductions.empty())
          value = body(accumulator);
        else
          value = nest(reductions, loops, accumulator,
                       [&](ValueRange inner) -> SmallVector<Value> {
                         return {body(inner[0])};
                       })[0];
        // In any order: else it is a chain of sixteen additions. The largest
        // lanes began with -inf and took no NaN.
        if (laneReduced)
          value = vector::ReductionOp::create(
              b, *combiningKind(op), value, initial,
              !getElementTypeOrSelf(value.getType()).isF32()
                  ? arith::FastMathFlags::none
                  : arith::FastMathFlags::reassoc |
                        (isMax ? arith::FastMathFlags::nnan
                               : arith::FastMathFlags::none));
        loops[lane] = index(0);
        return {store(value, out, outMap, loops)};
      })[0];
  op.getResult(0).replaceAllUsesWith(result);
  op.erase();
}

void Emitter::emitScalar() {
  // Parallel loops outside, so that the result's element is at hand.
  SmallVector<unsigned> order;
  for (IteratorType wanted : {IteratorType::parallel, IteratorType::reduction})
    for (unsigned d = 0; d < ranges.size(); ++d)
      if (iterators[d] == wanted)
        order.push_back(d);
  AffineMap outMap = op.getIndexingMapsArray().back();
  Loops loops(ranges.size());
  Value result =
      nest(order, loops, op.getDpsInits()[0],
           [&](ValueRange state) -> SmallVector<Value> {
             SmallVector<Value> arguments;
             for (OpOperand *operand : op.getDpsInputOperands())
               arguments.push_back(load(operand->get(),
                                        op.getMatchingIndexingMap(operand),
                                        loops, std::nullopt));
             arguments.push_back(load(state[0], outMap, loops, std::nullopt));
             Value value = inlineBody(op, arguments, /*vector=*/false);
             return {store(value, state[0], outMap, loops)};
           })[0];
  op.getResult(0).replaceAllUsesWith(result);
  op.erase();
}

LogicalResult Emitter::emit() {
  if (op.getNumDpsInits() != 1 || !op.hasPureTensorSemantics())
    return op.emitOpError("cannot be vectorised: expected one result and "
                          "tensors");
  if (isContraction()) {
    emitContraction();
    return success();
  }
  if (isTransposition()) {
    emitTransposition();
    return success();
  }
  std::optional<unsigned> lane = findLane();
  if (lane && (iterators[*lane] == IteratorType::parallel || combiningKind(op)))
    emitVector(*lane);
  else
    emitScalar();
  return success();
}

/// linalg.fill as a generic, so that one mechanism serves.
GenericOp generalizeFill(linalg::FillOp fill) {
  IRRewriter rewriter(fill.getContext());
  rewriter.setInsertionPoint(fill);
  FailureOr<GenericOp> generic = linalg::generalizeNamedOp(rewriter, fill);
  return *generic;
}

struct Vectorize : moe::impl::VectorizeBase<Vectorize> {
  using VectorizeBase::VectorizeBase;

  void runOnOperation() override {
    const CpuLevel *level = findCpuLevel(cpu);
    if (!level) {
      getOperation().emitError() << "unknown CPU '" << cpu << "'";
      return signalPassFailure();
    }
    // Products first: each takes the element-wise generics that follow it
    // along.
    SmallVector<GenericOp> products, others;
    getOperation().walk([&](GenericOp op) {
      if (isMultiplyAdd(op))
        products.push_back(op);
    });
    for (GenericOp op : products)
      if (failed(Emitter(op, *level).emit()))
        return signalPassFailure();
    getOperation().walk([&](GenericOp op) { others.push_back(op); });
    for (GenericOp op : others)
      if (failed(Emitter(op, *level).emit()))
        return signalPassFailure();
    SmallVector<linalg::FillOp> fills;
    getOperation().walk([&](linalg::FillOp fill) { fills.push_back(fill); });
    for (linalg::FillOp fill : fills) {
      if (fill->use_empty())
        fill.erase();
      else if (failed(Emitter(generalizeFill(fill), *level).emit()))
        return signalPassFailure();
    }
  }
};

} // namespace
