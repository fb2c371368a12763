//===- MoEToLinalg.cpp - moe on tensors of tokens to linalg in panels -----===//
//
// Activations are tensors [tokens, panels, 16]: channels in lanes of 16, those
// that the model does not have are zero. They stay zero through every linear
// layer (its padded weights and biases are zero) and every activation (all of
// them map 0 to 0), so only LayerNorm and softmax must count.
//
//===----------------------------------------------------------------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Import/ImportModel.h"
#include "moe/Transforms/DeriveParam.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTMOETOLINALG
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Lowers the run function op by op into a new one.
class Lowering {
public:
  Lowering(ModuleOp module, func::FuncOp source)
      : source(source), b(source.getLoc(), source), deriver(module) {}

  LogicalResult run();

private:
  using Body = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

  LogicalResult checkOperands(Operation &op);
  LogicalResult lower(Operation &op);
  void lower(PatchEmbedOp op);
  void lower(ClassTokenOp op);
  void lower(PositionOp op);
  void lower(SliceTokensOp op);
  void lower(PoolOp op);
  void lower(LayerNormOp op);
  void lower(AttentionOp op);
  void lower(MlpOp op);
  void lower(RouterOp op);
  void lower(TokenRouterOp op);
  void lower(HeadOp op);
  LogicalResult lower(arith::AddFOp op);
  LogicalResult lower(func::ReturnOp op);
  /// The experts' weighted outputs, added to `sum`.
  FailureOr<Value> experts(RoutedOpInterface op, Value sum);
  FailureOr<Value> experts(ExpertsOp op, Value sum);
  FailureOr<Value> experts(TokenExpertsOp op, Value sum);
  /// What `emit` makes of the region of expert `which`, whose arguments are
  /// `tokens` (and the index).
  FailureOr<Value>
  chooseRegion(RoutedOpInterface op, Value which, Type result, Value tokens,
               function_ref<FailureOr<Value>(Region &, ValueRange)> emit);
  /// Lowers a region; the value that it yields.
  FailureOr<Value> lowerRegion(Region &body, ValueRange arguments);
  /// `value` [rows, panels, 16] times the scalar `gate`, added to `sum`.
  Value addWeighted(Value value, Value gate, Value sum);
  /// The best logit among those that come after (`last`, `lastIndex`) in the
  /// order of falling logits and, for equal ones, rising indices; and its
  /// index. With logits that are NaN there is no best: any index within bounds.
  std::pair<Value, Value>
  nextChoice(ImplicitLocOpBuilder &ib, int64_t count, Value last,
             Value lastIndex,
             function_ref<Value(ImplicitLocOpBuilder &, Value)> logitAt);
  void storeRoutes(func::ReturnOp op);

  // Weights, in the layout that the lowered code wants.
  Value weights(Value param, StringRef suffix, ParamDeriver::Recipe recipe);
  Value packed(Value weight, int64_t outGroup, int64_t inGroup);
  Value padded(Value vector, int64_t group);

  // Tensors.
  RankedTensorType f32(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, b.getF32Type());
  }
  /// A buffer to be. Not tensor.empty: two of those are the same value to CSE,
  /// and bufferisation would copy to tell them apart again.
  /// With a dynamic number of rows, a slice of a buffer for as many tokens as
  /// an expert can take.
  Value empty(ArrayRef<int64_t> shape) {
    if (!ShapedType::isDynamic(shape.front()))
      return bufferization::AllocTensorOp::create(b, f32(shape), ValueRange());
    SmallVector<int64_t> whole(shape);
    whole.front() = groupCapacity;
    return groupRows(empty(whole));
  }
  /// The rows of a group that are there.
  Value groupRows(Value tensor);
  Value row(Value tensor, Value index);
  Value withRow(Value tensor, Value row, Value index);
  Value filled(ArrayRef<int64_t> shape, float value) {
    Value scalar = constant(value);
    return linalg::FillOp::create(b, scalar, empty(shape)).getResult(0);
  }
  Value constant(float value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
  }
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  /// [panels, 16]: `valid` for the first `channels` lanes, `other` for the
  /// rest.
  Value laneMask(int64_t channels, float valid, float other);
  Value collapse(Value tensor, ArrayRef<ReassociationIndices> groups) {
    return tensor::CollapseShapeOp::create(b, tensor, groups);
  }
  Value expand(Value tensor, ArrayRef<int64_t> shape,
               ArrayRef<ReassociationIndices> groups) {
    return tensor::ExpandShapeOp::create(b, f32(shape), tensor, groups);
  }
  Value slice(Value tensor, ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes);
  Value rowSlice(Value tensor, int64_t first, int64_t count);
  /// The rows of `top`, then those of `bottom`.
  Value stackRows(Value top, Value bottom);
  Value generic(ValueRange inputs, Value out, ArrayRef<AffineMap> maps,
                ArrayRef<IteratorType> iterators, Body body);
  AffineMap map(unsigned dims, ArrayRef<AffineExpr> results) {
    return AffineMap::get(dims, 0, results, b.getContext());
  }
  AffineExpr dim(unsigned position) { return b.getAffineDimExpr(position); }

  // Pieces of layers.
  Value multiplyAdd(ValueRange inputs, ArrayRef<int64_t> shape,
                    ArrayRef<AffineMap> maps, ArrayRef<IteratorType> iterators);
  /// input [M, panels, 16] times a packed weight: [M, panels', 16].
  Value matmul(Value input, Value weight);
  /// Element-wise over `input`, with a value per channel.
  Value withBias(Value input, Value bias, Body body);
  Value addBias(Value input, Value bias);
  /// Reduces the last two dimensions (panels and lanes).
  Value reduceLanes(ValueRange inputs, ArrayRef<AffineMap> maps,
                    ArrayRef<int64_t> shape, float init, Body body);
  /// exp(x - max) over the lanes, `channels` of which are there, and 1 / sum.
  std::pair<Value, Value> softmaxParts(Value logits, int64_t channels);

  func::FuncOp source;
  ImplicitLocOpBuilder b;
  ParamDeriver deriver;
  DenseMap<Value, Value> lowered;
  Value logitsMemory, routesMemory;
  // While the region of an expert that takes tokens is lowered: how many, and
  // how many at most.
  Value groupSize;
  int64_t groupCapacity = 0;
};

int64_t rowsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(0);
}
int64_t widthOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(1);
}
ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

} // namespace

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

Value Lowering::weights(Value param, StringRef suffix,
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

Value Lowering::packed(Value weight, int64_t outGroup, int64_t inGroup) {
  auto type = cast<RankedTensorType>(weight.getType());
  int64_t outputs = type.getDimSize(0);
  int64_t inputs = type.getNumElements() / outputs;
  int64_t panels = outputs / outGroup * numPanels(outGroup);
  int64_t depth =
      inGroup ? inputs / inGroup * numPanels(inGroup) * kPanel : inputs;
  return weights(
      weight, ".packed", [&](OpBuilder &builder, Location loc, Value base) {
        return PackPanelsOp::create(builder, loc, f32({panels, depth, kPanel}),
                                    base, outGroup, inGroup);
      });
}

Value Lowering::padded(Value value, int64_t group) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape.back() = shape.back() / group * numPanels(group);
  shape.push_back(kPanel);
  return weights(
      value, ".lanes", [&](OpBuilder &builder, Location loc, Value base) {
        return PadChannelsOp::create(builder, loc, f32(shape), base, group);
      });
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value Lowering::laneMask(int64_t channels, float valid, float other) {
  int64_t panels = numPanels(channels);
  SmallVector<float> values(panels * kPanel, other);
  std::fill_n(values.begin(), channels, valid);
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(f32({panels, kPanel}), ArrayRef(values)));
}

Value Lowering::slice(Value tensor, ArrayRef<int64_t> offsets,
                      ArrayRef<int64_t> sizes) {
  if (shapeOf(tensor) == sizes)
    return tensor;
  SmallVector<int64_t> strides(sizes.size(), 1);
  return tensor::ExtractSliceOp::create(
      b, tensor, getAsIndexOpFoldResult(b.getContext(), offsets),
      getAsIndexOpFoldResult(b.getContext(), sizes),
      getAsIndexOpFoldResult(b.getContext(), strides));
}

Value Lowering::rowSlice(Value tensor, int64_t first, int64_t count) {
  SmallVector<int64_t> sizes(shapeOf(tensor));
  SmallVector<int64_t> offsets(sizes.size(), 0);
  sizes[0] = count;
  offsets[0] = first;
  return slice(tensor, offsets, sizes);
}

Value Lowering::groupRows(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  sizes[0] = groupSize;
  return tensor::ExtractSliceOp::create(b, tensor, offsets, sizes, strides);
}

Value Lowering::row(Value tensor, Value index) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  offsets[0] = index;
  sizes[0] = one;
  return tensor::ExtractSliceOp::create(b, tensor, offsets, sizes, strides);
}

Value Lowering::withRow(Value tensor, Value row, Value index) {
  auto type = cast<RankedTensorType>(row.getType());
  Attribute zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero),
      sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      strides(type.getRank(), one);
  offsets[0] = index;
  return tensor::InsertSliceOp::create(b, row, tensor, offsets, sizes, strides);
}

Value Lowering::stackRows(Value top, Value bottom) {
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

Value Lowering::generic(ValueRange inputs, Value out, ArrayRef<AffineMap> maps,
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

Value Lowering::multiplyAdd(ValueRange inputs, ArrayRef<int64_t> shape,
                            ArrayRef<AffineMap> maps,
                            ArrayRef<IteratorType> iterators) {
  return generic(inputs, filled(shape, 0.0f), maps, iterators,
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   Value product = arith::MulFOp::create(ib, args[0], args[1]);
                   return arith::AddFOp::create(ib, args[2], product);
                 });
}

Value Lowering::matmul(Value input, Value weight) {
  int64_t rows = rowsOf(input), panels = rowsOf(weight);
  Value a = collapse(input, {{0}, {1, 2}});
  assert(shapeOf(a)[1] == shapeOf(weight)[1] && "depths must agree");
  AffineExpr m = dim(0), p = dim(1), c = dim(2), k = dim(3);
  return multiplyAdd({a, weight}, {rows, panels, kPanel},
                     {map(4, {m, k}), map(4, {p, k, c}), map(4, {m, p, c})},
                     {IteratorType::parallel, IteratorType::parallel,
                      IteratorType::parallel, IteratorType::reduction});
}

Value Lowering::withBias(Value input, Value bias, Body body) {
  AffineExpr m = dim(0), p = dim(1), c = dim(2);
  return generic({input, bias}, empty(shapeOf(input)),
                 {map(3, {m, p, c}), map(3, {p, c}), map(3, {m, p, c})},
                 SmallVector<IteratorType>(3, IteratorType::parallel), body);
}

Value Lowering::addBias(Value input, Value bias) {
  return withBias(input, bias,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::AddFOp::create(ib, args[0], args[1]);
                  });
}

Value Lowering::reduceLanes(ValueRange inputs, ArrayRef<AffineMap> maps,
                            ArrayRef<int64_t> shape, float init, Body body) {
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

std::pair<Value, Value> Lowering::softmaxParts(Value logits, int64_t channels) {
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

/// The MLP's activation of one value.
static Value activate(ImplicitLocOpBuilder &ib, Value x,
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
  }
  llvm_unreachable("unknown activation");
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

void Lowering::lower(PatchEmbedOp op) {
  ArrayRef<int64_t> image = shapeOf(op.getImage());
  ArrayRef<int64_t> kernel = shapeOf(op.getWeight());
  int64_t width = kernel[0], panels = numPanels(width), prefix = op.getPrefix();
  int64_t rows = image[1] / kernel[2], columns = image[2] / kernel[3];

  // Straight from the image: no copy of the patches is made.
  Value weight = expand(packed(op.getWeight(), width, 0),
                        {panels, kernel[1], kernel[2], kernel[3], kPanel},
                        {{0}, {1, 2, 3}, {4}});
  AffineExpr y = dim(0), x = dim(1), p = dim(2), c = dim(3), ch = dim(4),
             i = dim(5), j = dim(6);
  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.append(3, IteratorType::reduction);
  Value product = multiplyAdd(
      {lowered.lookup(op.getImage()), weight}, {rows, columns, panels, kPanel},
      {map(7, {ch, y * kernel[2] + i, x * kernel[3] + j}),
       map(7, {p, ch, i, j, c}), map(7, {y, x, p, c})},
      iterators);

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

void Lowering::lower(ClassTokenOp op) {
  int64_t width = widthOf(op.getTokens());
  Value token = collapse(padded(op.getToken(), width), {{0, 1}, {2}, {3}});
  lowered[op] = stackRows(token, lowered.lookup(op.getTokens()));
}

void Lowering::lower(PositionOp op) {
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

void Lowering::lower(SliceTokensOp op) {
  lowered[op] = rowSlice(lowered.lookup(op.getTokens()), op.getFirst(),
                         rowsOf(op.getResult()));
}

void Lowering::lower(PoolOp op) {
  int64_t count = op.getCount();
  Value rows = rowSlice(lowered.lookup(op.getTokens()), op.getFirst(), count);
  int64_t panels = shapeOf(rows)[1];
  AffineExpr p = dim(0), c = dim(1), m = dim(2);
  Value sum = generic(
      {rows}, filled({panels, kPanel}, 0.0f),
      {map(3, {m, p, c}), map(3, {p, c})},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return arith::AddFOp::create(ib, args[1], args[0]);
      });
  AffineMap full = b.getMultiDimIdentityMap(2);
  Value mean =
      generic({sum}, empty({panels, kPanel}), {full, full},
              SmallVector<IteratorType>(2, IteratorType::parallel),
              [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                Value factor = arith::ConstantOp::create(
                    ib, ib.getF32FloatAttr(float(1.0 / double(count))));
                return arith::MulFOp::create(ib, args[0], factor);
              });
  lowered[op] = expand(mean, {1, panels, kPanel}, {{0, 1}, {2}});
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

void Lowering::lower(LayerNormOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t rows = rowsOf(x), width = widthOf(op.getTokens());
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
  float eps = float(op.getEps().convertToDouble());
  Value factor = generic(
      {squares}, empty({rows}), {one, one}, {IteratorType::parallel},
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value scale =
            arith::ConstantOp::create(ib, ib.getF32FloatAttr(inverseWidth));
        Value variance = arith::MulFOp::create(ib, args[0], scale);
        Value epsilon = arith::ConstantOp::create(ib, ib.getF32FloatAttr(eps));
        return math::RsqrtOp::create(
            ib, arith::AddFOp::create(ib, variance, epsilon));
      });

  inputs = {x, mean, factor};
  maps = {full, row, row};
  if (op.getScale()) {
    inputs.push_back(padded(op.getScale(), width));
    inputs.push_back(padded(op.getShift(), width));
    maps.append(2, lanes);
  }
  maps.push_back(full);
  lowered[op] = generic(inputs, empty(shapeOf(x)), maps,
                        SmallVector<IteratorType>(3, IteratorType::parallel),
                        [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                          Value d = arith::SubFOp::create(ib, args[0], args[1]);
                          Value y = arith::MulFOp::create(ib, d, args[2]);
                          if (args.size() == 4)
                            return y;
                          y = arith::MulFOp::create(ib, y, args[3]);
                          return arith::AddFOp::create(ib, y, args[4]);
                        });
}

void Lowering::lower(AttentionOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t tokens = rowsOf(x), queries = rowsOf(op.getResult());
  int64_t width = widthOf(op.getTokens()), heads = op.getHeads();
  int64_t size = width / heads, headPanels = numPanels(size);
  int64_t partPanels = heads * headPanels, depth = headPanels * kPanel;
  int64_t keyPanels = numPanels(tokens);

  Value weight = packed(op.getQkvWeight(), size, width);
  Value bias = op.getQkvBias() ? padded(op.getQkvBias(), size) : Value();
  // Rows of `input` times panels [first, first + count) of the fused weight.
  auto project = [&](Value input, int64_t first, int64_t count) {
    int64_t k = shapeOf(weight)[1];
    Value part = slice(weight, {first, 0, 0}, {count, k, kPanel});
    Value y = matmul(input, part);
    if (bias)
      y = addBias(y, slice(bias, {first, 0}, {count, kPanel}));
    return y;
  };
  Value q, k, v;
  if (queries == tokens) {
    Value qkv = project(x, 0, 3 * partPanels);
    auto part = [&](int64_t i) {
      return slice(qkv, {0, i * partPanels, 0}, {tokens, partPanels, kPanel});
    };
    q = part(0), k = part(1), v = part(2);
  } else {
    q = project(rowSlice(x, op.getFirstQuery(), queries), 0, partPanels);
    Value kv = project(x, partPanels, 2 * partPanels);
    k = slice(kv, {0, 0, 0}, {tokens, partPanels, kPanel});
    v = slice(kv, {0, partPanels, 0}, {tokens, partPanels, kPanel});
  }
  auto byHead = [&](Value part) {
    return expand(part, {rowsOf(part), heads, headPanels, kPanel},
                  {{0}, {1, 2}, {3}});
  };
  auto byHeadFlat = [&](Value part) {
    return collapse(byHead(part), {{0}, {1}, {2, 3}});
  };

  // Keys as panels over tokens: [heads, depth, key panels, 16].
  Value keys = filled({heads, depth, keyPanels * kPanel}, 0.0f);
  Value present = slice(keys, {0, 0, 0}, {heads, depth, tokens});
  {
    AffineExpr h = dim(0), d = dim(1), t = dim(2);
    present = generic({byHeadFlat(k)}, present,
                      {map(3, {t, h, d}), map(3, {h, d, t})},
                      SmallVector<IteratorType>(3, IteratorType::parallel),
                      [](ImplicitLocOpBuilder &, ValueRange args) -> Value {
                        return args[0];
                      });
  }
  if (tokens % kPanel != 0)
    present = tensor::InsertSliceOp::create(
        b, present, keys, getAsIndexOpFoldResult(b.getContext(), {0, 0, 0}),
        getAsIndexOpFoldResult(b.getContext(), {heads, depth, tokens}),
        getAsIndexOpFoldResult(b.getContext(), {1, 1, 1}));
  keys = expand(present, {heads, depth, keyPanels, kPanel}, {{0}, {1}, {2, 3}});

  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  AffineExpr h = dim(0), m = dim(1), p = dim(2), c = dim(3), r = dim(4);
  Value scores = multiplyAdd(
      {byHeadFlat(q), keys}, {heads, queries, keyPanels, kPanel},
      {map(5, {m, h, r}), map(5, {h, r, p, c}), map(5, {h, m, p, c})},
      iterators);
  if (float scale = float(op.getScale().convertToDouble()); scale != 1.0f) {
    AffineMap full = b.getMultiDimIdentityMap(4);
    scores = generic({scores}, empty(shapeOf(scores)), {full, full},
                     SmallVector<IteratorType>(4, IteratorType::parallel),
                     [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                       Value factor = arith::ConstantOp::create(
                           ib, ib.getF32FloatAttr(scale));
                       return arith::MulFOp::create(ib, args[0], factor);
                     });
  }
  auto [exps, inverse] = softmaxParts(scores, tokens);
  exps = slice(collapse(exps, {{0}, {1}, {2, 3}}), {0, 0, 0},
               {heads, queries, tokens});
  Value mixed = multiplyAdd(
      {exps, byHead(v)}, {queries, heads, headPanels, kPanel},
      {map(5, {h, m, r}), map(5, {r, h, p, c}), map(5, {m, h, p, c})},
      iterators);
  {
    AffineMap full = b.getMultiDimIdentityMap(4);
    mixed = generic({mixed, inverse}, empty(shapeOf(mixed)),
                    {full, map(4, {dim(1), dim(0)}), full},
                    SmallVector<IteratorType>(4, IteratorType::parallel),
                    [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                      return arith::MulFOp::create(ib, args[0], args[1]);
                    });
  }
  mixed = collapse(mixed, {{0}, {1, 2}, {3}});
  lowered[op] = addBias(matmul(mixed, packed(op.getProjWeight(), width, size)),
                        padded(op.getProjBias(), width));
}

void Lowering::lower(MlpOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t width = widthOf(op.getTokens());
  int64_t hiddenWidth = rowsOf(op.getFc1Weight());
  Value hidden =
      withBias(matmul(x, packed(op.getFc1Weight(), hiddenWidth, width)),
               padded(op.getFc1Bias(), hiddenWidth),
               [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                 Value sum = arith::AddFOp::create(ib, args[0], args[1]);
                 return activate(ib, sum, op.getActivation());
               });
  lowered[op] =
      addBias(matmul(hidden, packed(op.getFc2Weight(), width, hiddenWidth)),
              padded(op.getFc2Bias(), width));
}

void Lowering::lower(HeadOp op) {
  int64_t width = widthOf(op.getInput());
  int64_t classes = rowsOf(op.getWeight());
  lowered[op] = addBias(matmul(lowered.lookup(op.getInput()),
                               packed(op.getWeight(), classes, width)),
                        padded(op.getBias(), classes));
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

std::pair<Value, Value> Lowering::nextChoice(
    ImplicitLocOpBuilder &ib, int64_t count, Value last, Value lastIndex,
    function_ref<Value(ImplicitLocOpBuilder &, Value)> logitAt) {
  Value zero = arith::ConstantIndexOp::create(ib, 0);
  Value one = arith::ConstantIndexOp::create(ib, 1);
  Value end = arith::ConstantIndexOp::create(ib, count);
  Value none = arith::ConstantIndexOp::create(ib, -1);
  Value infinity = arith::ConstantOp::create(ib, ib.getF32FloatAttr(kInfinity));
  auto search = scf::ForOp::create(
      ib, zero, end, one, ValueRange{infinity, none},
      [&](OpBuilder &builder, Location loc, Value e, ValueRange best) {
        ImplicitLocOpBuilder ib(loc, builder);
        Value logit = logitAt(ib, e);
        Value below =
            arith::CmpFOp::create(ib, arith::CmpFPredicate::OLT, logit, last);
        Value equal =
            arith::CmpFOp::create(ib, arith::CmpFPredicate::OEQ, logit, last);
        Value later =
            arith::CmpIOp::create(ib, arith::CmpIPredicate::sgt, e, lastIndex);
        Value free = arith::OrIOp::create(
            ib, below, arith::AndIOp::create(ib, equal, later));
        Value first =
            arith::CmpIOp::create(ib, arith::CmpIPredicate::slt, best[1], zero);
        Value above = arith::CmpFOp::create(ib, arith::CmpFPredicate::OGT,
                                            logit, best[0]);
        Value take = arith::AndIOp::create(
            ib, free, arith::OrIOp::create(ib, first, above));
        scf::YieldOp::create(
            ib, ValueRange{arith::SelectOp::create(ib, take, logit, best[0]),
                           arith::SelectOp::create(ib, take, e, best[1])});
      });
  Value found = arith::MaxSIOp::create(ib, search.getResult(1), zero);
  return {search.getResult(0), found};
}

void Lowering::lower(RouterOp op) {
  int64_t width = widthOf(op.getInput());
  int64_t count = rowsOf(op.getWeight()), chosen = rowsOf(op.getGates());
  Value logits = matmul(lowered.lookup(op.getInput()),
                        packed(op.getWeight(), count, width));
  if (op.getBias())
    logits = addBias(logits, padded(op.getBias(), count));
  std::pair<Value, Value> softmax = softmaxParts(logits, count);
  logits = collapse(logits, {{0, 1, 2}});
  Value exps = collapse(softmax.first, {{0, 1, 2}});

  // Each choice comes after the one before it; that needs no list of what is
  // taken.
  Value zero = index(0), one = index(1), none = index(-1);
  Value infinity = constant(kInfinity);
  Value scale = tensor::ExtractOp::create(b, softmax.second, zero);
  Value experts = bufferization::AllocTensorOp::create(
      b, RankedTensorType::get({chosen}, b.getIndexType()), ValueRange());
  auto loop = scf::ForOp::create(
      b, zero, index(chosen), one,
      ValueRange{experts, empty({chosen}), infinity, none, constant(0.0f)},
      [&](OpBuilder &builder, Location loc, Value j, ValueRange state) {
        ImplicitLocOpBuilder ib(loc, builder);
        auto [best, found] =
            nextChoice(ib, count, state[2], state[3],
                       [&](ImplicitLocOpBuilder &inner, Value e) -> Value {
                         return tensor::ExtractOp::create(inner, logits, e);
                       });
        Value exp = tensor::ExtractOp::create(ib, exps, found);
        Value gate = arith::MulFOp::create(ib, exp, scale);
        Value newExperts = tensor::InsertOp::create(ib, found, state[0], j);
        Value newGates = tensor::InsertOp::create(ib, gate, state[1], j);
        Value sum = arith::AddFOp::create(ib, state[4], gate);
        scf::YieldOp::create(
            ib, ValueRange{newExperts, newGates, best, found, sum});
      });
  Value gates = loop.getResult(1);
  if (op.getNormalize()) {
    AffineMap full = b.getMultiDimIdentityMap(1);
    gates = generic({gates, loop.getResult(4)}, empty({chosen}),
                    {full, map(1, {}), full}, {IteratorType::parallel},
                    [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                      return arith::DivFOp::create(ib, args[0], args[1]);
                    });
  }
  lowered[op.getExperts()] = loop.getResult(0);
  lowered[op.getGates()] = gates;
}

FailureOr<Value> Lowering::lowerRegion(Region &body, ValueRange arguments) {
  for (auto [from, to] : llvm::zip(body.getArguments(), arguments))
    lowered[from] = to;
  for (Operation &op : body.front().without_terminator())
    if (failed(lower(op)))
      return failure();
  auto yield = cast<YieldOp>(body.front().getTerminator());
  if (failed(checkOperands(*yield)))
    return failure();
  return lowered.lookup(yield.getValue());
}

Value Lowering::addWeighted(Value value, Value gate, Value sum) {
  AffineMap full = b.getMultiDimIdentityMap(3);
  return generic({value, gate}, sum, {full, map(3, {}), full},
                 SmallVector<IteratorType>(3, IteratorType::parallel),
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   Value weighted = arith::MulFOp::create(ib, args[0], args[1]);
                   return arith::AddFOp::create(ib, args[2], weighted);
                 });
}

FailureOr<Value> Lowering::chooseRegion(
    RoutedOpInterface op, Value which, Type result, Value tokens,
    function_ref<FailureOr<Value>(Region &, ValueRange)> emit) {
  if (op.isMerged())
    return emit(op.getExpertRegions().front(), {tokens, which});
  // The last expert is the default: the index is always one of them.
  SmallVector<int64_t> cases;
  for (int64_t e = 0; e + 1 < op.getExpertCount(); ++e)
    cases.push_back(e);
  auto choice =
      scf::IndexSwitchOp::create(b, result, which, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [index, body] : llvm::enumerate(op.getExpertRegions())) {
    Region &region = index < cases.size() ? choice.getCaseRegions()[index]
                                          : choice.getDefaultRegion();
    b.createBlock(&region);
    FailureOr<Value> value = emit(body, {tokens});
    if (failed(value))
      return failure();
    scf::YieldOp::create(b, *value);
  }
  return choice.getResult(0);
}

FailureOr<Value> Lowering::experts(ExpertsOp op, Value sum) {
  Value tokens = lowered.lookup(op.getTokens());
  Value chosen = lowered.lookup(op.getExperts());
  Value gates = lowered.lookup(op.getGates());
  auto loop = scf::ForOp::create(b, index(0), index(op.getNumChosen()),
                                 index(1), ValueRange{sum});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value j = loop.getInductionVar();
  Value which = tensor::ExtractOp::create(b, chosen, j);
  Value gate = tensor::ExtractOp::create(b, gates, j);
  Value carried = loop.getRegionIterArg(0);
  FailureOr<Value> result =
      chooseRegion(op, which, sum.getType(), tokens,
                   [&](Region &body, ValueRange arguments) -> FailureOr<Value> {
                     FailureOr<Value> value = lowerRegion(body, arguments);
                     if (failed(value))
                       return failure();
                     return addWeighted(*value, gate, carried);
                   });
  if (failed(result))
    return failure();
  scf::YieldOp::create(b, *result);
  return loop.getResult(0);
}

FailureOr<Value> Lowering::experts(TokenExpertsOp op, Value sum) {
  Value tokens = lowered.lookup(op.getTokens());
  Value taken = lowered.lookup(op.getTaken());
  Value gates = lowered.lookup(op.getGates());
  Value counts = lowered.lookup(op.getCounts());
  SmallVector<int64_t> groupShape(shapeOf(tokens));
  groupShape[0] = op.getCapacity();
  Value zero = index(0), one = index(1);
  auto loop = scf::ForOp::create(b, zero, index(op.getNumExperts()), one,
                                 ValueRange{sum});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value which = loop.getInductionVar();
  Value count = tensor::ExtractOp::create(b, counts, which);
  // A loop over the tokens that this expert took; `emit` gets a place in the
  // group, the token's index and what is carried.
  auto overGroup = [&](Value init,
                       function_ref<Value(Value, Value, Value)> emit) -> Value {
    auto inner = scf::ForOp::create(b, zero, count, one, ValueRange{init});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(inner.getBody());
    Value i = inner.getInductionVar();
    Value token = tensor::ExtractOp::create(b, taken, ValueRange{which, i});
    scf::YieldOp::create(b, emit(i, token, inner.getRegionIterArg(0)));
    return inner.getResult(0);
  };
  AffineMap full = b.getMultiDimIdentityMap(3);
  Value group = overGroup(
      empty(groupShape), [&](Value i, Value token, Value carried) -> Value {
        Value copy =
            generic({row(tokens, token)}, row(carried, i), {full, full},
                    SmallVector<IteratorType>(3, IteratorType::parallel),
                    [](ImplicitLocOpBuilder &, ValueRange args) -> Value {
                      return args[0];
                    });
        return withRow(carried, copy, i);
      });
  groupSize = count;
  groupCapacity = op.getCapacity();
  Value carried = loop.getRegionIterArg(0);
  FailureOr<Value> result = chooseRegion(
      op, which, sum.getType(), groupRows(group),
      [&](Region &body, ValueRange arguments) -> FailureOr<Value> {
        FailureOr<Value> value = lowerRegion(body, arguments);
        if (failed(value))
          return failure();
        return overGroup(
            carried, [&](Value i, Value token, Value total) -> Value {
              Value gate =
                  tensor::ExtractOp::create(b, gates, ValueRange{which, i});
              Value added =
                  addWeighted(row(*value, i), gate, row(total, token));
              return withRow(total, added, token);
            });
      });
  if (failed(result))
    return failure();
  groupSize = Value();
  scf::YieldOp::create(b, *result);
  return loop.getResult(0);
}

FailureOr<Value> Lowering::experts(RoutedOpInterface op, Value sum) {
  if (auto image = dyn_cast<ExpertsOp>(*op))
    return experts(image, sum);
  return experts(cast<TokenExpertsOp>(*op), sum);
}

void Lowering::lower(TokenRouterOp op) {
  int64_t tokens = rowsOf(lowered.lookup(op.getTokens()));
  int64_t width = widthOf(op.getTokens()), count = op.getNumExperts();
  int64_t chosen = op.getTopK(), capacity = op.getCapacity();
  Value logits = matmul(lowered.lookup(op.getTokens()),
                        packed(op.getWeight(), count, width));
  if (op.getBias())
    logits = addBias(logits, padded(op.getBias(), count));
  std::pair<Value, Value> softmax = softmaxParts(logits, count);
  logits = collapse(logits, {{0}, {1, 2}});
  Value exps = collapse(softmax.first, {{0}, {1, 2}});
  Value zero = index(0), one = index(1);
  auto indices = [&](ArrayRef<int64_t> shape) -> Value {
    return bufferization::AllocTensorOp::create(
        b, RankedTensorType::get(shape, b.getIndexType()), ValueRange());
  };
  // A loop that carries tensors.
  auto overRange = [&](Value end, ValueRange init,
                       function_ref<SmallVector<Value>(Value, ValueRange)> emit)
      -> SmallVector<Value> {
    auto loop = scf::ForOp::create(b, zero, end, one, init);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    scf::YieldOp::create(
        b, emit(loop.getInductionVar(), loop.getRegionIterArgs()));
    return SmallVector<Value>(loop.getResults());
  };
  auto get = [&](Value tensor, ValueRange at) -> Value {
    return tensor::ExtractOp::create(b, tensor, at);
  };
  auto set = [&](Value tensor, Value value, ValueRange at) -> Value {
    return tensor::InsertOp::create(b, value, tensor, at);
  };

  // Each token's choices, best first, and what its priority is compared by: the
  // sum of the other experts' exp(l_e - l_max).
  SmallVector<Value> choices = overRange(
      index(tokens),
      ValueRange{indices({tokens, chosen}), empty({tokens, chosen}),
                 empty({tokens})},
      [&](Value t, ValueRange state) -> SmallVector<Value> {
        Value scale = get(softmax.second, t);
        SmallVector<Value> row = overRange(
            index(chosen),
            ValueRange{state[0], state[1], constant(kInfinity), index(-1),
                       constant(0.0f)},
            [&](Value j, ValueRange inner) -> SmallVector<Value> {
              auto [best, found] =
                  nextChoice(b, count, inner[2], inner[3],
                             [&](ImplicitLocOpBuilder &ib, Value e) -> Value {
                               return tensor::ExtractOp::create(
                                   ib, logits, ValueRange{t, e});
                             });
              Value gate =
                  arith::MulFOp::create(b, get(exps, {t, found}), scale);
              return {set(inner[0], found, {t, j}), set(inner[1], gate, {t, j}),
                      best, found, arith::AddFOp::create(b, inner[4], gate)};
            });
        Value gates = row[1];
        if (op.getNormalize())
          gates =
              overRange(index(chosen), gates,
                        [&](Value j, ValueRange inner) -> SmallVector<Value> {
                          Value gate = arith::DivFOp::create(
                              b, get(inner[0], {t, j}), row[4]);
                          return {set(inner[0], gate, {t, j})};
                        })[0];
        Value others = constant(0.0f);
        if (op.getPriority()) {
          Value first = get(row[0], {t, zero});
          others = overRange(
              index(count), others,
              [&](Value e, ValueRange inner) -> SmallVector<Value> {
                Value isFirst = arith::CmpIOp::create(
                    b, arith::CmpIPredicate::eq, e, first);
                Value more =
                    arith::AddFOp::create(b, inner[0], get(exps, {t, e}));
                return {arith::SelectOp::create(b, isFirst, inner[0], more)};
              })[0];
        }
        return {row[0], gates, set(state[2], others, t)};
      });
  Value which = choices[0], gateOf = choices[1], others = choices[2];

  // The order in which tokens are served: each at the place that is the number
  // of those before it. Where NaNs have no order, each at its own.
  Value order;
  if (op.getPriority()) {
    order = overRange(index(tokens), indices({tokens}),
                      [&](Value t, ValueRange state) -> SmallVector<Value> {
                        return {set(state[0], t, t)};
                      })[0];
    order = overRange(
        index(tokens), order,
        [&](Value t, ValueRange state) -> SmallVector<Value> {
          Value own = get(others, t);
          Value place = overRange(
              index(tokens), zero,
              [&](Value u, ValueRange inner) -> SmallVector<Value> {
                Value other = get(others, u);
                Value below = arith::CmpFOp::create(
                    b, arith::CmpFPredicate::OLT, other, own);
                Value equal = arith::CmpFOp::create(
                    b, arith::CmpFPredicate::OEQ, other, own);
                Value earlier =
                    arith::CmpIOp::create(b, arith::CmpIPredicate::slt, u, t);
                Value before = arith::OrIOp::create(
                    b, below, arith::AndIOp::create(b, equal, earlier));
                Value more = arith::AddIOp::create(b, inner[0], one);
                return {arith::SelectOp::create(b, before, more, inner[0])};
              })[0];
          return {set(state[0], t, place)};
        })[0];
  }

  // All first choices, then all second choices, and so on. What comes too late
  // lands in a last column that nobody reads.
  Value end = index(capacity);
  SmallVector<Value> served =
      overRange(index(count), indices({count}),
                [&](Value e, ValueRange state) -> SmallVector<Value> {
                  return {set(state[0], zero, e)};
                });
  served = {indices({count, capacity + 1}), empty({count, capacity + 1}),
            served[0]};
  served =
      overRange(index(chosen), served,
                [&](Value j, ValueRange outer) -> SmallVector<Value> {
                  return overRange(
                      index(tokens), outer,
                      [&](Value i, ValueRange state) -> SmallVector<Value> {
                        Value t = order ? get(order, i) : i;
                        Value e = get(which, {t, j});
                        Value place = get(state[2], e);
                        Value next = arith::MinSIOp::create(
                            b, arith::AddIOp::create(b, place, one), end);
                        return {set(state[0], t, {e, place}),
                                set(state[1], get(gateOf, {t, j}), {e, place}),
                                set(state[2], next, e)};
                      });
                });
  Value taken = slice(served[0], {0, 0}, {count, capacity});
  Value gates = slice(served[1], {0, 0}, {count, capacity});
  Value counts = served[2];

  Value means = overRange(
      index(count), empty({count}),
      [&](Value e, ValueRange state) -> SmallVector<Value> {
        Value n = get(counts, e);
        Value sum = overRange(
            n, constant(0.0f),
            [&](Value i, ValueRange inner) -> SmallVector<Value> {
              return {arith::AddFOp::create(b, inner[0], get(gates, {e, i}))};
            })[0];
        Value divisor = arith::MaxSIOp::create(b, n, one);
        divisor = arith::IndexCastOp::create(b, b.getI32Type(), divisor);
        divisor = arith::SIToFPOp::create(b, b.getF32Type(), divisor);
        return {set(state[0], arith::DivFOp::create(b, sum, divisor), e)};
      })[0];
  lowered[op.getTaken()] = taken;
  lowered[op.getGates()] = gates;
  lowered[op.getCounts()] = counts;
  lowered[op.getMeanGates()] = means;
}

/// The experts whose output `op` adds to the residual stream, if nobody else
/// wants it.
static RoutedOpInterface expertsOf(arith::AddFOp op) {
  auto experts = op.getRhs().getDefiningOp<RoutedOpInterface>();
  return experts && experts->hasOneUse() && op.getLhs() != op.getRhs()
             ? experts
             : RoutedOpInterface();
}

LogicalResult Lowering::lower(arith::AddFOp op) {
  Value residual = lowered.lookup(op.getLhs());
  if (RoutedOpInterface routed = expertsOf(op)) {
    FailureOr<Value> sum = experts(routed, residual);
    if (failed(sum))
      return failure();
    lowered[op] = *sum;
    return success();
  }
  // Not in place: one buffer for the stream through all blocks would be one set
  // of aliases, which bufferisation compares pair by pair.
  AffineMap full = b.getMultiDimIdentityMap(3);
  lowered[op] = generic({lowered.lookup(op.getRhs()), residual},
                        empty(shapeOf(residual)), {full, full, full},
                        SmallVector<IteratorType>(3, IteratorType::parallel),
                        [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                          return arith::AddFOp::create(ib, args[1], args[0]);
                        });
  return success();
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

void Lowering::storeRoutes(func::ReturnOp op) {
  auto layers = source->getAttrOfType<DenseI64ArrayAttr>(kRouteLayersAttr);
  Type i32 = b.getI32Type();
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  bool isPerToken = source->hasAttr(kTokenRoutesAttr);
  int64_t first = 0;
  for (auto [i, layer] : llvm::enumerate(layers.asArrayRef())) {
    Value experts = lowered.lookup(op.getOperand(1 + 2 * i));
    Value gates = lowered.lookup(op.getOperand(2 + 2 * i));
    auto loop = scf::ForOp::create(b, index(0), index(rowsOf(gates)), index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value j = loop.getInductionVar();
    Value row = arith::AddIOp::create(b, j, index(first));
    first += rowsOf(gates);
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

LogicalResult Lowering::lower(func::ReturnOp op) {
  Value logits = lowered.lookup(op.getOperand(0));
  int64_t classes = widthOf(op.getOperand(0));
  logits = slice(collapse(logits, {{0, 1, 2}}), {0}, {classes});
  auto store = bufferization::MaterializeInDestinationOp::create(b, logits,
                                                                 logitsMemory);
  store.setWritable(true);
  if (routesMemory)
    storeRoutes(op);
  // 0 = ok, as MoeRunFn says.
  Value ok = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  func::ReturnOp::create(b, ok);
  return success();
}

/// Weights are read in a layout of their own, so they must be parameters; all
/// else must have been lowered before.
LogicalResult Lowering::checkOperands(Operation &op) {
  bool hasWeights =
      isa<PatchEmbedOp, ClassTokenOp, PositionOp, LayerNormOp, AttentionOp,
          MlpOp, RouterOp, TokenRouterOp, HeadOp>(op);
  for (OpOperand &operand : op.getOpOperands()) {
    if (hasWeights && operand.getOperandNumber() > 0) {
      auto get = operand.get().getDefiningOp<GetOp>();
      if (!get || (get.getExpert() && !lowered.contains(get.getExpert())))
        return op.emitOpError("cannot be lowered: a weight is no moe.get");
    } else if (!isa<GetOp>(op) && !lowered.contains(operand.get())) {
      auto experts = operand.get().getDefiningOp<RoutedOpInterface>();
      if (!isa<arith::AddFOp>(op) || !experts)
        return op.emitOpError()
               << "cannot be lowered: operand " << operand.getOperandNumber()
               << " is no result of a layer";
    }
  }
  return success();
}

LogicalResult Lowering::lower(Operation &op) {
  if (failed(checkOperands(op)))
    return failure();
  if (auto experts = dyn_cast<RoutedOpInterface>(op)) {
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
            LayerNormOp, AttentionOp, MlpOp, RouterOp, TokenRouterOp, HeadOp>(
          [&](auto layer) {
            lower(layer);
            return success();
          })
      .Case<arith::AddFOp, func::ReturnOp>(
          [&](auto known) { return lower(known); })
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

LogicalResult Lowering::run() {
  if (!isRunType(source.getFunctionType()))
    return source.emitOpError(
        "must take an image and return logits and a pair per router");
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
  Block *entry = target.addEntryBlock();
  b.setInsertionPointToStart(entry);
  lowered[source.getArgument(0)] = bufferization::ToTensorOp::create(
      b, image, entry->getArgument(0), /*restrict=*/true);
  logitsMemory = entry->getArgument(1);
  if (routes > 0)
    routesMemory = entry->getArgument(2);
  for (Operation &op : source.front()) {
    b.setLoc(op.getLoc());
    if (failed(lower(op)))
      return failure();
  }
  source.erase();
  return success();
}

namespace {
struct ConvertMoEToLinalg
    : moe::impl::ConvertMoEToLinalgBase<ConvertMoEToLinalg> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto function = module.lookupSymbol<func::FuncOp>(kRunFunction);
    if (!function || function.isExternal()) {
      module.emitOpError() << "has no function @" << kRunFunction;
      return signalPassFailure();
    }
    if (failed(Lowering(module, function).run()))
      signalPassFailure();
  }
};
} // namespace
