//===- VectorEmitter.cpp - Loops over vectors of 16 lanes -----------------===//

#include "VectorEmitter.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;
using utils::IteratorType;

Value mlir::moe::joinVectors(ImplicitLocOpBuilder &b, ArrayRef<Value> pieces) {
  if (pieces.size() == 1)
    return pieces.front();
  size_t half = pieces.size() / 2;
  return joinVectors(b, joinVectors(b, pieces.take_front(half)),
                     joinVectors(b, pieces.drop_front(half)));
}

Value VectorEmitter::evaluate(AffineExpr expr, const Loops &loops) {
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

SmallVector<Value> VectorEmitter::evaluate(AffineMap map, const Loops &loops) {
  return llvm::map_to_vector(
      map.getResults(), [&](AffineExpr expr) { return evaluate(expr, loops); });
}

SmallVector<Value>
VectorEmitter::loop(int64_t first, int64_t last, int64_t step, ValueRange state,
                    function_ref<SmallVector<Value>(Value, ValueRange)> body,
                    bool isParallel) {
  if (first + step >= last)
    return first >= last ? SmallVector<Value>(state)
                         : body(index(first), state);
  return loop(index(first), index(last), step, state, body, isParallel);
}

SmallVector<Value>
VectorEmitter::loop(Value first, Value last, int64_t step, ValueRange state,
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

void VectorEmitter::keepRolled(ValueRange results) {
  auto outermost = results.front().getDefiningOp<scf::ForOp>();
  if (!outermost)
    return;
  MLIRContext *context = b.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(context, b.getBoolAttr(true), {}, {},
                                          {}, {}, {}, {});
  auto annotation = LLVM::LoopAnnotationAttr::get(
      context, {}, {}, {}, unroll, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {});
  outermost->walk([&](scf::ForOp loop) {
    loop->setAttr("llvm.loop_annotation", annotation);
  });
}

Value VectorEmitter::extent(unsigned d) {
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
VectorEmitter::nest(ArrayRef<unsigned> dims, Loops &loops, ValueRange state,
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

Value VectorEmitter::loadVector(Value tensor, ValueRange indices,
                                int64_t lanes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Value padding = ub::PoisonOp::create(b, type.getElementType());
  bool inBounds = true;
  return vector::TransferReadOp::create(
      b, VectorType::get({lanes}, type.getElementType()), tensor, indices,
      padding,
      AffineMap::getMinorIdentityMap(type.getRank(), 1, b.getContext()),
      ArrayRef<bool>(inBounds));
}

Value VectorEmitter::broadcast(Value scalar) {
  return vector::BroadcastOp::create(b, vectorType(scalar.getType()), scalar);
}

Value VectorEmitter::widen(Value bits, int64_t which) {
  int64_t words = columnBits() / 32, perWord = side / words;
  int64_t columns = cast<VectorType>(bits.getType()).getNumElements() / side;
  auto wordsType = VectorType::get({columns * words}, b.getI32Type());
  auto type = VectorType::get({columns}, b.getI32Type());
  auto wide = VectorType::get({columns}, b.getF32Type());
  Value lanes = vector::BitCastOp::create(b, wordsType, bits);
  if (words > 1) {
    SmallVector<int64_t> own;
    for (int64_t c = 0; c < columns; ++c)
      own.push_back(c * words + which / perWord);
    lanes = vector::ShuffleOp::create(b, lanes, lanes, own);
    which %= perWord;
  }
  auto constant = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, b.getI32IntegerAttr(value)));
  };
  if (getElementTypeOrSelf(bits.getType()).isInteger(8)) {
    if (which < 3)
      lanes = arith::ShLIOp::create(b, lanes, constant(24 - 8 * which));
    Value number = arith::ShRSIOp::create(b, lanes, constant(24));
    return arith::SIToFPOp::create(b, wide, number);
  }
  // A bf16 is the upper half of an f32.
  Value upper =
      which == 0
          ? arith::ShLIOp::create(b, lanes, constant(16)).getResult()
          : arith::AndIOp::create(b, lanes, constant(int32_t(0xffff0000)));
  return arith::BitcastOp::create(b, wide, upper);
}

Value VectorEmitter::load(Value value, AffineMap map, const Loops &loops,
                          std::optional<unsigned> lane) {
  if (!isa<RankedTensorType>(value.getType()))
    return value;
  SmallVector<Value> indices = evaluate(map, loops);
  if (lane && map.getNumResults() > 0 &&
      map.getResults().back() == b.getAffineDimExpr(*lane))
    return loadVector(value, indices);
  return tensor::ExtractOp::create(b, value, indices);
}

Value VectorEmitter::store(Value value, Value tensor, AffineMap map,
                           const Loops &loops) {
  SmallVector<Value> indices = evaluate(map, loops);
  if (!isa<VectorType>(value.getType()))
    return tensor::InsertOp::create(b, value, tensor, indices);
  return storeVector(value, tensor, indices);
}

Value VectorEmitter::storeVector(Value vector, Value tensor,
                                 ValueRange indices) {
  bool inBounds = true;
  return vector::TransferWriteOp::create(
             b, vector, tensor, indices,
             AffineMap::getMinorIdentityMap(indices.size(), 1, b.getContext()),
             ArrayRef<bool>(inBounds))
      .getResult();
}

Value VectorEmitter::inlineBody(GenericOp generic, ValueRange arguments,
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

Value VectorEmitter::multiplyAdd(Value x, Value y, Value sum) {
  // Without the instruction, fma() would be a call into libm for each lane.
  if (cpu.fma)
    return vector::FMAOp::create(b, x, y, sum);
  return arith::AddFOp::create(b, arith::MulFOp::create(b, x, y), sum);
}

Value VectorEmitter::addUp(Value x, Value y) {
  if (sumType.isF32())
    return arith::AddFOp::create(b, x, y);
  return arith::AddIOp::create(b, x, y);
}

//===----------------------------------------------------------------------===//
// Generics other than products and transpositions
//===----------------------------------------------------------------------===//

/// The dimension that vectors run along: the last one of every operand that has
/// it, with 16 entries.
std::optional<unsigned> VectorEmitter::findLane() {
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
static std::optional<vector::CombiningKind> combiningKind(GenericOp op) {
  SmallVector<Operation *> combiners;
  if (!matchReduction(op.getRegionOutputArgs(), 0, combiners) ||
      combiners.size() != 1)
    return std::nullopt;
  Type element = getElementTypeOrSelf(op.getResult(0).getType());
  if (isa<arith::MaxSIOp>(combiners[0]))
    return vector::CombiningKind::MAXSI;
  if (!element.isF32())
    return std::nullopt;
  if (isa<arith::AddFOp>(combiners[0]))
    return vector::CombiningKind::ADD;
  if (isa<arith::MaxNumFOp>(combiners[0]) &&
      llvm::is_contained(combiners[0]->getOperands(),
                         op.getRegionInputArgs()[0]))
    return vector::CombiningKind::MAXNUMF;
  return std::nullopt;
}

void VectorEmitter::emitVector(unsigned lane) {
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

void VectorEmitter::emitScalar() {
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

/// Whether `evaluate` knows the expression.
static bool isSumOfProducts(AffineExpr expr) {
  if (isa<AffineDimExpr, AffineConstantExpr>(expr))
    return true;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  return binary &&
         (binary.getKind() == AffineExprKind::Add ||
          binary.getKind() == AffineExprKind::Mul) &&
         isSumOfProducts(binary.getLHS()) && isSumOfProducts(binary.getRHS());
}

/// Whether sizes are small enough for sums and products of a few of them; those
/// that are not known count as 1.
static bool hasUsualSize(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return true;
  SmallVector<int64_t> shape(tensor.getShape());
  llvm::replace(shape, ShapedType::kDynamic, int64_t(1));
  return hasModelSize(RankedTensorType::get(shape, tensor.getElementType()));
}

LogicalResult mlir::moe::verifyVectorizable(GenericOp op) {
  auto fail = [&](const Twine &message) {
    return op.emitOpError("cannot be vectorised: expected ") << message;
  };
  if (op.getNumDpsInits() != 1 || !op.hasPureTensorSemantics())
    return fail("one result and tensors");
  for (Type type : op->getOperandTypes()) {
    if (!getElementTypeOrSelf(type).isIntOrIndexOrFloat())
      return fail("numbers as elements");
    if (!hasUsualSize(type))
      return fail("sizes of a model");
  }
  for (AffineMap map : op.getIndexingMapsArray())
    if (!llvm::all_of(map.getResults(), isSumOfProducts))
      return fail("sums and products of loops as indices");
  // A loop's length is that of a dimension.
  for (unsigned d = 0; d < op.getNumLoops(); ++d) {
    AffineExpr loop = getAffineDimExpr(d, op.getContext());
    if (llvm::none_of(op.getIndexingMapsArray(), [&](AffineMap map) {
          return map.getResultPosition(loop).has_value();
        }))
      return fail("a dimension of an operand for each loop");
  }
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (!isa<arith::ArithDialect, math::MathDialect>(inner.getDialect()) ||
        inner.getNumResults() != 1 ||
        !inner.getResult(0).getType().isIntOrIndexOrFloat())
      return fail("arithmetic on numbers, found " +
                  inner.getName().getStringRef());
  }
  return success();
}

LogicalResult VectorEmitter::emit() {
  if (isContraction()) {
    emitContraction();
    return success();
  }
  if (isDepthwise()) {
    emitDepthwise();
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
