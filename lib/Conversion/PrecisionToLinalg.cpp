//===- PrecisionToLinalg.cpp - Products in lower precision to linalg ------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

Value MoELowering::elementwise(ValueRange inputs, ArrayRef<AffineMap> maps,
                               Type element, Body body) {
  ArrayRef<int64_t> shape = shapeOf(inputs.front());
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(shape.size()));
  return generic(
      inputs, empty(shape, element), all,
      SmallVector<IteratorType>(shape.size(), IteratorType::parallel), body);
}

Value MoELowering::lowMatmul(Value input, Value weight, bool isUnsigned) {
  int64_t rows = rowsOf(input), panels = rowsOf(weight);
  int64_t side = shapeOf(weight)[3];
  Value a = collapse(input, {{0}, {1, 2}});
  auto elementOf = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getElementType();
  };
  bool isInteger = elementOf(input).isInteger(8);
  bool isWide = elementOf(input).isF32();
  Type sumType = isInteger ? Type(b.getI32Type()) : Type(b.getF32Type());
  AffineExpr m = dim(0), p = dim(1), c = dim(2), k = dim(3), i = dim(4);
  SmallVector<IteratorType> iterators(3, IteratorType::parallel);
  iterators.append(2, IteratorType::reduction);
  return generic(
      {a, weight}, filled({rows, panels, kPanel}, b.getZeroAttr(sumType)),
      {map(5, {m, k * side + i}), map(5, {p, k, c, i}), map(5, {m, p, c})},
      iterators, [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        if (!isInteger) {
          Value x = args[0], w;
          if (!isWide)
            x = arith::ExtFOp::create(ib, sumType, x);
          if (elementOf(weight).isInteger(8))
            w = arith::SIToFPOp::create(ib, sumType, args[1]);
          else
            w = arith::ExtFOp::create(ib, sumType, args[1]);
          return arith::AddFOp::create(ib, args[2],
                                       arith::MulFOp::create(ib, x, w));
        }
        Value x = isUnsigned
                      ? arith::ExtUIOp::create(ib, sumType, args[0]).getResult()
                      : arith::ExtSIOp::create(ib, sumType, args[0]);
        Value w = arith::ExtSIOp::create(ib, sumType, args[1]);
        return arith::AddIOp::create(ib, args[2],
                                     arith::MulIOp::create(ib, x, w));
      });
}

LogicalResult MoELowering::lower(LinearOp op) {
  Value x = lowered.lookup(op.getInput());
  int64_t inputs = op.getInput().getType().getDimSize(1);
  int64_t group = op.getInGroup();
  if (shapeOf(x)[1] != inputs / group * numPanels(group))
    return op.emitOpError("cannot be lowered: its input comes in other groups");
  Value weight = packed(op.getWeight(), op.getOutGroup(), op.getInGroup());
  Type element = op.getWeight().getType().getElementType();
  Value sums = element.isF32() ? matmul(x, weight)
                               : lowMatmul(x, weight, op.getOffset() != 0);
  if (op.getBias())
    sums = addBias(sums, padded(op.getBias(), op.getOutGroup()));
  if (int64_t offset = op.getOffset()) {
    // What the zero point of the inputs has added.
    int64_t outputs = rowsOf(op.getWeight());
    group = op.getOutGroup();
    Value excess =
        weights(op.getWeight(), ".excess",
                [&](OpBuilder &builder, Location loc, Value base) {
                  Value sum = RowSumsOp::create(
                      builder, loc, tensorOf({outputs}, builder.getI32Type()),
                      base, -offset);
                  return PadChannelsOp::create(
                      builder, loc,
                      tensorOf({outputs / group * numPanels(group), kPanel},
                               builder.getI32Type()),
                      sum, group);
                });
    AffineMap full = b.getMultiDimIdentityMap(3);
    sums = elementwise({sums, excess}, {full, full.getMinorSubMap(2)},
                       b.getI32Type(),
                       [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                         return arith::AddIOp::create(ib, args[0], args[1]);
                       });
  }
  lowered[op] = sums;
  return success();
}

void MoELowering::lower(QuantizeOp op) {
  Value x = lowered.lookup(op.getInput());
  AffineMap full = b.getMultiDimIdentityMap(3);
  AffineMap row = full.getMajorSubMap(1), one = b.getMultiDimIdentityMap(1);
  // Adding 1.5 · 2^23 rounds to an integer, ties to even, and leaves it in the
  // lowest bits, where the zero point can be added too.
  float magic = 12582912.0f + float(op.getOffset());
  auto toInteger = [&](ImplicitLocOpBuilder &ib, Value scaled) -> Value {
    Value shifted = arith::AddFOp::create(
        ib, scaled, arith::ConstantOp::create(ib, ib.getF32FloatAttr(magic)));
    Value bits = arith::BitcastOp::create(ib, ib.getI32Type(), shifted);
    return arith::TruncIOp::create(ib, ib.getI8Type(), bits);
  };
  if (std::optional<APFloat> scale = op.getScale()) {
    float inverse = float(1.0 / scale->convertToDouble());
    lowered[op.getResult()] = elementwise(
        {x}, {full}, b.getI8Type(),
        [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
          auto constant = [&](float value) -> Value {
            return arith::ConstantOp::create(ib, ib.getF32FloatAttr(value));
          };
          Value y = arith::MulFOp::create(ib, args[0], constant(inverse));
          y = arith::MinNumFOp::create(ib, y, constant(127.0f));
          y = arith::MaxNumFOp::create(ib, y, constant(-127.0f));
          return toInteger(ib, y);
        });
    return;
  }

  // Magnitudes as bits, of which a NaN's are the largest: it must not get lost.
  Value largest = reduceLanes(
      {x}, {full}, {rowsOf(x)}, b.getI32IntegerAttr(0),
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value bits = arith::BitcastOp::create(ib, ib.getI32Type(), args[0]);
        Value mask =
            arith::ConstantOp::create(ib, ib.getI32IntegerAttr(0x7fffffff));
        Value magnitude = arith::AndIOp::create(ib, bits, mask);
        return arith::MaxSIOp::create(ib, args[1], magnitude);
      });
  auto perRow = [&](Body body) {
    return generic(
        {largest}, empty({rowsOf(x)}), {one, one}, {IteratorType::parallel},
        [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
          Value value = arith::BitcastOp::create(ib, ib.getF32Type(), args[0]);
          return body(ib, value);
        });
  };
  lowered[op.getScales()] =
      perRow([](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value factor = arith::ConstantOp::create(
            ib, ib.getF32FloatAttr(float(1.0 / 127.0)));
        return arith::MulFOp::create(ib, args[0], factor);
      });
  // Of a row of zeros, 0 times infinity is a NaN, whose lowest bits are 0:
  // hence at least a number whose inverse is one.
  Value inverse =
      perRow([](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value least = arith::ConstantOp::create(ib, ib.getF32FloatAttr(1e-30f));
        Value above = arith::MaximumFOp::create(ib, args[0], least);
        Value limit = arith::ConstantOp::create(ib, ib.getF32FloatAttr(127.0f));
        return arith::DivFOp::create(ib, limit, above);
      });
  lowered[op.getResult()] = elementwise(
      {x, inverse}, {full, row}, b.getI8Type(),
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return toInteger(ib, arith::MulFOp::create(ib, args[0], args[1]));
      });
}

void MoELowering::lower(DequantizeOp op) {
  AffineMap full = b.getMultiDimIdentityMap(3);
  AffineMap row = full.getMajorSubMap(1), lanes = full.getMinorSubMap(2);
  SmallVector<Value> inputs{lowered.lookup(op.getSums()),
                            padded(op.getColumns(), op.getGroup())};
  SmallVector<AffineMap> maps{full, lanes};
  bool hasRows = bool(op.getRows()), hasBias = bool(op.getBias());
  if (hasRows) {
    inputs.push_back(lowered.lookup(op.getRows()));
    maps.push_back(row);
  }
  if (hasBias) {
    inputs.push_back(padded(op.getBias(), op.getGroup()));
    maps.push_back(lanes);
  }
  lowered[op] =
      elementwise(inputs, maps, b.getF32Type(),
                  [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    Value y = args[0];
                    if (y.getType().isInteger())
                      y = arith::SIToFPOp::create(ib, ib.getF32Type(), y);
                    Value scale = args[1];
                    if (hasRows)
                      scale = arith::MulFOp::create(ib, scale, args[2]);
                    y = arith::MulFOp::create(ib, y, scale);
                    if (hasBias)
                      y = arith::AddFOp::create(ib, y, args[hasRows ? 3 : 2]);
                    return y;
                  });
}

void MoELowering::lower(CollectOp op) {
  int64_t panels = numPanels(widthOf(op.getResult())), first = 0;
  Value all = filled({panels * kPanel}, 0.0f);
  for (Value input : op.getInputs()) {
    Value part = lowered.lookup(input);
    all = tensor::InsertSliceOp::create(
        b, part, all, OpFoldResult(b.getIndexAttr(first)),
        OpFoldResult(b.getIndexAttr(rowsOf(part))),
        OpFoldResult(b.getIndexAttr(1)));
    first += rowsOf(part);
  }
  lowered[op] = expand(all, {1, panels, kPanel}, {{0, 1, 2}});
}

void MoELowering::lower(ActivateOp op) {
  auto body = [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
    return activate(ib, args[0], op.getActivation());
  };
  if (cast<RankedTensorType>(op.getType()).getRank() == 3)
    return storeMap(op, {mapOf(op.getInput())}, {b.getMultiDimIdentityMap(4)},
                    body);
  lowered[op] =
      elementwise({lowered.lookup(op.getInput())},
                  {b.getMultiDimIdentityMap(3)}, b.getF32Type(), body);
}

void MoELowering::lower(arith::TruncFOp op) {
  Type element = getElementTypeOrSelf(op.getType());
  lowered[op] = elementwise(
      {lowered.lookup(op.getIn())}, {b.getMultiDimIdentityMap(3)}, element,
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return arith::TruncFOp::create(ib, element, args[0]);
      });
}

void MoELowering::lower(AttendOp op) {
  int64_t size = widthOf(op.getQueries()) / op.getHeads();
  Value q = lowered.lookup(op.getQueries()), k = lowered.lookup(op.getKeys());
  if (!op.getNorms().empty()) {
    double eps = op.getEps()->convertToDouble();
    q = normalisedHeads(q, size, op.getNorms()[0], op.getNorms()[1], eps);
    k = normalisedHeads(k, size, op.getNorms()[2], op.getNorms()[3], eps);
  }
  Value mixed = attend(q, k, lowered.lookup(op.getValues()), op.getHeads(),
                       size, op.getScale().convertToDouble());
  lowered[op] = collapse(mixed, {{0}, {1, 2}, {3}});
}

void MoELowering::lower(PatchesOp op) {
  if (isMap(op.getImage())) {
    lowered[op] = patchesOfMap(op);
    return;
  }
  ArrayRef<int64_t> image = shapeOf(op.getImage());
  int64_t channels = image[0], height = op.getHeight(), width = op.getWidth();
  int64_t rows = image[1] / height, columns = image[2] / width;
  int64_t patches = rows * columns, depth = channels * height * width;
  Type element = op.getResult().getType().getElementType();
  // Rows that are a multiple of 2 KiB apart would share a few sets of the
  // cache: a line between them.
  constexpr int64_t conflict = 2048, line = 64;
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  int64_t lanesOfRow = numPanels(depth) * kPanel;
  int64_t distance = lanesOfRow;
  if (distance * bytes % conflict == 0)
    distance += line / bytes;
  // Zero only where that leaves lanes that are no pixel.
  SmallVector<int64_t> shape{patches, distance};
  bool isWhole = depth % kPanel == 0;
  Value all =
      isWhole ? empty(shape, element) : filled(shape, b.getZeroAttr(element));
  // Whole vectors where a row of a patch is made of them.
  int64_t lanes = width % kPanel == 0 ? kPanel : 1;
  Value target = expand(slice(all, {0, 0}, {patches, depth}),
                        {rows, columns, channels, height, width / lanes, lanes},
                        {{0, 1}, {2, 3, 4, 5}});
  Value source =
      expand(lowered.lookup(op.getImage()),
             {channels, image[1], image[2] / lanes, lanes}, {{0}, {1}, {2, 3}});
  AffineExpr y = dim(0), x = dim(1), ch = dim(2), i = dim(3), j = dim(4),
             l = dim(5);
  Value pixels = generic(
      {source}, target,
      {map(6, {ch, y * height + i, x * (width / lanes) + j, l}),
       b.getMultiDimIdentityMap(6)},
      SmallVector<IteratorType>(6, IteratorType::parallel),
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return element.isF32()
                   ? args[0]
                   : arith::TruncFOp::create(ib, element, args[0]).getResult();
      });
  pixels = collapse(pixels, {{0, 1}, {2, 3, 4, 5}});
  if (!isWhole || distance != lanesOfRow)
    pixels = tensor::InsertSliceOp::create(
        b, pixels, all, getAsIndexOpFoldResult(b.getContext(), {0, 0}),
        getAsIndexOpFoldResult(b.getContext(), {patches, depth}),
        getAsIndexOpFoldResult(b.getContext(), {1, 1}));
  pixels = slice(pixels, {0, 0}, {patches, lanesOfRow});
  lowered[op] =
      expand(pixels, {patches, numPanels(depth), kPanel}, {{0}, {1, 2}});
}

void MoELowering::lower(PlaceTokensOp op) {
  int64_t prefix = op.getPrefix(), count = rowsOf(op.getPatches());
  Value table = padded(op.getTable(), widthOf(op.getTable()));
  AffineMap full = b.getMultiDimIdentityMap(3);
  Value tokens = elementwise(
      {lowered.lookup(op.getPatches()), rowSlice(table, prefix, count)},
      {full, full}, b.getF32Type(),
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        return arith::AddFOp::create(ib, args[0], args[1]);
      });
  lowered[op] =
      prefix > 0 ? stackRows(rowSlice(table, 0, prefix), tokens) : tokens;
}
