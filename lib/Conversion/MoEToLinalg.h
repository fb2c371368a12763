//===- MoEToLinalg.h - Lowering of the moe dialect to linalg ----*- C++ -*-===//
//
// Activations are tensors [tokens, panels, 16]: channels in lanes of 16, those
// that the model does not have are zero. They stay zero through every linear
// layer (its padded weights and biases are zero) and every activation (all of
// them map 0 to 0), so only LayerNorm and softmax must count.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_CONVERSION_MOETOLINALG_H
#define MOE_LIB_CONVERSION_MOETOLINALG_H

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Parts.h"
#include "moe/Transforms/DeriveParam.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <limits>

namespace mlir::moe {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Lowers the run function op by op into a new one.
class MoELowering {
public:
  /// Of a weight below f32, `columnBits` of each column lie together.
  MoELowering(ModuleOp module, func::FuncOp source, int64_t columnBits)
      : source(source), b(source.getLoc(), source), deriver(module),
        columnBits(columnBits) {}

  LogicalResult run();

private:
  using Body = function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

  LogicalResult checkSizes();
  LogicalResult checkOperands(Operation &op);
  /// Fails unless what `operand` was lowered to is as its op wants it: in
  /// lanes, with the channels in the right groups.
  LogicalResult checkLayout(OpOperand &operand);
  LogicalResult lower(Operation &op);
  void lower(PatchEmbedOp op);
  void lower(ClassTokenOp op);
  void lower(PositionOp op);
  void lower(SliceTokensOp op);
  void lower(PoolOp op);
  void lower(AverageOp op);
  void lower(LayerNormOp op);
  void lower(LayerScaleOp op);
  void lower(AttentionOp op);
  void lower(MlpOp op);
  void lower(RouterOp op);
  void lower(TokenRouterOp op);
  void lower(SliceTakenOp op);
  void lower(ExpertChoiceOp op);
  LogicalResult lower(SlotLogitsOp op);
  void lower(SoftDispatchOp op);
  LogicalResult lower(SlotExpertsOp op);
  void lower(CombineWeightsOp op);
  void lower(SlotGatesOp op);
  void lower(SoftCombineOp op);
  void lower(HeadOp op);
  void lower(PatchesOp op);
  void lower(PlaceTokensOp op);
  LogicalResult lower(LinearOp op);
  void lower(QuantizeOp op);
  void lower(DequantizeOp op);
  void lower(CollectOp op);
  void lower(ActivateOp op);
  void lower(ConvOp op);
  void lower(AttendOp op);
  void lower(arith::TruncFOp op);
  LogicalResult lower(arith::AddFOp op);
  LogicalResult lower(func::ReturnOp op);
  /// The experts' weighted outputs, added to `sum`.
  FailureOr<Value> experts(RoutedOpInterface op, Value sum);
  FailureOr<Value> experts(ExpertsOp op, Value sum);
  FailureOr<Value> experts(TokenExpertsOp op, Value sum);
  /// Expert `which` for its one token, or for its group of `count` tokens: its
  /// weighted output, added to `sum`.
  FailureOr<Value> expertOfToken(TokenExpertsOp op, Value which, Value sum);
  FailureOr<Value> expertOfGroup(TokenExpertsOp op, Value which, Value count,
                                 Value sum);
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
  /// [E]: of gates [E, C], the mean of as many in each row as `counts` [E]
  /// says; 0 of none.
  Value meanGates(Value gates, Value counts);
  /// Of a router's exp(l - max) [tokens, panels, 16], the bits of what experts
  /// choose tokens by: the sum of the other experts' divided by the own.
  Value choiceKeys(Value exps);
  /// [panels, 16]: for each expert, how many of its keys [tokens, panels, 16]
  /// are below what `limit` makes of `limits`, tensors [panels, 16] or scalars.
  Value countBelow(Value keys, ValueRange limits, Body limit);
  /// Writes what `router` has chosen to where the runtime looks for it, as soon
  /// as it is known.
  void storeRoutesOf(Operation &router);

  // Weights, in the layout that the lowered code wants.
  Value weights(Value param, StringRef suffix, ParamDeriver::Recipe recipe);
  /// For a weight of f32: [panels, depth, 16]; for one of bf16 or i8, n of
  /// which fill 32 bits: [panels, depth / n, 16, n].
  Value packed(Value weight, int64_t outGroup, int64_t inGroup);
  Value padded(Value vector, int64_t group);

  /// What `emit` makes, as the part `name` of the layer that is lowered.
  Value inPart(StringRef name, function_ref<Value()> emit) {
    PartScope part = PartScope::within(b, name);
    return emit();
  }

  // Tensors.
  RankedTensorType f32(ArrayRef<int64_t> shape) {
    return tensorOf(shape, b.getF32Type());
  }
  RankedTensorType tensorOf(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }
  /// A buffer to be. Not tensor.empty: two of those are the same value to CSE,
  /// and bufferisation would copy to tell them apart again.
  /// With a dynamic number of rows, a slice of a buffer for as many tokens as
  /// an expert can take.
  Value empty(ArrayRef<int64_t> shape) { return empty(shape, b.getF32Type()); }
  Value empty(ArrayRef<int64_t> shape, Type element) {
    if (!ShapedType::isDynamic(shape.front()))
      return bufferization::AllocTensorOp::create(b, tensorOf(shape, element),
                                                  ValueRange());
    SmallVector<int64_t> whole(shape);
    whole.front() = groupCapacity;
    return groupRows(empty(whole, element));
  }
  /// The rows of a group that are there.
  Value groupRows(Value tensor);
  /// `count` rows of `tensor` from row `first` on, and the tensor with `rows`
  /// in their place.
  Value rowsFrom(Value tensor, Value first, int64_t count);
  Value withRows(Value tensor, Value rows, Value first);
  Value row(Value tensor, Value index) { return rowsFrom(tensor, index, 1); }
  Value filled(ArrayRef<int64_t> shape, float value) {
    return filled(shape, b.getF32FloatAttr(value));
  }
  Value filled(ArrayRef<int64_t> shape, TypedAttr value) {
    Value scalar = arith::ConstantOp::create(b, value);
    return linalg::FillOp::create(b, scalar, empty(shape, value.getType()))
        .getResult(0);
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
    Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
    return tensor::ExpandShapeOp::create(b, tensorOf(shape, element), tensor,
                                         groups);
  }
  Value slice(Value tensor, ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes);
  Value rowSlice(Value tensor, int64_t first, int64_t count);
  /// The rows of `top`, then those of `bottom`.
  Value stackRows(Value top, Value bottom);
  Value indices(ArrayRef<int64_t> shape) {
    return empty(shape, b.getIndexType());
  }
  Value get(Value tensor, ValueRange at) {
    return tensor::ExtractOp::create(b, tensor, at);
  }
  Value set(Value tensor, Value value, ValueRange at) {
    return tensor::InsertOp::create(b, value, tensor, at);
  }
  /// A loop over [0, end) that carries what `emit` makes of the index and what
  /// is carried.
  SmallVector<Value>
  overRange(Value end, ValueRange init,
            function_ref<SmallVector<Value>(Value, ValueRange)> emit);
  Value generic(ValueRange inputs, Value out, ArrayRef<AffineMap> maps,
                ArrayRef<utils::IteratorType> iterators, Body body);
  AffineMap map(unsigned dims, ArrayRef<AffineExpr> results) {
    return AffineMap::get(dims, 0, results, b.getContext());
  }
  AffineExpr dim(unsigned position) { return b.getAffineDimExpr(position); }

  // Pieces of layers.
  Value multiplyAdd(ValueRange inputs, ArrayRef<int64_t> shape,
                    ArrayRef<AffineMap> maps,
                    ArrayRef<utils::IteratorType> iterators);
  /// weights [M, K] times rows [K, panels, 16]: weighted sums of the rows.
  Value mixRows(Value weights, Value rows);
  /// input [M, panels, 16] times a packed weight: [M, panels', 16].
  Value matmul(Value input, Value weight);
  /// As matmul, with factors of bf16 or i8: sums of f32 or i32.
  Value lowMatmul(Value input, Value weight, bool isUnsigned);
  /// Element-wise over `inputs` and values per row or channel, which `maps`
  /// say.
  Value elementwise(ValueRange inputs, ArrayRef<AffineMap> maps, Type element,
                    Body body);
  /// Element-wise over `input`, with a value per channel.
  Value withBias(Value input, Value bias, Body body);
  Value addBias(Value input, Value bias);
  /// Reduces the last two dimensions (panels and lanes).
  Value reduceLanes(ValueRange inputs, ArrayRef<AffineMap> maps,
                    ArrayRef<int64_t> shape, float init, Body body) {
    return reduceLanes(inputs, maps, shape, b.getF32FloatAttr(init), body);
  }
  Value reduceLanes(ValueRange inputs, ArrayRef<AffineMap> maps,
                    ArrayRef<int64_t> shape, TypedAttr init, Body body);
  /// The rows of `x` [rows, panels, 16], which have `width` channels,
  /// normalised; times `scale` plus `shift`, or both null.
  Value normalised(Value x, int64_t width, Value scale, Value shift,
                   double eps);
  /// Queries or keys [rows, panels, 16] of heads of `size` channels, normalised
  /// for each head.
  Value normalisedHeads(Value x, int64_t size, Value scale, Value shift,
                        double eps);
  /// Attention's weighted values [queries, heads, panels, 16], before the
  /// output projection; `attendFew` for queries so few that keys and values are
  /// more work than they are worth.
  Value attend(AttentionOp op);
  Value attendFew(AttentionOp op);
  /// The same of q [queries, panels, 16], k and v [tokens, panels, 16], whose
  /// heads of `size` channels are padded each by itself.
  Value attend(Value q, Value k, Value v, int64_t heads, int64_t size,
               double scale);
  /// The same of q [queries, heads, depth], keys in panels over tokens [heads,
  /// depth, panels, 16] and values [tokens, heads, panels, 16], written to
  /// `out`.
  Value attendAtOnce(Value q, Value keys, Value values, double scale,
                     Value out);
  /// `x` [tokens, heads, depth] as panels over tokens, [heads, depth, panels,
  /// 16]. Tokens that are not there are zero.
  Value tokenPanels(Value x);
  /// x [rows, heads, depth] times a weight for each head [heads, panels, depth,
  /// 16]: [rows, heads, panels, 16].
  Value productByHead(Value x, Value weight);
  Value scaled(Value x, float factor);
  /// Times `factor`, which has the dimensions of `x` that `factorMap` names;
  /// written to `out`, if there is one.
  Value times(Value x, Value factor, AffineMap factorMap, Value out = Value());
  /// exp(x - max) over the lanes, `channels` of which are there, and 1 / sum.
  std::pair<Value, Value> softmaxParts(Value logits, int64_t channels);

  // Maps, in ConvToLinalg.cpp: [C, H, W] as [H, W, panels, 16].
  /// Rows and columns of zeros around a map.
  struct Border {
    int64_t top = 0, left = 0, bottom = 0, right = 0;
    bool any() const { return top || left || bottom || right; }
  };
  /// What the convolutions that read `map` want around it.
  static Border borderFor(Value map);
  /// `shape` with the border, which is zero; the rest is not set. The border's
  /// dimensions begin with `first`.
  Value withBorder(ArrayRef<int64_t> shape, unsigned first, Border border);
  /// The map within its border.
  Value inside(Value whole, unsigned first, Border border);
  Value putInside(Value map, Value whole, unsigned first, Border border);
  /// Element-wise over `inputs` [H, W, panels, 16] and values per channel,
  /// which `maps` say: what `result`, a map of the moe dialect, becomes. It is
  /// written to within the border that its readers want.
  void storeMap(Value result, ValueRange inputs, ArrayRef<AffineMap> maps,
                Body body);
  /// What `value` was lowered to, in the layout of maps if it is the image.
  Value mapOf(Value value);
  /// The image's channels last, within a border.
  Value imageAsMap(Value image, Border border);
  /// The image as it is, within a border.
  Value imageWithBorder(Value image, Border border);
  /// What convolution `op` reads with its padding: the image [C, H, W] or,
  /// always with `asMap`, a map.
  Value windows(ConvOp op, bool asMap);
  /// Whether `value` is a map, not the image.
  bool isMap(Value value);
  /// Sums of products of the kernel [O, C, Kh, Kw] with windows of `input`, an
  /// image or a map, every `strides` pixels: [rows, columns, panels, 16].
  Value correlate(Value input, Value weight, int64_t rows, int64_t columns,
                  ArrayRef<int64_t> strides);
  Value correlateDepthwise(Value input, Value weight, int64_t rows,
                           int64_t columns, ArrayRef<int64_t> strides);
  /// The patches of a map as rows, in the order of a weight's inputs.
  Value patchesOfMap(PatchesOp op);

  func::FuncOp source;
  ImplicitLocOpBuilder b;
  ParamDeriver deriver;
  int64_t columnBits;
  DenseMap<Value, Value> lowered;
  /// Maps that were lowered to the inside of a larger tensor: that, and the
  /// border.
  DenseMap<Value, std::pair<Value, Border>> bordered;
  Value logitsMemory, routesMemory;
  // While the region of an expert that takes tokens is lowered: how many, and
  // how many at most.
  Value groupSize;
  int64_t groupCapacity = 0;
};

inline int64_t rowsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(0);
}
inline int64_t widthOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(1);
}
inline ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// The activation of one value.
Value activate(ImplicitLocOpBuilder &b, Value x, Activation activation);

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_MOETOLINALG_H
