//===- SetPrecision.cpp - Matrix products in lower precision --------------===//

#include "moe/Dialect/Parts.h"
#include "moe/Dialect/Precision.h"
#include "moe/Transforms/DeriveParam.h"
#include "moe/Transforms/OneModule.h"
#include "moe/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::moe {
#define GEN_PASS_DEF_SETPRECISION
#include "moe/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

class Rewriter {
public:
  Rewriter(ModuleOp module, Precision precision,
           const llvm::StringMap<Precision> &layers, int64_t offset,
           ArrayRef<double> scales)
      : deriver(module), builder(module.getLoc(), module), precision(precision),
        layers(layers), offset(offset), scales(scales) {}

  template <typename OpT> void rewriteHere(OpT op) {
    builder.setLoc(op.getLoc());
    builder.setInsertionPoint(op);
    rewrite(op);
  }

  /// The scales of the inputs outside of experts, in order: those of each
  /// token, as far as they are not constant; and how many inputs there are.
  ArrayRef<Value> observed() const { return rowScales; }
  int64_t numInputs() const { return numInt8Inputs; }

private:
  void rewrite(PatchEmbedOp op);
  void rewrite(AttentionOp op);
  void rewrite(MlpOp op);
  void rewrite(HeadOp op);

  /// Of the product with `weight`: what the longest name that it begins with
  /// says, else the usual one.
  Precision precisionOf(Value weight);

  /// `input` times `weight` plus `bias` (may be null), in f32 again. With
  /// `onlyWeight`, int8's inputs stay f32.
  Value linear(Value input, Value weight, Value bias, int64_t outGroup,
               int64_t inGroup, Precision precision, bool onlyWeight = false);
  RankedTensorType tensor(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }
  Value derive(Value weight, StringRef suffix, ParamDeriver::Recipe recipe) {
    return deriver.derive(builder, weight, suffix, recipe);
  }

  ParamDeriver deriver;
  ImplicitLocOpBuilder builder;
  Precision precision;
  const llvm::StringMap<Precision> &layers;
  int64_t offset;
  ArrayRef<double> scales;
  int64_t numInt8Inputs = 0;
  SmallVector<Value> rowScales;
};

} // namespace

/// Sums of products of 8-bit integers, 255 times 127 at most, fit in 32 bits.
static constexpr int64_t kMostInputs = 65536;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

Precision Rewriter::precisionOf(Value weight) {
  auto get = weight.getDefiningOp<GetOp>();
  if (!get)
    return Precision::F32;
  StringRef name = get.getParam();
  // Experts that share their code share their precision.
  if (get.getExpert())
    name = cast<FlatSymbolRefAttr>(
               deriver.lookup<ParamTableOp>(get.getParamAttr()).getParams()[0])
               .getValue();
  for (StringRef part = name; !part.empty(); part = part.rsplit('.').first) {
    if (auto it = layers.find(part); it != layers.end())
      return it->second;
    if (!part.contains('.'))
      break;
  }
  return precision;
}

Value Rewriter::linear(Value input, Value weight, Value bias, int64_t outGroup,
                       int64_t inGroup, Precision precision, bool onlyWeight) {
  int64_t rows = shapeOf(input)[0], outputs = shapeOf(weight)[0],
          inputs = shapeOf(input)[1];
  if (precision == Precision::Int8 && !onlyWeight && inputs > kMostInputs)
    precision = Precision::F32;
  Type f32 = builder.getF32Type(), i8 = builder.getI8Type();
  auto multiply = [&](Value x, Value w, Value b, Type result,
                      int64_t zero) -> Value {
    return LinearOp::create(builder, tensor({rows, outputs}, result), x, w, b,
                            outGroup, inGroup, zero);
  };
  if (precision == Precision::F32)
    return multiply(input, weight, bias, f32, 0);
  if (precision == Precision::BF16) {
    Type bf16 = builder.getBF16Type();
    Value rounded = input;
    if (!cast<RankedTensorType>(input.getType()).getElementType().isBF16())
      rounded =
          arith::TruncFOp::create(builder, tensor({rows, inputs}, bf16), input);
    Value low =
        derive(weight, ".bf16", [&](OpBuilder &b, Location loc, Value base) {
          return RoundOp::create(b, loc, tensor({outputs, inputs}, bf16), base);
        });
    return multiply(rounded, low, bias, f32, 0);
  }
  Value low =
      derive(weight, ".int8", [&](OpBuilder &b, Location loc, Value base) {
        return QuantizeRowsOp::create(b, loc, tensor({outputs, inputs}, i8),
                                      base);
      });
  auto scalesTimes = [&](APFloat factor) {
    return derive(weight, ".scales",
                  [&](OpBuilder &b, Location loc, Value base) {
                    return RowScalesOp::create(b, loc, tensor({outputs}, f32),
                                               base, factor);
                  });
  };
  auto dequantize = [&](Value sums, Value rowScales, Value columns) -> Value {
    return DequantizeOp::create(builder, tensor({rows, outputs}, f32), sums,
                                rowScales, columns, bias, outGroup);
  };
  if (onlyWeight)
    return dequantize(multiply(input, low, Value(), f32, 0), Value(),
                      scalesTimes(APFloat(1.0)));

  // Inside of experts, inputs always have a scale for each token.
  bool isExpert =
      isa<RoutedOpInterface>(builder.getInsertionBlock()->getParentOp());
  FloatAttr constant;
  if (!isExpert && size_t(numInt8Inputs) < scales.size())
    constant = builder.getF64FloatAttr(scales[numInt8Inputs]);
  numInt8Inputs += !isExpert;
  auto quantized =
      QuantizeOp::create(builder, tensor({rows, inputs}, i8),
                         constant ? Type() : Type(tensor({rows}, f32)), input,
                         constant, builder.getI64IntegerAttr(offset));
  if (!isExpert && !constant)
    rowScales.push_back(quantized.getScales());
  Value sums = multiply(quantized.getResult(), low, Value(),
                        builder.getI32Type(), offset);
  return dequantize(sums, quantized.getScales(),
                    scalesTimes(constant ? constant.getValue() : APFloat(1.0)));
}

void Rewriter::rewrite(PatchEmbedOp op) {
  Precision precision = precisionOf(op.getWeight());
  if (precision == Precision::F32)
    return;
  ArrayRef<int64_t> kernel = shapeOf(op.getWeight());
  int64_t width = kernel[0], depth = kernel[1] * kernel[2] * kernel[3];
  if (precision == Precision::Int8 && depth > kMostInputs)
    return;
  int64_t prefix = op.getPrefix(),
          patches = shapeOf(op.getResult())[0] - prefix;
  Type element = precision == Precision::BF16 ? Type(builder.getBF16Type())
                                              : Type(builder.getF32Type());
  Value input = PatchesOp::create(builder, tensor({patches, depth}, element),
                                  op.getImage(), kernel[2], kernel[3]);
  Value offset = op.getOffset();
  bool isTable = offset && shapeOf(offset).size() == 2;
  Value result = linear(input, op.getWeight(), isTable ? Value() : offset,
                        width, depth, precision);
  if (isTable)
    result = PlaceTokensOp::create(builder, result, offset, prefix);
  op.replaceAllUsesWith(result);
  op.erase();
}

void Rewriter::rewrite(AttentionOp op) {
  Precision inside = precisionOf(op.getQkvWeight()),
            outside = precisionOf(op.getProjWeight());
  if (inside == Precision::F32 && outside == Precision::F32)
    return;
  // Their rows are made parameters of their own.
  if (!ParamDeriver::isParam(op.getQkvWeight()) ||
      (op.getQkvBias() && !ParamDeriver::isParam(op.getQkvBias())))
    return;
  Value tokens = op.getTokens();
  int64_t width = shapeOf(tokens)[1], size = width / op.getHeads();
  int64_t asking = shapeOf(op.getResult())[0];
  Value asked = tokens;
  if (asking < shapeOf(tokens)[0])
    asked = SliceTokensOp::create(builder, op.getType(), tokens,
                                  op.getFirstQuery());
  // A weight each for queries, keys and values: fewer tokens may ask than
  // answer.
  auto project = [&](Value input, int64_t index, StringRef suffix) -> Value {
    PartScope part = PartScope::within(builder, "qkv");
    auto slice = [&](Value whole) -> Value {
      SmallVector<int64_t> shape(shapeOf(whole));
      shape[0] = width;
      return derive(whole, suffix, [&](OpBuilder &b, Location loc, Value base) {
        return SliceRowsOp::create(b, loc, tensor(shape, b.getF32Type()), base,
                                   index * width);
      });
    };
    Value bias = op.getQkvBias() ? slice(op.getQkvBias()) : Value();
    return linear(input, slice(op.getQkvWeight()), bias, size, width, inside);
  };
  Value q = project(asked, 0, ".query");
  Value k = project(tokens, 1, ".key");
  Value v = project(tokens, 2, ".value");
  Value mixed =
      AttendOp::create(builder, q, k, v, op.getNorms(), op.getHeadsAttr(),
                       op.getScaleAttr(), op.getEpsAttr());
  PartScope part = PartScope::within(builder, "proj");
  op.replaceAllUsesWith(linear(mixed, op.getProjWeight(), op.getProjBias(),
                               width, size, outside));
  op.erase();
}

void Rewriter::rewrite(MlpOp op) {
  Precision first = precisionOf(op.getFc1Weight()),
            second = precisionOf(op.getFc2Weight());
  if (first == Precision::F32 && second == Precision::F32)
    return;
  int64_t width = shapeOf(op.getTokens())[1];
  int64_t hiddenWidth = shapeOf(op.getFc1Weight())[0];
  Value hidden;
  {
    PartScope part = PartScope::within(builder, "fc1");
    hidden = linear(op.getTokens(), op.getFc1Weight(), op.getFc1Bias(),
                    hiddenWidth, width, first);
    hidden = ActivateOp::create(builder, hidden, op.getActivation());
  }
  PartScope part = PartScope::within(builder, "fc2");
  op.replaceAllUsesWith(linear(hidden, op.getFc2Weight(), op.getFc2Bias(),
                               width, hiddenWidth, second));
  op.erase();
}

void Rewriter::rewrite(HeadOp op) {
  Precision precision = precisionOf(op.getWeight());
  if (precision == Precision::F32)
    return;
  // int8 spares what goes into the head: a few numbers decide between classes.
  op.replaceAllUsesWith(linear(op.getInput(), op.getWeight(), op.getBias(),
                               shapeOf(op.getWeight())[0],
                               shapeOf(op.getInput())[1], precision,
                               /*onlyWeight=*/true));
  op.erase();
}

namespace {
struct SetPrecision : moe::impl::SetPrecisionBase<SetPrecision> {
  using SetPrecisionBase::SetPrecisionBase;

  /// The run function returns the scales in place of the logits.
  LogicalResult returnScales(ArrayRef<Value> scales) {
    if (scales.empty())
      return success();
    int64_t entries = 0;
    for (Value value : scales)
      entries += shapeOf(value)[0];
    Operation *first = scales.front().getDefiningOp();
    auto run = dyn_cast_or_null<func::FuncOp>(first->getParentOp());
    auto exit = run ? dyn_cast<func::ReturnOp>(first->getBlock()->back())
                    : func::ReturnOp();
    for (Value scale : scales)
      if (!exit || scale.getParentBlock() != exit->getBlock())
        return scale.getDefiningOp()->emitOpError(
            "cannot be observed: expected all scales in one function without "
            "branches");
    if (exit.getNumOperands() == 0)
      return exit.emitOpError("returns no logits that scales could replace");
    OpBuilder builder(exit);
    auto type = RankedTensorType::get({1, entries}, builder.getF32Type());
    Value all = CollectOp::create(builder, exit.getLoc(), type, scales);
    exit.setOperand(0, all);
    run.setFunctionType(builder.getFunctionType(run.getArgumentTypes(),
                                                exit.getOperandTypes()));
    return success();
  }

  void runOnOperation() override {
    if (failed(verifyOneModule(getOperation())))
      return signalPassFailure();
    auto parse = [&](StringRef name) -> FailureOr<Precision> {
      if (std::optional<Precision> known = parsePrecision(name))
        return *known;
      return getOperation().emitError() << "unknown precision '" << name << "'";
    };
    FailureOr<Precision> usual = parse(precision);
    if (failed(usual))
      return signalPassFailure();
    llvm::StringMap<Precision> overrides;
    for (StringRef layer : layers) {
      auto [name, value] = layer.split('=');
      FailureOr<Precision> parsed = parse(value);
      if (failed(parsed))
        return signalPassFailure();
      overrides[name] = *parsed;
    }
    if (offset != 0 && offset != 128) {
      getOperation().emitError()
          << "offset must be 0 or 128, found " << int64_t(offset);
      return signalPassFailure();
    }
    for (double scale : scales)
      if (!isScale(scale)) {
        getOperation().emitError()
            << "a scale must be positive and finite, and so its inverse, found "
            << scale;
        return signalPassFailure();
      }
    Rewriter rewriter(getOperation(), *usual, overrides, offset, scales);
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<PatchEmbedOp, AttentionOp, MlpOp, HeadOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      llvm::TypeSwitch<Operation *>(op)
          .Case<PatchEmbedOp, AttentionOp, MlpOp, HeadOp>(
              [&](auto layer) { rewriter.rewriteHere(layer); });
    if (!scales.empty() && rewriter.numInputs() != int64_t(scales.size())) {
      getOperation().emitError() << "expected " << rewriter.numInputs()
                                 << " scales, found " << scales.size();
      return signalPassFailure();
    }
    if (observe && failed(returnScales(rewriter.observed())))
      return signalPassFailure();
  }
};
} // namespace
