//===- MoEToLinalg.cpp - moe on tensors of tokens to linalg in panels -----===//

#include "MoEToLinalg.h"

#include "moe/Import/ImportModel.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOLINALG
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

Value MoELowering::weights(Value param, StringRef suffix,
                           ParamDeriver::Recipe recipe) {
  auto get = deriver.derive(b, param, suffix, recipe).getDefiningOp<GetOp>();
  auto type = cast<RankedTensorType>(get.getType());
  Value expert = get.getExpert() ? lowered.lookup(get.getExpert()) : Value();
  Value memory = WeightsOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType()),
      get.getParam(), expert);
  get.erase();
  return bufferization::ToTensorOp::create(b, type, memory, /*restrict=*/true);
}

Value MoELowering::packed(Value weight, int64_t outGroup, int64_t inGroup) {
  auto type = cast<RankedTensorType>(weight.getType());
  int64_t outputs = type.getDimSize(0);
  int64_t inputs = type.getNumElements() / outputs;
  int64_t panels = outputs / outGroup * numPanels(outGroup);
  int64_t depth =
      inGroup ? inputs / inGroup * numPanels(inGroup) * kPanel : inputs;
  Type element = type.getElementType();
  int64_t side =
      element.isF32() ? 1 : columnBits / element.getIntOrFloatBitWidth();
  Value panelsOf = weights(
      weight, ".packed", [&](OpBuilder &builder, Location loc, Value base) {
        return PackPanelsOp::create(
            builder, loc,
            tensorOf({panels, depth / side, kPanel * side}, element), base,
            outGroup, inGroup, side);
      });
  return side == 1 ? panelsOf
                   : expand(panelsOf, {panels, depth / side, kPanel, side},
                            {{0}, {1}, {2, 3}});
}

Value MoELowering::padded(Value value, int64_t group) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape.back() = shape.back() / group * numPanels(group);
  shape.push_back(kPanel);
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  return weights(value, ".lanes",
                 [&](OpBuilder &builder, Location loc, Value base) {
                   return PadChannelsOp::create(
                       builder, loc, tensorOf(shape, element), base, group);
                 });
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value MoELowering::laneMask(int64_t channels, float valid, float other) {
  int64_t panels = numPanels(channels);
  SmallVector<float> values(panels * kPanel, other);
  std::fill_n(values.begin(), channels, valid);
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(f32({panels, kPanel}), ArrayRef(values)));
}

Value MoELowering::slice(Value tensor, ArrayRef<int64_t> offsets,
                         ArrayRef<int64_t> sizes) {
  if (shapeOf(tensor) == sizes)
    return tensor;
  SmallVector<int64_t> strides(sizes.size(), 1);
  return tensor::ExtractSliceOp::create(
      b, tensor, getAsIndexOpFoldResult(b.getContext(), offsets),
      getAsIndexOpFoldResult(b.getContext(), sizes),
      getAsIndexOpFoldResult(b.getContext(), strides));
}

Value MoELowering::rowSlice(Value tensor, int64_t first, int64_t count) {
  SmallVector<int64_t> sizes(shapeOf(tensor));
  SmallVector<int64_t> offsets(sizes.size(), 0);
  sizes[0] = count;
  offsets[0] = first;
  return slice(tensor, offsets, sizes);
}

Value MoELowering::groupRows(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  sizes[0] = groupSize;
  return tensor::ExtractSliceOp::create(b, tensor, offsets, sizes, strides);
}

Value MoELowering::rowsFrom(Value tensor, Value first, int64_t count) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  offsets[0] = first;
  sizes[0] = b.getIndexAttr(count);
  return tensor::ExtractSliceOp::create(b, tensor, offsets, sizes, strides);
}

Value MoELowering::withRows(Value tensor, Value rows, Value first) {
  auto type = cast<RankedTensorType>(rows.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  offsets[0] = first;
  return tensor::InsertSliceOp::create(b, rows, tensor, offsets, sizes,
                                       strides);
}

Value MoELowering::stackRows(Value top, Value bottom) {
  SmallVector<int64_t> shape(shapeOf(bottom));
  shape[0] += rowsOf(top);
  Value result = empty(shape);
  int64_t first = 0;
  for (Value part : {top, bottom}) {
    SmallVector<int64_t> offsets(shape.size(), 0), strides(shape.size(), 1);
    offsets[0] = first;
    first += rowsOf(part);
    result = tensor::InsertSliceOp::create(
        b, part, result, getAsIndexOpFoldResult(b.getContext(), offsets),
        getAsIndexOpFoldResult(b.getContext(), shapeOf(part)),
        getAsIndexOpFoldResult(b.getContext(), strides));
  }
  return result;
}

Value MoELowering::generic(ValueRange inputs, Value out,
                           ArrayRef<AffineMap> maps,
                           ArrayRef<IteratorType> iterators, Body body) {
  return linalg::GenericOp::create(
             b, out.getType(), inputs, out, maps, iterators,
             [&](OpBuilder &inner, Location loc, ValueRange arguments) {
               ImplicitLocOpBuilder ib(loc, inner);
               linalg::YieldOp::create(ib, body(ib, arguments));
             })
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Pieces of layers
//===----------------------------------------------------------------------===//

Value MoELowering::multiplyAdd(ValueRange inputs, ArrayRef<int64_t> shape,
                               ArrayRef<AffineMap> maps,
                               ArrayRef<IteratorType> iterators) {
  return generic(inputs, filled(shape, 0.0f), maps, iterators,
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   Value product = arith::MulFOp::create(ib, args[0], args[1]);
                   return arith::AddFOp::create(ib, args[2], product);
                 });
}

Value MoELowering::matmul(Value input, Value weight) {
  int64_t rows = rowsOf(input), panels = rowsOf(weight);
  Value a = collapse(input, {{0}, {1, 2}});
  assert(shapeOf(a)[1] == shapeOf(weight)[1] && "depths must agree");
  AffineExpr m = dim(0), p = dim(1), c = dim(2), k = dim(3);
  return multiplyAdd({a, weight}, {rows, panels, kPanel},
                     {map(4, {m, k}), map(4, {p, k, c}), map(4, {m, p, c})},
                     {IteratorType::parallel, IteratorType::parallel,
                      IteratorType::parallel, IteratorType::reduction});
}

Value MoELowering::withBias(Value input, Value bias, Body body) {
  AffineExpr m = dim(0), p = dim(1), c = dim(2);
  return generic({input, bias}, empty(shapeOf(input)),
                 {map(3, {m, p, c}), map(3, {p, c}), map(3, {m, p, c})},
                 SmallVector<IteratorType>(3, IteratorType::parallel), body);
}

Value MoELowering::addBias(Value input, Value bias) {
  return withBias(input, bias,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::AddFOp::create(ib, args[0], args[1]);
                  });
}

Value MoELowering::reduceLanes(ValueRange inputs, ArrayRef<AffineMap> maps,
                               ArrayRef<int64_t> shape, TypedAttr init,
                               Body body) {
  unsigned dims = shape.size() + 2;
  SmallVector<AffineExpr> outer;
  SmallVector<IteratorType> iterators;
  for (unsigned i = 0; i < shape.size(); ++i) {
    outer.push_back(dim(i));
    iterators.push_back(IteratorType::parallel);
  }
  iterators.append(2, IteratorType::reduction);
  SmallVector<AffineMap> all(maps);
  all.push_back(map(dims, outer));
  return generic(inputs, filled(shape, init), all, iterators, body);
}

std::pair<Value, Value> MoELowering::softmaxParts(Value logits,
                                                  int64_t channels) {
  // The leading dimensions stay: rows, or heads and rows.
  SmallVector<int64_t> outerShape(shapeOf(logits).drop_back(2));
  unsigned dims = outerShape.size() + 2;
  AffineMap full = b.getMultiDimIdentityMap(dims);
  AffineMap outer = full.getMajorSubMap(outerShape.size());
  AffineMap lanes = full.getMinorSubMap(2);
  SmallVector<IteratorType> parallel(dims, IteratorType::parallel);
  if (channels % kPanel != 0)
    logits = generic({logits, laneMask(channels, 0.0f, -kInfinity)},
                     empty(shapeOf(logits)), {full, lanes, full}, parallel,
                     [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                       return arith::AddFOp::create(ib, args[0], args[1]);
                     });
  // A NaN may be left out here: its own exp is one.
  Value max =
      reduceLanes({logits}, {full}, outerShape, -kInfinity,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::MaxNumFOp::create(ib, args[0], args[1]);
                  });
  Value exps = generic({max}, logits, {outer, full}, parallel,
                       [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                         Value x = arith::SubFOp::create(ib, args[1], args[0]);
                         return math::ExpOp::create(ib, x);
                       });
  Value sum =
      reduceLanes({exps}, {full}, outerShape, 0.0f,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::AddFOp::create(ib, args[0], args[1]);
                  });
  AffineMap identity = b.getMultiDimIdentityMap(outerShape.size());
  Value inverse = generic(
      {sum}, empty(outerShape), {identity, identity},
      SmallVector<IteratorType>(outerShape.size(), IteratorType::parallel),
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value one = arith::ConstantOp::create(ib, ib.getF32FloatAttr(1.0f));
        return arith::DivFOp::create(ib, one, args[0]);
      });
  return {exps, inverse};
}

Value mlir::moe::activate(ImplicitLocOpBuilder &ib, Value x,
                          moe::Activation activation) {
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(ib, ib.getF32FloatAttr(float(value)));
  };
  auto sigmoidTimes = [&](Value argument) -> Value {
    // x / (1 + exp(-argument))
    Value e = math::ExpOp::create(ib, arith::NegFOp::create(ib, argument));
    return arith::DivFOp::create(ib, x,
                                 arith::AddFOp::create(ib, constant(1.0), e));
  };
  auto halfXTimesOnePlus = [&](Value y) -> Value {
    Value half = arith::MulFOp::create(ib, x, constant(0.5));
    return arith::MulFOp::create(ib, half,
                                 arith::AddFOp::create(ib, constant(1.0), y));
  };
  switch (activation) {
  case moe::Activation::Gelu:
    return halfXTimesOnePlus(math::ErfOp::create(
        ib, arith::MulFOp::create(ib, x, constant(M_SQRT1_2))));
  case moe::Activation::GeluTanh: {
    // tanh(sqrt(2 / pi) * (x + 0.044715 x³)), as in PyTorch.
    Value square = arith::MulFOp::create(ib, x, x);
    Value cube = arith::MulFOp::create(ib, square, x);
    Value inner = arith::AddFOp::create(
        ib, x, arith::MulFOp::create(ib, cube, constant(0.044715)));
    return halfXTimesOnePlus(math::TanhOp::create(
        ib, arith::MulFOp::create(ib, inner,
                                  constant(M_SQRT2 * M_2_SQRTPI * 0.5))));
  }
  case moe::Activation::QuickGelu:
    return sigmoidTimes(arith::MulFOp::create(ib, x, constant(1.702)));
  case moe::Activation::Relu:
    return arith::MaximumFOp::create(ib, x, constant(0.0));
  case moe::Activation::Silu:
    return sigmoidTimes(x);
  case moe::Activation::Hardswish: {
    // x · min(max(x + 3, 0), 6) / 6. Not maximumf, which is three instructions:
    // a NaN of x is one of the product too.
    Value y = arith::AddFOp::create(ib, x, constant(3.0));
    auto choose = [&](arith::CmpFPredicate predicate, double limit) {
      Value bound = constant(limit);
      Value is = arith::CmpFOp::create(ib, predicate, y, bound);
      y = arith::SelectOp::create(ib, is, y, bound);
    };
    choose(arith::CmpFPredicate::OGT, 0.0);
    choose(arith::CmpFPredicate::OLT, 6.0);
    Value sixth = arith::MulFOp::create(ib, x, constant(1.0 / 6.0));
    return arith::MulFOp::create(ib, sixth, y);
  }
  }
  llvm_unreachable("unknown activation");
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

void MoELowering::lower(PatchEmbedOp op) {
  ArrayRef<int64_t> image = shapeOf(op.getImage());
  ArrayRef<int64_t> kernel = shapeOf(op.getWeight());
  int64_t width = kernel[0], panels = numPanels(width), prefix = op.getPrefix();
  int64_t rows = image[1] / kernel[2], columns = image[2] / kernel[3];

  // Straight from the image: no copy of the patches is made.
  Value product = correlate(lowered.lookup(op.getImage()), op.getWeight(), rows,
                            columns, {kernel[2], kernel[3]});

  if (!op.getOffset()) {
    lowered[op] = collapse(product, {{0, 1}, {2}, {3}});
    return;
  }
  Value offset = padded(op.getOffset(), width);
  bool table = shapeOf(offset).size() == 3;
  if (table) {
    Value patches = rowSlice(offset, prefix, rows * columns);
    offset =
        expand(patches, {rows, columns, panels, kPanel}, {{0, 1}, {2}, {3}});
  }
  AffineMap full = b.getMultiDimIdentityMap(4);
  Value tokens =
      generic({product, offset}, empty(shapeOf(product)),
              {full, table ? full : full.getMinorSubMap(2), full},
              SmallVector<IteratorType>(4, IteratorType::parallel),
              [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                return arith::AddFOp::create(ib, args[0], args[1]);
              });
  tokens = collapse(tokens, {{0, 1}, {2}, {3}});
  if (prefix > 0) {
    Value whole = padded(op.getOffset(), width);
    tokens = stackRows(rowSlice(whole, 0, prefix), tokens);
  }
  lowered[op] = tokens;
}

void MoELowering::lower(ClassTokenOp op) {
  int64_t width = widthOf(op.getTokens());
  Value token = collapse(padded(op.getToken(), width), {{0, 1}, {2}, {3}});
  lowered[op] = stackRows(token, lowered.lookup(op.getTokens()));
}

void MoELowering::lower(PositionOp op) {
  Value tokens = lowered.lookup(op.getTokens());
  Value position = collapse(padded(op.getEmbedding(), widthOf(op.getTokens())),
                            {{0, 1}, {2}, {3}});
  AffineMap full = b.getMultiDimIdentityMap(3);
  lowered[op] =
      generic({tokens, position}, empty(shapeOf(tokens)), {full, full, full},
              SmallVector<IteratorType>(3, IteratorType::parallel),
              [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                return arith::AddFOp::create(ib, args[0], args[1]);
              });
}

void MoELowering::lower(SliceTokensOp op) {
  lowered[op] = rowSlice(lowered.lookup(op.getTokens()), op.getFirst(),
                         rowsOf(op.getResult()));
}

void MoELowering::lower(PoolOp op) {
  int64_t count = op.getCount();
  bool isMax = op.getMax();
  Value rows = rowSlice(lowered.lookup(op.getTokens()), op.getFirst(), count);
  int64_t panels = shapeOf(rows)[1];
  AffineExpr p = dim(0), c = dim(1), m = dim(2);
  Value pooled = generic(
      {rows}, filled({panels, kPanel}, isMax ? -kInfinity : 0.0f),
      {map(3, {m, p, c}), map(3, {p, c})},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        if (isMax)
          return arith::MaximumFOp::create(ib, args[1], args[0]);
        return arith::AddFOp::create(ib, args[1], args[0]);
      });
  if (!isMax)
    pooled = scaled(pooled, float(1.0 / double(count)));
  lowered[op] = expand(pooled, {1, panels, kPanel}, {{0, 1}, {2}});
}

void MoELowering::lower(AverageOp op) {
  AffineMap full = b.getMultiDimIdentityMap(3);
  lowered[op] = elementwise(
      {lowered.lookup(op.getLhs()), lowered.lookup(op.getRhs())}, {full, full},
      b.getF32Type(), [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value half = arith::ConstantOp::create(ib, ib.getF32FloatAttr(0.5f));
        Value sum = arith::AddFOp::create(ib, args[0], args[1]);
        return arith::MulFOp::create(ib, sum, half);
      });
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

void MoELowering::lower(LayerNormOp op) {
  lowered[op] =
      normalised(lowered.lookup(op.getTokens()), widthOf(op.getTokens()),
                 op.getScale(), op.getShift(), op.getEps().convertToDouble());
}

Value MoELowering::normalised(Value x, int64_t width, Value scale, Value shift,
                              double eps) {
  int64_t rows = rowsOf(x);
  AffineMap full = b.getMultiDimIdentityMap(3);
  AffineMap row = full.getMajorSubMap(1), lanes = full.getMinorSubMap(2);
  AffineMap one = b.getMultiDimIdentityMap(1);
  float inverseWidth = float(1.0 / double(width));

  Value sum =
      reduceLanes({x}, {full}, {rows}, 0.0f,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::AddFOp::create(ib, args[1], args[0]);
                  });
  Value mean =
      generic({sum}, empty({rows}), {one, one}, {IteratorType::parallel},
              [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                Value factor = arith::ConstantOp::create(
                    ib, ib.getF32FloatAttr(inverseWidth));
                return arith::MulFOp::create(ib, args[0], factor);
              });
  // Two passes: the sum of squares minus the squared mean cancels in f32.
  SmallVector<Value> inputs{x, mean};
  SmallVector<AffineMap> maps{full, row};
  if (width % kPanel != 0) {
    inputs.push_back(laneMask(width, 1.0f, 0.0f));
    maps.push_back(lanes);
  }
  Value squares =
      reduceLanes(inputs, maps, {rows}, 0.0f,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    Value d = arith::SubFOp::create(ib, args[0], args[1]);
                    if (args.size() == 4)
                      d = arith::MulFOp::create(ib, d, args[2]);
                    return arith::AddFOp::create(
                        ib, args.back(), arith::MulFOp::create(ib, d, d));
                  });
  Value factor = generic(
      {squares}, empty({rows}), {one, one}, {IteratorType::parallel},
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value inverse =
            arith::ConstantOp::create(ib, ib.getF32FloatAttr(inverseWidth));
        Value variance = arith::MulFOp::create(ib, args[0], inverse);
        Value epsilon =
            arith::ConstantOp::create(ib, ib.getF32FloatAttr(float(eps)));
        return math::RsqrtOp::create(
            ib, arith::AddFOp::create(ib, variance, epsilon));
      });

  inputs = {x, mean, factor};
  maps = {full, row, row};
  if (scale) {
    inputs.push_back(padded(scale, width));
    inputs.push_back(padded(shift, width));
    maps.append(2, lanes);
  } else if (width % kPanel != 0) {
    // What is subtracted must not stay in lanes that are no channel: quantising
    // looks at all of them.
    inputs.push_back(laneMask(width, 1.0f, 0.0f));
    maps.push_back(lanes);
  }
  maps.push_back(full);
  return generic(inputs, empty(shapeOf(x)), maps,
                 SmallVector<IteratorType>(3, IteratorType::parallel),
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   Value d = arith::SubFOp::create(ib, args[0], args[1]);
                   Value y = arith::MulFOp::create(ib, d, args[2]);
                   if (args.size() == 4)
                     return y;
                   y = arith::MulFOp::create(ib, y, args[3]);
                   if (args.size() == 5)
                     return y;
                   return arith::AddFOp::create(ib, y, args[4]);
                 });
}

void MoELowering::lower(LayerScaleOp op) {
  lowered[op] =
      withBias(lowered.lookup(op.getTokens()),
               padded(op.getGamma(), widthOf(op.getTokens())),
               [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                 return arith::MulFOp::create(ib, args[0], args[1]);
               });
}

void MoELowering::lower(MlpOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t width = widthOf(op.getTokens());
  int64_t hiddenWidth = rowsOf(op.getFc1Weight());
  Value hidden = inPart("fc1", [&] {
    return withBias(matmul(x, packed(op.getFc1Weight(), hiddenWidth, width)),
                    padded(op.getFc1Bias(), hiddenWidth),
                    [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                      Value sum = arith::AddFOp::create(ib, args[0], args[1]);
                      return activate(ib, sum, op.getActivation());
                    });
  });
  lowered[op] = inPart("fc2", [&] {
    return addBias(
        matmul(hidden, packed(op.getFc2Weight(), width, hiddenWidth)),
        padded(op.getFc2Bias(), width));
  });
}

void MoELowering::lower(HeadOp op) {
  int64_t width = widthOf(op.getInput());
  int64_t classes = rowsOf(op.getWeight());
  lowered[op] = addBias(matmul(lowered.lookup(op.getInput()),
                               packed(op.getWeight(), classes, width)),
                        padded(op.getBias(), classes));
}

/// Whether what the experts yield is added up, not put side by side.
static bool isWeightedSum(RoutedOpInterface op) {
  return isa<ExpertsOp, TokenExpertsOp>(*op);
}

/// The experts whose output `op` adds to the residual stream, if nobody else
/// wants it.
static RoutedOpInterface expertsOf(arith::AddFOp op) {
  auto experts = op.getRhs().getDefiningOp<RoutedOpInterface>();
  return experts && isWeightedSum(experts) && experts->hasOneUse() &&
                 experts->getBlock() == op->getBlock() &&
                 op.getLhs() != op.getRhs()
             ? experts
             : RoutedOpInterface();
}

LogicalResult MoELowering::lower(arith::AddFOp op) {
  Value residual = lowered.lookup(op.getLhs());
  if (RoutedOpInterface routed = expertsOf(op)) {
    // What the experts yield is in the usual panels.
    if (shapeOf(residual)[1] != numPanels(widthOf(op.getResult())))
      return op.emitOpError("cannot be lowered: its first operand comes in "
                            "other groups of channels");
    FailureOr<Value> sum = experts(routed, residual);
    if (failed(sum))
      return failure();
    lowered[op] = *sum;
    return success();
  }
  auto add = [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
    return arith::AddFOp::create(ib, args[1], args[0]);
  };
  if (cast<RankedTensorType>(op.getType()).getRank() == 3) {
    AffineMap full = b.getMultiDimIdentityMap(4);
    storeMap(op, {mapOf(op.getRhs()), mapOf(op.getLhs())}, {full, full}, add);
    return success();
  }
  // Not in place: one buffer for the stream through all blocks would be one set
  // of aliases, which bufferisation compares pair by pair.
  AffineMap full = b.getMultiDimIdentityMap(3);
  lowered[op] =
      generic({lowered.lookup(op.getRhs()), residual}, empty(shapeOf(residual)),
              {full, full, full},
              SmallVector<IteratorType>(3, IteratorType::parallel), add);
  return success();
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

void MoELowering::storeRoutesOf(Operation &router) {
  auto exit = cast<func::ReturnOp>(source.front().getTerminator());
  auto layers = source->getAttrOfType<DenseI64ArrayAttr>(kRouteLayersAttr);
  Type i32 = b.getI32Type();
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  bool isPerToken = source->hasAttr(kTokenRoutesAttr);
  int64_t first = 0;
  for (auto [i, layer] : llvm::enumerate(layers.asArrayRef())) {
    Value result = exit.getOperand(2 + 2 * i);
    int64_t start = first;
    first += rowsOf(result);
    if (result.getDefiningOp() != &router)
      continue;
    Value experts = lowered.lookup(exit.getOperand(1 + 2 * i));
    Value gates = lowered.lookup(result);
    auto loop = scf::ForOp::create(b, index(0), index(rowsOf(gates)), index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value j = loop.getInductionVar();
    Value row = arith::AddIOp::create(b, j, index(start));
    Value entry = tensor::ExtractOp::create(b, experts, j);
    Value gate = tensor::ExtractOp::create(b, gates, j);
    // Per token, the entry of an expert counts its tokens; with image routing,
    // it is an expert, which takes the whole image.
    Value expert = arith::IndexCastOp::create(b, i32, isPerToken ? j : entry);
    Value tokens = isPerToken
                       ? arith::IndexCastOp::create(b, i32, entry).getResult()
                       : integer(1);
    Value fields[] = {integer(layer), expert,
                      arith::BitcastOp::create(b, i32, gate), tokens};
    for (auto [f, field] : llvm::enumerate(fields))
      memref::StoreOp::create(b, field, routesMemory,
                              ValueRange{row, index(f)});
  }
}

LogicalResult MoELowering::lower(func::ReturnOp op) {
  Value logits = lowered.lookup(op.getOperand(0));
  int64_t classes = widthOf(op.getOperand(0));
  logits = slice(collapse(logits, {{0, 1, 2}}), {0}, {classes});
  auto store = bufferization::MaterializeInDestinationOp::create(b, logits,
                                                                 logitsMemory);
  store.setWritable(true);
  // 0 = ok, as MoeRunFn says.
  Value ok = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  func::ReturnOp::create(b, ok);
  return success();
}

/// Whether an operand of a layer is one of its weights.
static bool isWeight(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (auto dequantize = dyn_cast<DequantizeOp>(op))
    return &operand == &dequantize.getColumnsMutable() ||
           (dequantize.getBias() &&
            &operand == &dequantize.getBiasMutable()[0]);
  // Behind queries, keys and values.
  if (isa<AttendOp>(op))
    return operand.getOperandNumber() > 2;
  return operand.getOperandNumber() > 0 &&
         isa<PatchEmbedOp, ClassTokenOp, PositionOp, LayerNormOp, LayerScaleOp,
             AttentionOp, MlpOp, RouterOp, TokenRouterOp, ExpertChoiceOp,
             SlotLogitsOp, HeadOp, PlaceTokensOp, LinearOp, ConvOp>(op);
}

/// Whether `operand` is gates [E, C], which are not in lanes.
static bool isGates(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (auto slice = dyn_cast<SliceTakenOp>(op))
    return &operand == &slice.getGatesMutable();
  auto experts = dyn_cast<TokenExpertsOp>(op);
  return experts && &operand == &experts.getGatesMutable();
}

/// How many panels the channels of `operand` must be in; nothing if their
/// groups are the op's own affair, or do not matter.
static std::optional<int64_t> panelsOf(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (isa<LinearOp, ActivateOp, QuantizeOp, AverageOp, SliceTokensOp,
          arith::AddFOp, arith::TruncFOp>(op))
    return std::nullopt;
  int64_t width = widthOf(operand.get()), group = width;
  if (auto attend = dyn_cast<AttendOp>(op))
    group = width / attend.getHeads();
  else if (auto dequantize = dyn_cast<DequantizeOp>(op))
    group = dequantize.getGroup();
  return width / group * numPanels(group);
}

/// Whether `op` works on each token by itself, however many there are.
static bool isTokenWise(Operation *op) {
  return isa<LayerNormOp, LayerScaleOp, MlpOp, HeadOp, LinearOp, QuantizeOp,
             DequantizeOp, ActivateOp, AverageOp, arith::AddFOp,
             arith::TruncFOp, YieldOp>(op);
}

LogicalResult MoELowering::checkLayout(OpOperand &operand) {
  Operation *op = operand.getOwner();
  auto type = dyn_cast<RankedTensorType>(operand.get().getType());
  if (!type)
    return success(); // An expert's index.
  Value known = lowered.lookup(operand.get());
  auto fail = [&](const Twine &what) {
    return op->emitOpError("cannot be lowered: operand ")
           << operand.getOperandNumber() << ' ' << what;
  };
  if (isa<arith::AddFOp, arith::TruncFOp>(op)) {
    bool isMap = type.getRank() == 3 && isa<arith::AddFOp>(op);
    if (!type.getElementType().isF32() || (type.getRank() != 2 && !isMap))
      return fail("has no channels of f32");
  }
  if (type.getRank() != 2 || type.getElementType().isIndex())
    return success();
  ArrayRef<int64_t> shape = shapeOf(known);
  if (isGates(operand))
    return shape.size() == 2 ? success() : fail("is no router's gates");
  if (shape.size() != 3)
    return fail("is a router's gates, not tokens");
  if (ShapedType::isDynamic(shape[0]) && !isTokenWise(op))
    return fail("has as many tokens as are known at run time only");
  if (std::optional<int64_t> panels = panelsOf(operand);
      panels && shape[1] != *panels)
    return fail("comes in other groups of channels");
  return success();
}

/// Weights are read in a layout of their own, so they must be parameters; all
/// else must have been lowered before.
LogicalResult MoELowering::checkOperands(Operation &op) {
  for (OpOperand &operand : op.getOpOperands()) {
    if (isWeight(operand)) {
      auto get = operand.get().getDefiningOp<GetOp>();
      if (!get || (get.getExpert() && !lowered.contains(get.getExpert())))
        return op.emitOpError("cannot be lowered: a weight is no moe.get");
    } else if (!isa<GetOp>(op) && !lowered.contains(operand.get())) {
      auto experts = operand.get().getDefiningOp<RoutedOpInterface>();
      if (!isa<arith::AddFOp>(op) || !experts)
        return op.emitOpError()
               << "cannot be lowered: operand " << operand.getOperandNumber()
               << " is no result of a layer";
    } else if (!isa<GetOp>(op) && failed(checkLayout(operand))) {
      return failure();
    }
  }
  // A map's border is not in its shape here.
  if (isa<arith::AddFOp, AverageOp>(op) &&
      cast<RankedTensorType>(op.getResult(0).getType()).getRank() == 2) {
    Value lhs = lowered.lookup(op.getOperand(0)),
          rhs = lowered.lookup(op.getOperand(1));
    if (lhs && rhs && shapeOf(lhs) != shapeOf(rhs))
      return op.emitOpError(
          "cannot be lowered: its operands come in different groups");
  }
  return success();
}

LogicalResult MoELowering::lower(Operation &op) {
  PartScope part(b, op.getLoc());
  if (failed(checkOperands(op)))
    return failure();
  if (auto experts = dyn_cast<RoutedOpInterface>(op);
      experts && !isa<func::FuncOp>(op.getParentOp()))
    return op.emitOpError("cannot be lowered: experts within experts");
  if (auto experts = dyn_cast<RoutedOpInterface>(op);
      experts && isWeightedSum(experts)) {
    // Lowered with the sum that it is part of.
    auto sum = experts->hasOneUse()
                   ? dyn_cast<arith::AddFOp>(*experts->getUsers().begin())
                   : arith::AddFOp();
    if (sum && expertsOf(sum) == experts)
      return success();
    Value zero = filled(shapeOf(lowered.lookup(op.getOperand(0))), 0.0f);
    FailureOr<Value> result = this->experts(experts, zero);
    if (failed(result))
      return failure();
    lowered[op.getResult(0)] = *result;
    return success();
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<PatchEmbedOp, ClassTokenOp, PositionOp, SliceTokensOp, PoolOp,
            AverageOp, LayerNormOp, LayerScaleOp, AttentionOp, MlpOp, RouterOp,
            TokenRouterOp, ExpertChoiceOp, SliceTakenOp, HeadOp, PatchesOp,
            PlaceTokensOp, QuantizeOp, DequantizeOp, CollectOp, ActivateOp,
            AttendOp, SoftDispatchOp, CombineWeightsOp, SlotGatesOp,
            SoftCombineOp, ConvOp, arith::TruncFOp>([&](auto layer) {
        lower(layer);
        return success();
      })
      .Case<arith::AddFOp, func::ReturnOp, LinearOp, SlotLogitsOp,
            SlotExpertsOp>([&](auto known) { return lower(known); })
      // A parameter is read where it is used, in the layout wanted there.
      .Case<GetOp>([](auto) { return success(); })
      .Default([](Operation *other) {
        return other->emitOpError("cannot be lowered to linalg");
      });
}

/// (image [C, H, W]) -> (logits [1, classes], (experts [k], gates [k])...).
static bool isRunType(FunctionType type) {
  auto isTensor = [](Type type, int64_t rank, bool isIndex) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.hasStaticShape() && tensor.getRank() == rank &&
           (isIndex ? tensor.getElementType().isIndex()
                    : tensor.getElementType().isF32());
  };
  if (type.getNumInputs() != 1 || type.getNumResults() % 2 != 1 ||
      !isTensor(type.getInput(0), 3, false) ||
      !isTensor(type.getResult(0), 2, false) ||
      cast<RankedTensorType>(type.getResult(0)).getDimSize(0) != 1)
    return false;
  for (unsigned i = 1; i < type.getNumResults(); i += 2)
    if (!isTensor(type.getResult(i), 1, true) ||
        !isTensor(type.getResult(i + 1), 1, false))
      return false;
  return true;
}

LogicalResult MoELowering::checkSizes() {
  // Some constants have an entry for each channel or token.
  constexpr int64_t maxSize = int64_t(1) << 24;
  WalkResult result = source.walk([&](Operation *op) {
    auto isTooLarge = [&](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor && llvm::any_of(tensor.getShape(), [](int64_t size) {
               return size > maxSize;
             });
    };
    if (llvm::none_of(op->getOperandTypes(), isTooLarge) &&
        llvm::none_of(op->getResultTypes(), isTooLarge))
      return WalkResult::advance();
    op->emitOpError() << "cannot be lowered: a dimension of more than "
                      << maxSize;
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult MoELowering::run() {
  if (!isRunType(source.getFunctionType()))
    return source.emitOpError(
        "must take an image and return logits and a pair per router");
  auto module = cast<ModuleOp>(source->getParentOp());
  if (!SymbolTable::symbolKnownUseEmpty(source, module))
    return source.emitOpError("is used, but its type changes");
  if (failed(checkSizes()))
    return failure();
  FunctionType type = source.getFunctionType();
  auto image = cast<RankedTensorType>(type.getInput(0));
  int64_t classes = cast<RankedTensorType>(type.getResult(0)).getDimSize(1);
  SmallVector<Type> inputs{
      MemRefType::get(image.getShape(), image.getElementType()),
      MemRefType::get({classes}, b.getF32Type())};
  int64_t routes = 0;
  for (unsigned i = 2; i < type.getNumResults(); i += 2)
    routes += cast<RankedTensorType>(type.getResult(i)).getDimSize(0);
  auto layers = source->getAttrOfType<DenseI64ArrayAttr>(kRouteLayersAttr);
  if (int64_t(layers ? layers.size() : 0) != type.getNumResults() / 2)
    return source.emitOpError() << "needs one entry of " << kRouteLayersAttr
                                << " for each pair of experts and gates";
  if (routes > 0)
    inputs.push_back(MemRefType::get({routes, 4}, b.getI32Type()));

  auto target = func::FuncOp::create(b, source.getName(),
                                     b.getFunctionType(inputs, b.getI32Type()));
  if (source->hasAttr(kTokenRoutesAttr))
    target->setAttr(kTokenRoutesAttr, b.getUnitAttr());
  Block *entry = target.addEntryBlock();
  b.setInsertionPointToStart(entry);
  lowered[source.getArgument(0)] = bufferization::ToTensorOp::create(
      b, image, entry->getArgument(0), /*restrict=*/true);
  logitsMemory = entry->getArgument(1);
  if (routes > 0)
    routesMemory = entry->getArgument(2);
  for (Operation &op : source.front()) {
    if (failed(lower(op)))
      return failure();
    if (routesMemory)
      storeRoutesOf(op);
  }
  source.erase();
  return success();
}

namespace {
struct ConvertMoEToLinalg
    : moe::impl::ConvertMoEToLinalgBase<ConvertMoEToLinalg> {
  using ConvertMoEToLinalgBase::ConvertMoEToLinalgBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto function = module.lookupSymbol<func::FuncOp>(kRunFunction);
    if (!function || function.isExternal()) {
      module.emitOpError() << "has no function @" << kRunFunction;
      return signalPassFailure();
    }
    if (columnBits != 32 && columnBits != 64) {
      module.emitError() << "column-bits is " << columnBits.getValue()
                         << ", expected 32 or 64";
      return signalPassFailure();
    }
    if (failed(MoELowering(module, function, columnBits).run()))
      signalPassFailure();
  }
};
} // namespace
