//===- ConvToLinalg.cpp - Convolutions to linalg --------------------------===//
//
// A map [C, H, W] is a tensor [H, W, panels, 16]: its pixels are rows as tokens
// are. Whoever makes it writes it into a larger tensor, within the zeros that
// the convolutions which read it want around it: no loop asks where a map ends,
// and nothing is copied. The image keeps its channels first, as it comes; with
// padding, it is copied.
//
//===----------------------------------------------------------------------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

//===----------------------------------------------------------------------===//
// Borders
//===----------------------------------------------------------------------===//

MoELowering::Border MoELowering::borderFor(Value map) {
  ArrayRef<int64_t> shape = shapeOf(map);
  Border border;
  for (Operation *user : map.getUsers()) {
    auto conv = dyn_cast<ConvOp>(user);
    if (!conv)
      continue;
    ArrayRef<int64_t> weight = shapeOf(conv.getWeight()),
                      result = shapeOf(conv.getResult());
    // What the last window has beyond the map.
    auto after = [&](int64_t d) {
      int64_t end = (result[1 + d] - 1) * conv.getStride()[d] + weight[2 + d];
      return end - conv.getPadding()[d] - shape[1 + d];
    };
    border.top = std::max(border.top, conv.getPadding()[0]);
    border.left = std::max(border.left, conv.getPadding()[1]);
    border.bottom = std::max(border.bottom, after(0));
    border.right = std::max(border.right, after(1));
  }
  return border;
}

Value MoELowering::inside(Value whole, unsigned first, Border border) {
  SmallVector<int64_t> sizes(shapeOf(whole)), offsets(sizes.size(), 0);
  sizes[first] -= border.top + border.bottom;
  sizes[first + 1] -= border.left + border.right;
  offsets[first] = border.top, offsets[first + 1] = border.left;
  return slice(whole, offsets, sizes);
}

Value MoELowering::putInside(Value map, Value whole, unsigned first,
                             Border border) {
  SmallVector<int64_t> offsets(shapeOf(whole).size(), 0),
      strides(offsets.size(), 1);
  offsets[first] = border.top, offsets[first + 1] = border.left;
  return tensor::InsertSliceOp::create(
      b, map, whole, getAsIndexOpFoldResult(b.getContext(), offsets),
      getAsIndexOpFoldResult(b.getContext(), shapeOf(map)),
      getAsIndexOpFoldResult(b.getContext(), strides));
}

Value MoELowering::withBorder(ArrayRef<int64_t> shape, unsigned first,
                              Border border) {
  SmallVector<int64_t> sizes(shape);
  int64_t height = shape[first], width = shape[first + 1];
  sizes[first] += border.top + border.bottom;
  sizes[first + 1] += border.left + border.right;
  Value whole = empty(sizes), zero = constant(0.0f);
  auto clear = [&](int64_t y, int64_t x, int64_t rows, int64_t columns) {
    if (rows == 0 || columns == 0)
      return;
    SmallVector<int64_t> offsets(sizes.size(), 0), part(sizes);
    offsets[first] = y, offsets[first + 1] = x;
    part[first] = rows, part[first + 1] = columns;
    Value strip = slice(whole, offsets, part);
    strip = linalg::FillOp::create(b, zero, strip).getResult(0);
    Border place{y, x, 0, 0};
    whole = putInside(strip, whole, first, place);
  };
  int64_t across = sizes[first + 1];
  clear(0, 0, border.top, across);
  clear(border.top, 0, height, border.left);
  clear(border.top, border.left + width, height, border.right);
  clear(border.top + height, 0, border.bottom, across);
  return whole;
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

void MoELowering::storeMap(Value result, ValueRange inputs,
                           ArrayRef<AffineMap> maps, Body body) {
  ArrayRef<int64_t> shape = shapeOf(result);
  SmallVector<int64_t> sizes{shape[1], shape[2], numPanels(shape[0]), kPanel};
  Border border = borderFor(result);
  Value whole = withBorder(sizes, 0, border);
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(4));
  Value map =
      generic(inputs, inside(whole, 0, border), all,
              SmallVector<IteratorType>(4, IteratorType::parallel), body);
  lowered[result] = map;
  if (!border.any())
    return;
  whole = putInside(map, whole, 0, border);
  bordered[result] = {whole, border};
  lowered[result] = inside(whole, 0, border);
}

Value MoELowering::imageAsMap(Value image, Border border) {
  ArrayRef<int64_t> shape = shapeOf(image);
  int64_t channels = shape[0], panels = numPanels(channels);
  SmallVector<int64_t> sizes{shape[1] + border.top + border.bottom,
                             shape[2] + border.left + border.right, panels,
                             kPanel};
  Value whole = collapse(filled(sizes, 0.0f), {{0}, {1}, {2, 3}});
  Value map = slice(whole, {border.top, border.left, 0},
                    {shape[1], shape[2], channels});
  AffineExpr y = dim(0), x = dim(1), c = dim(2);
  map = generic(
      {image}, map, {this->map(3, {c, y, x}), this->map(3, {y, x, c})},
      SmallVector<IteratorType>(3, IteratorType::parallel),
      [](ImplicitLocOpBuilder &, ValueRange args) -> Value { return args[0]; });
  return expand(putInside(map, whole, 0, border), sizes, {{0}, {1}, {2, 3}});
}

bool MoELowering::isMap(Value value) {
  return shapeOf(lowered.lookup(value)).size() == 4;
}

Value MoELowering::mapOf(Value value) {
  Value known = lowered.lookup(value);
  return isMap(value) ? known : imageAsMap(known, {});
}

Value MoELowering::imageWithBorder(Value image, Border border) {
  if (!border.any())
    return image;
  return putInside(image, withBorder(shapeOf(image), 1, border), 1, border);
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

Value MoELowering::windows(ConvOp op, bool asMap) {
  Value input = op.getInput();
  Border border = borderFor(input);
  if (!isMap(input)) {
    // The image: it has no border yet, and there is none but this reader's.
    Value image = lowered.lookup(input);
    border.top = op.getPadding()[0], border.left = op.getPadding()[1];
    return asMap ? imageAsMap(image, border) : imageWithBorder(image, border);
  }
  auto it = bordered.find(input);
  if (it == bordered.end())
    return lowered.lookup(input);
  auto [whole, has] = it->second;
  SmallVector<int64_t> offsets(4, 0), sizes(shapeOf(whole));
  for (int64_t d = 0; d < 2; ++d) {
    offsets[d] = (d == 0 ? has.top : has.left) - op.getPadding()[d];
    sizes[d] -= offsets[d];
  }
  return slice(whole, offsets, sizes);
}

Value MoELowering::correlate(Value input, Value weight, int64_t rows,
                             int64_t columns, ArrayRef<int64_t> strides) {
  ArrayRef<int64_t> kernel = shapeOf(weight);
  int64_t width = kernel[0], channels = kernel[1], panels = numPanels(width);
  AffineExpr y = dim(0), x = dim(1), p = dim(2), c = dim(3);
  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.append(3, IteratorType::reduction);
  SmallVector<int64_t> shape{rows, columns, panels, kPanel};
  if (shapeOf(input).size() == 3) {
    Value packedWeight =
        expand(packed(weight, width, 0),
               {panels, channels, kernel[2], kernel[3], kPanel},
               {{0}, {1, 2, 3}, {4}});
    AffineExpr ch = dim(4), i = dim(5), j = dim(6);
    return multiplyAdd({input, packedWeight}, shape,
                       {map(7, {ch, y * strides[0] + i, x * strides[1] + j}),
                        map(7, {p, ch, i, j, c}), map(7, {y, x, p, c})},
                       iterators);
  }
  // Channels last, as the map has them, and only those that are there.
  Value packedWeight = weights(
      weight, ".packed", [&](OpBuilder &builder, Location loc, Value base) {
        Value last = PermuteOp::create(
            builder, loc, f32({width, kernel[2], kernel[3], channels}), base,
            ArrayRef<int64_t>{0, 2, 3, 1});
        return PackPanelsOp::create(
            builder, loc,
            f32({panels, kernel[2] * kernel[3] * channels, kPanel}), last,
            /*out_group=*/width, /*in_group=*/0, /*interleave=*/1);
      });
  packedWeight =
      expand(packedWeight, {panels, kernel[2], kernel[3], channels, kPanel},
             {{0}, {1, 2, 3}, {4}});
  Value pixels = collapse(input, {{0}, {1}, {2, 3}});
  SmallVector<int64_t> sizes(shapeOf(pixels));
  sizes[2] = channels;
  pixels = slice(pixels, {0, 0, 0}, sizes);
  AffineExpr i = dim(4), j = dim(5), ch = dim(6);
  return multiplyAdd({pixels, packedWeight}, shape,
                     {map(7, {y * strides[0] + i, x * strides[1] + j, ch}),
                      map(7, {p, i, j, ch, c}), map(7, {y, x, p, c})},
                     iterators);
}

Value MoELowering::correlateDepthwise(Value input, Value weight, int64_t rows,
                                      int64_t columns,
                                      ArrayRef<int64_t> strides) {
  ArrayRef<int64_t> kernel = shapeOf(weight);
  int64_t channels = kernel[0], panels = numPanels(channels);
  Value taps = weights(
      weight, ".taps", [&](OpBuilder &builder, Location loc, Value base) {
        Value last = PermuteOp::create(builder, loc,
                                       f32({1, kernel[2], kernel[3], channels}),
                                       base, ArrayRef<int64_t>{1, 2, 3, 0});
        return PadChannelsOp::create(
            builder, loc, f32({1, kernel[2], kernel[3], panels, kPanel}), last,
            channels);
      });
  taps = collapse(taps, {{0, 1}, {2}, {3}, {4}});
  AffineExpr y = dim(0), x = dim(1), p = dim(2), c = dim(3), i = dim(4),
             j = dim(5);
  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.append(2, IteratorType::reduction);
  return multiplyAdd({input, taps}, {rows, columns, panels, kPanel},
                     {map(6, {y * strides[0] + i, x * strides[1] + j, p, c}),
                      map(6, {i, j, p, c}), map(6, {y, x, p, c})},
                     iterators);
}

void MoELowering::lower(ConvOp op) {
  ArrayRef<int64_t> result = shapeOf(op.getResult());
  Value input = windows(op, op.getDepthwise()), product;
  if (op.getDepthwise())
    product = correlateDepthwise(input, op.getWeight(), result[1], result[2],
                                 op.getStride());
  else
    product =
        correlate(input, op.getWeight(), result[1], result[2], op.getStride());
  AffineMap full = b.getMultiDimIdentityMap(4);
  SmallVector<Value> inputs{product};
  SmallVector<AffineMap> maps{full};
  if (op.getBias()) {
    inputs.push_back(padded(op.getBias(), result[0]));
    maps.push_back(full.getMinorSubMap(2));
  }
  storeMap(op, inputs, maps,
           [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
             // The last argument is the result's.
             if (args.size() == 2)
               return args[0];
             return arith::AddFOp::create(ib, args[0], args[1]);
           });
}

//===----------------------------------------------------------------------===//
// Patches
//===----------------------------------------------------------------------===//

Value MoELowering::patchesOfMap(PatchesOp op) {
  ArrayRef<int64_t> shape = shapeOf(op.getImage());
  int64_t channels = shape[0], height = op.getHeight(), width = op.getWidth();
  int64_t rows = shape[1] / height, columns = shape[2] / width;
  int64_t depth = channels * height * width, panels = numPanels(depth);
  Type element = op.getResult().getType().getElementType();
  auto round = [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
    return element.isF32()
               ? args[0]
               : arith::TruncFOp::create(ib, element, args[0]).getResult();
  };
  Value map = lowered.lookup(op.getImage());
  if (height == 1 && width == 1) {
    Value pixels = collapse(map, {{0, 1}, {2}, {3}});
    return element.isF32()
               ? pixels
               : elementwise({pixels}, {b.getMultiDimIdentityMap(3)}, element,
                             round);
  }
  Value pixels = slice(collapse(map, {{0}, {1}, {2, 3}}), {0, 0, 0},
                       {shape[1], shape[2], channels});
  Value all = filled({rows * columns, panels * kPanel}, b.getZeroAttr(element));
  Value target =
      expand(slice(all, {0, 0}, {rows * columns, depth}),
             {rows, columns, channels, height, width}, {{0, 1}, {2, 3, 4}});
  AffineExpr y = dim(0), x = dim(1), ch = dim(2), i = dim(3), j = dim(4);
  Value patches =
      generic({pixels}, target,
              {this->map(5, {y * height + i, x * width + j, ch}),
               b.getMultiDimIdentityMap(5)},
              SmallVector<IteratorType>(5, IteratorType::parallel), round);
  all = tensor::InsertSliceOp::create(
      b, collapse(patches, {{0, 1}, {2, 3, 4}}), all,
      getAsIndexOpFoldResult(b.getContext(), {0, 0}),
      getAsIndexOpFoldResult(b.getContext(), {rows * columns, depth}),
      getAsIndexOpFoldResult(b.getContext(), {1, 1}));
  return expand(all, {rows * columns, panels, kPanel}, {{0}, {1, 2}});
}
