//===- EmitProduct.cpp - Matrix products in register tiles ----------------===//

#include "VectorEmitter.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::moe;
using linalg::GenericOp;
using utils::IteratorType;

/// Of tiles that share a panel, where their number is known at run time only:
/// each prefetches its share of the next panels.
static constexpr int64_t kGuessedTiles = 2;

/// What `value` was before it was extended to the type of the sums.
static Value beforeExtension(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp,
                   arith::SIToFPOp>(op)
             ? op->getOperand(0)
             : value;
}

bool mlir::moe::isMultiplyAdd(GenericOp op) {
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

bool mlir::moe::isZeroFill(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill && (matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) ||
                  matchPattern(fill.getInputs()[0], m_Zero()));
}

bool VectorEmitter::isContraction() {
  if (!isMultiplyAdd(op) || !isZeroFill(op.getDpsInits()[0]))
    return false;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  aMap = maps[0], bMap = maps[1], cMap = maps[2];
  aTensor = op.getDpsInputs()[0], bTensor = op.getDpsInputs()[1];
  if (!cMap.isProjectedPermutation() || !bMap.isProjectedPermutation() ||
      cMap.getNumResults() < 2 || aMap.getNumResults() == 0)
    return false;
  lane = cMap.getDimPosition(cMap.getNumResults() - 1);
  panel = cMap.getDimPosition(cMap.getNumResults() - 2);
  if (ranges[lane] != kPanel || aMap.isFunctionOfDim(lane) ||
      aMap.isFunctionOfDim(panel) || !bMap.isFunctionOfDim(panel))
    return false;
  sumType = getElementTypeOrSelf(op.getResult(0).getType());
  unsigned last = bMap.getDimPosition(bMap.getNumResults() - 1);
  if (last != lane) {
    // Weights side by side, in 32 or 64 bits for each lane.
    Type element = getElementTypeOrSelf(bTensor.getType());
    if (!(element.isBF16() || element.isInteger(8)) ||
        ShapedType::isDynamic(ranges[last]))
      return false;
    side = ranges[last], sideDim = last;
    if (bMap.getNumResults() < 2 ||
        bMap.getDimPosition(bMap.getNumResults() - 2) != lane ||
        iterators[last] != IteratorType::reduction ||
        (columnBits() != 32 && columnBits() != 64))
      return false;
    Type input = getElementTypeOrSelf(aTensor.getType());
    isDot = input == element;
    // Signed weights; sums as wide as the products.
    if (!(isDot || input.isF32()) ||
        sumType != (input.isInteger(8) ? Type(b.getI32Type())
                                       : Type(b.getF32Type())) ||
        llvm::any_of(op.getBody()->getArgument(1).getUsers(),
                     llvm::IsaPred<arith::ExtUIOp>))
      return false;
    isUnsigned = llvm::any_of(op.getBody()->getArgument(0).getUsers(),
                              llvm::IsaPred<arith::ExtUIOp>);
  } else if (llvm::any_of(op->getOperandTypes(), [](Type type) {
               return !getElementTypeOrSelf(type).isF32();
             })) {
    return false;
  }
  for (unsigned d = 0; d < iterators.size(); ++d) {
    if (iterators[d] == IteratorType::reduction) {
      if (side == 1 || d != sideDim)
        reduction.push_back(d);
    } else if (d != lane && d != panel)
      (bMap.isFunctionOfDim(d) ? outer : middle).push_back(d);
  }
  // Numbers that a lane takes together follow each other in the input too.
  if (isDot &&
      (reduction.empty() ||
       aMap.getResults().back() != b.getAffineDimExpr(reduction.back()) * side +
                                       b.getAffineDimExpr(sideDim)))
    return false;
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
static GenericOp elementwiseReader(GenericOp op) {
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
  if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(def)) {
    Value source = weightMemory(b, collapse.getSrc());
    return source ? memref::CollapseShapeOp::create(
                        b, source, collapse.getReassociationIndices())
                        .getResult()
                  : Value();
  }
  return {};
}

void VectorEmitter::prefetchNext(Value k, const TileSite &site, Loops loops) {
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
  distance =
      b.createOrFold<arith::AddIOp>(distance, scaled(site.position, stride));
  loops[panel] = b.createOrFold<arith::AddIOp>(site.panel, index(site.panels));
  loops[reduction.back()] = index(0);
  if (side > 1)
    loops[sideDim] = index(0);
  for (int64_t i = 0; i < prefetchedLanes; i += lanesOfLine(columnBits())) {
    loops[lane] = b.createOrFold<arith::AddIOp>(distance, index(i));
    // To the second-level cache: the first has no room for the next panels.
    memref::PrefetchOp::create(b, bMemory, evaluate(bMap, loops),
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  }
}

SmallVector<Value> VectorEmitter::prefetchSteps(Value k, int64_t size,
                                                const TileSite &site,
                                                const Loops &loops) {
  SmallVector<Value> steps;
  int64_t last = 0;
  for (int64_t i = 0; i < size; ++i) {
    steps.push_back(b.createOrFold<arith::AddIOp>(k, index(i)));
    // Steps that ask for the same line are one if they are next to each other:
    // this one is needed if the next would be more than a line from the last.
    bool isNeeded =
        i == 0 || (i + 1) * prefetchedLanes - last > lanesOfLine(columnBits());
    if (prefetchedLanes == 0 || !isNeeded)
      continue;
    last = i * prefetchedLanes;
    prefetchNext(steps.back(), site, loops);
  }
  return steps;
}

Value VectorEmitter::loadPacked(Loops loops, int64_t first, int64_t size) {
  loops[lane] = loops[sideDim] = index(0);
  SmallVector<Value> indices = evaluate(bMap, loops);
  indices.pop_back();
  indices.back() = index(first);
  return loadVector(bLanes, indices, size);
}

void VectorEmitter::enter(const TileSite &site, int64_t r, int64_t p,
                          Loops &loops) {
  if (row)
    loops[*row] = b.createOrFold<arith::AddIOp>(site.row, index(r));
  loops[panel] = b.createOrFold<arith::AddIOp>(site.panel, index(p));
  loops[lane] = index(0);
  if (side > 1)
    loops[sideDim] = index(0);
}

SmallVector<Value> VectorEmitter::sumOverDepth(int64_t count, VectorType type,
                                               int64_t parts, int64_t steps,
                                               Loops &loops, AddSteps add) {
  Value none = arith::ConstantOp::create(b, b.getZeroAttr(type));
  int64_t depth = ranges[reduction.back()], whole = depth / steps * steps;
  auto overDepth = [&](ValueRange start) {
    // The sums of each part, one part after the other.
    SmallVector<Value> sums(parts * count, none);
    llvm::copy(start, sums.begin());
    sums = loop(0, whole, steps, sums, [&](Value k, ValueRange state) {
      SmallVector<Value> next(state);
      add(k, steps, next);
      return next;
    });
    if (isConvolution())
      keepRolled(sums);
    if (whole < depth)
      add(index(whole), depth - whole, sums);
    // In pairs, not in a chain.
    for (int64_t n = parts; n > 1; n = (n + 1) / 2)
      for (int64_t i = 0; i < n / 2 * count; ++i) {
        Value other = sums[(n + 1) / 2 * count + i];
        sums[i] = addUp(sums[i], other);
      }
    sums.resize(count);
    return sums;
  };
  SmallVector<Value> sums = nest(ArrayRef(reduction).drop_back(), loops,
                                 SmallVector<Value>(count, none), overDepth);
  if (isConvolution())
    keepRolled(sums);
  return sums;
}

Value VectorEmitter::emitTile(const TileSite &site, Loops loops, Value out) {
  if (isByLane())
    return emitByLane(site, loops, out);
  if (isByColumns())
    return emitColumns(site, loops, out);
  int64_t rows = site.rows, panels = site.panels, count = rows * panels;
  auto loadWeights = [&](int64_t p) {
    enter(site, 0, p, loops);
    return side == 1 ? loadVector(bTensor, evaluate(bMap, loops))
                     : loadPacked(loops);
  };
  // One number of the input in all lanes, or as many as a lane holds.
  auto loadInput = [&](int64_t r, int64_t which) {
    enter(site, r, 0, loops);
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
  auto addStep = [&](MutableArrayRef<Value> sums) {
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
          Value &sum = sums[r * panels + p];
          sum = isDot ? DotOp::create(b, sum, input, weights[p], isUnsigned)
                      : multiplyAdd(input, weights[p], sum);
        }
      }
    }
  };
  int64_t parts = partsOfDepth(rows, panels, cpu, kind());
  // Accumulators in registers through all loops over k.
  SmallVector<Value> sums =
      sumOverDepth(count, vectorType(sumType), parts, parts, loops,
                   [&](Value k, int64_t size, MutableArrayRef<Value> all) {
                     // Not prefetchSteps: what unrolled steps have in common,
                     // LLVM moves, and then it spills.
                     for (int64_t part = 0; part < size; ++part) {
                       Value own =
                           b.createOrFold<arith::AddIOp>(k, index(part));
                       if (prefetchedLanes > 0)
                         prefetchNext(own, site, loops);
                       loops[reduction.back()] = own;
                       addStep(all.slice(part * count, count));
                     }
                   });

  // What follows happens while the tile is in registers.
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t p = 0; p < panels; ++p) {
      enter(site, r, p, loops);
      out = finish(sums[r * panels + p], loops, out);
    }
  }
  return out;
}

Value VectorEmitter::finish(Value value, const Loops &loops, Value out) {
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
      arguments.push_back(
          load(from, step.getMatchingIndexingMap(&operand), inner, stepLane));
    }
    value = inlineBody(step, arguments, /*vector=*/true);
    chained = step.getResult(0);
    map = outMap;
    domain = inner;
  }
  return store(value, out, map, domain);
}

RegisterTile VectorEmitter::chooseTile(int64_t rows, int64_t panels) {
  if (!ShapedType::isDynamic(rows))
    return chooseRegisterTile(rows, panels, cpu, kind());
  // A power of two, since the remainder is taken bit by bit.
  RegisterTile tile = chooseRegisterTile(/*rows=*/8, panels, cpu, kind());
  tile.rows = llvm::bit_floor(uint64_t(tile.rows));
  return tile;
}

Value VectorEmitter::ifBit(Value number, int64_t bit, Value &position,
                           Value current, function_ref<Value(Value)> emit) {
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

Value VectorEmitter::takeEpilogue() {
  GenericOp last = op;
  while (GenericOp reader = elementwiseReader(last)) {
    epilogue.push_back(reader);
    last = reader;
  }
  b.setInsertionPoint(last);
  Value out = last.getDpsInits()[0];
  if (last == op)
    out = out.getDefiningOp<linalg::FillOp>().getOutputs()[0];
  return out;
}

void VectorEmitter::replaceWith(Value result) {
  GenericOp last = epilogue.empty() ? op : epilogue.back();
  last.getResult(0).replaceAllUsesWith(result);
  for (GenericOp step : llvm::reverse(epilogue))
    step.erase();
  op.erase();
}

void VectorEmitter::emitContraction() {
  Value out = takeEpilogue();
  int64_t rows = row ? ranges[*row] : 1, panels = ranges[panel];
  tile = isTiled() ? RegisterTile{blockRows(), panels % 2 == 0 ? 2 : 1}
                   : chooseTile(rows, panels);
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
  if (isTiled())
    bTiles = weightMemory(b, bLanes);
  if (bMemory)
    prefetchedLanes = planPrefetch(tile.panels, tiles, columnBits());
  if (isByColumns())
    packedInput = packInput();
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
    return this->emitTile({r, rowCount, p, panelCount, position}, loops,
                          current);
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
      if (isTiled())
        return SmallVector<Value>{emitBlocks(p, panelCount, loops, state[0])};
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
  replaceWith(nest(outer, loops, out, overPanels)[0]);
}
