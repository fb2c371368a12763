//===- AttentionToLinalg.cpp - Attention to linalg ------------------------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

Value MoELowering::tokenPanels(Value x) {
  int64_t tokens = shapeOf(x)[0], heads = shapeOf(x)[1], depth = shapeOf(x)[2];
  int64_t panels = numPanels(tokens);
  // Zero only where that leaves lanes that are no token.
  SmallVector<int64_t> shape{heads, depth, panels * kPanel};
  Value all = tokens % kPanel == 0 ? empty(shape) : filled(shape, 0.0f);
  AffineExpr h = dim(0), d = dim(1), t = dim(2);
  Value present = generic(
      {x}, slice(all, {0, 0, 0}, {heads, depth, tokens}),
      {map(3, {t, h, d}), map(3, {h, d, t})},
      SmallVector<IteratorType>(3, IteratorType::parallel),
      [](ImplicitLocOpBuilder &, ValueRange args) -> Value { return args[0]; });
  if (tokens % kPanel != 0)
    present = tensor::InsertSliceOp::create(
        b, present, all, getAsIndexOpFoldResult(b.getContext(), {0, 0, 0}),
        getAsIndexOpFoldResult(b.getContext(), {heads, depth, tokens}),
        getAsIndexOpFoldResult(b.getContext(), {1, 1, 1}));
  return expand(present, {heads, depth, panels, kPanel}, {{0}, {1}, {2, 3}});
}

Value MoELowering::scaled(Value x, float factor) {
  return factor == 1.0f
             ? x
             : times(x, constant(factor), map(shapeOf(x).size(), {}));
}

Value MoELowering::times(Value x, Value factor, AffineMap factorMap,
                         Value out) {
  unsigned rank = shapeOf(x).size();
  AffineMap full = b.getMultiDimIdentityMap(rank);
  return generic({x, factor}, out ? out : empty(shapeOf(x)),
                 {full, factorMap, full},
                 SmallVector<IteratorType>(rank, IteratorType::parallel),
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   return arith::MulFOp::create(ib, args[0], args[1]);
                 });
}

Value MoELowering::productByHead(Value x, Value weight) {
  AffineExpr h = dim(0), m = dim(1), p = dim(2), c = dim(3), r = dim(4);
  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  return multiplyAdd(
      {x, weight},
      {shapeOf(x)[0], shapeOf(weight)[0], shapeOf(weight)[1], kPanel},
      {map(5, {m, h, r}), map(5, {h, p, r, c}), map(5, {m, h, p, c})},
      iterators);
}

void MoELowering::lower(AttentionOp op) {
  int64_t width = widthOf(op.getTokens());
  int64_t size = width / op.getHeads();
  Value mixed = op.asksFew() ? attendFew(op) : attend(op);
  mixed = collapse(mixed, {{0}, {1, 2}, {3}});
  lowered[op] = inPart("proj", [&] {
    return addBias(matmul(mixed, packed(op.getProjWeight(), width, size)),
                   padded(op.getProjBias(), width));
  });
}

Value MoELowering::normalisedHeads(Value x, int64_t size, Value scale,
                                   Value shift, double eps) {
  int64_t rows = rowsOf(x), panels = shapeOf(x)[1];
  int64_t headPanels = numPanels(size), heads = panels / headPanels;
  PartScope part = PartScope::within(b, "qk_norm");
  // A row for each head.
  Value byHead =
      expand(x, {rows, heads, headPanels, kPanel}, {{0}, {1, 2}, {3}});
  byHead =
      normalised(collapse(byHead, {{0, 1}, {2}, {3}}), size, scale, shift, eps);
  byHead =
      expand(byHead, {rows, heads, headPanels, kPanel}, {{0, 1}, {2}, {3}});
  return collapse(byHead, {{0}, {1, 2}, {3}});
}

Value MoELowering::attend(AttentionOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t tokens = rowsOf(x), queries = rowsOf(op.getResult());
  int64_t width = widthOf(op.getTokens()), heads = op.getHeads();
  int64_t size = width / heads, headPanels = numPanels(size);
  int64_t partPanels = heads * headPanels;

  Value weight = packed(op.getQkvWeight(), size, width);
  Value bias = op.getQkvBias() ? padded(op.getQkvBias(), size) : Value();
  // Rows of `input` times panels [first, first + count) of the fused weight.
  auto project = [&](Value input, int64_t first, int64_t count) {
    PartScope scope = PartScope::within(b, "qkv");
    int64_t k = shapeOf(weight)[1];
    Value part = slice(weight, {first, 0, 0}, {count, k, kPanel});
    Value y = matmul(input, part);
    if (bias)
      y = addBias(y, slice(bias, {first, 0}, {count, kPanel}));
    return y;
  };
  Value q, k, v;
  if (!op.getNorms().empty()) {
    // Each by itself: a row of a head is to be a row in memory.
    double eps = op.getEps()->convertToDouble();
    q = project(rowSlice(x, op.getFirstQuery(), queries), 0, partPanels);
    q = normalisedHeads(q, size, op.getNorms()[0], op.getNorms()[1], eps);
    k = project(x, partPanels, partPanels);
    k = normalisedHeads(k, size, op.getNorms()[2], op.getNorms()[3], eps);
    v = project(x, 2 * partPanels, partPanels);
  } else if (queries == tokens) {
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
  return attend(q, k, v, heads, size, op.getScale().convertToDouble());
}

/// Queries whose scores are made at a time: as many as leave all heads' scores
/// in a level 2 cache, in blocks of about the same size. So the scores' memory
/// does not grow with the square of the tokens.
static int64_t queriesAtOnce(int64_t queries, int64_t heads, int64_t tokens) {
  constexpr int64_t scoresBytes = 512 << 10;
  // A multiple of the rows of all register tiles leaves no remainder within a
  // block.
  constexpr int64_t step = 24;
  int64_t rowBytes = heads * numPanels(tokens) * kPanel * sizeof(float);
  int64_t most = std::max(scoresBytes / rowBytes, step);
  if (queries <= most)
    return queries;
  most = llvm::alignDown(most, step);
  int64_t even = llvm::divideCeil(queries, llvm::divideCeil(queries, most));
  return llvm::alignTo(even, step);
}

Value MoELowering::attend(Value q, Value k, Value v, int64_t heads,
                          int64_t size, double scale) {
  int64_t tokens = rowsOf(k), queries = rowsOf(q);
  int64_t headPanels = numPanels(size);
  auto byHead = [&](Value part) {
    return expand(part, {rowsOf(part), heads, headPanels, kPanel},
                  {{0}, {1, 2}, {3}});
  };
  auto byHeadFlat = [&](Value part) {
    return collapse(byHead(part), {{0}, {1}, {2, 3}});
  };
  Value asking = byHeadFlat(q),
        keys = inPart("scores", [&] { return tokenPanels(byHeadFlat(k)); });
  Value values = byHead(v);
  Value result = empty({queries, heads, headPanels, kPanel});
  int64_t atOnce = queriesAtOnce(queries, heads, tokens);
  if (atOnce == queries)
    return attendAtOnce(asking, keys, values, scale, result);

  int64_t whole = queries / atOnce * atOnce;
  auto loop = scf::ForOp::create(b, index(0), index(whole), index(atOnce),
                                 ValueRange{result});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value first = loop.getInductionVar(), carried = loop.getRegionIterArg(0);
    Value block = attendAtOnce(rowsFrom(asking, first, atOnce), keys, values,
                               scale, rowsFrom(carried, first, atOnce));
    scf::YieldOp::create(b, withRows(carried, block, first));
  }
  result = loop.getResult(0);
  if (whole == queries)
    return result;
  Value first = index(whole);
  int64_t rest = queries - whole;
  Value block = attendAtOnce(rowsFrom(asking, first, rest), keys, values, scale,
                             rowsFrom(result, first, rest));
  return withRows(result, block, first);
}

Value MoELowering::attendAtOnce(Value q, Value keys, Value values, double scale,
                                Value out) {
  int64_t queries = rowsOf(q), tokens = rowsOf(values);
  int64_t heads = shapeOf(values)[1], headPanels = shapeOf(values)[2];
  SmallVector<IteratorType> iterators(4, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  AffineExpr h = dim(0), m = dim(1), p = dim(2), c = dim(3), r = dim(4);
  Value scores = inPart("scores", [&] {
    Value products = multiplyAdd(
        {q, keys}, {heads, queries, numPanels(tokens), kPanel},
        {map(5, {m, h, r}), map(5, {h, r, p, c}), map(5, {h, m, p, c})},
        iterators);
    return scaled(products, float(scale));
  });
  Value exps, inverse;
  {
    PartScope part = PartScope::within(b, "softmax");
    std::tie(exps, inverse) = softmaxParts(scores, tokens);
  }
  PartScope last = PartScope::within(b, "values");
  exps = slice(collapse(exps, {{0}, {1}, {2, 3}}), {0, 0, 0},
               {heads, queries, tokens});
  Value mixed = multiplyAdd(
      {exps, values}, {queries, heads, headPanels, kPanel},
      {map(5, {h, m, r}), map(5, {r, h, p, c}), map(5, {m, h, p, c})},
      iterators);
  return times(mixed, inverse, map(4, {dim(1), dim(0)}), out);
}

Value MoELowering::attendFew(AttentionOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t tokens = rowsOf(x), queries = rowsOf(op.getResult());
  int64_t width = widthOf(op.getTokens()), heads = op.getHeads();
  int64_t panels = shapeOf(x)[1];
  int64_t size = width / heads, headPanels = numPanels(size);
  int64_t partPanels = heads * headPanels, pairs = queries * heads;
  // The weight that makes queries, keys or values, packed.
  auto part = [&](int64_t index, StringRef suffix, bool transpose) {
    int64_t outGroup = transpose ? width : size;
    int64_t inGroup = transpose ? size : width;
    return weights(op.getQkvWeight(), suffix,
                   [&](OpBuilder &builder, Location loc, Value base) -> Value {
                     Value rows =
                         SliceRowsOp::create(builder, loc, f32({width, width}),
                                             base, index * width);
                     if (transpose)
                       rows = TransposeBlocksOp::create(
                           builder, loc, f32({heads * width, size}), rows);
                     return PackPanelsOp::create(
                         builder, loc,
                         f32({heads * numPanels(outGroup),
                              numPanels(inGroup) * kPanel, kPanel}),
                         rows, outGroup, inGroup);
                   });
  };
  Value bias = op.getQkvBias() ? padded(op.getQkvBias(), size) : Value();
  auto addPart = [&](Value y, int64_t index) {
    return bias ? addBias(y, slice(bias, {index * partPanels, 0},
                                   {partPanels, kPanel}))
                : y;
  };

  // q Wk for each head: [queries, heads, panels, 16]. What the keys' bias adds
  // to a score is the same for all keys, so softmax does not see it.
  Value query = rowSlice(x, op.getFirstQuery(), queries);
  Value reach = inPart("query", [&] {
    Value q = addPart(matmul(query, part(0, ".query", false)), 0);
    q = expand(q, {queries, heads, headPanels, kPanel}, {{0}, {1, 2}, {3}});
    return productByHead(collapse(q, {{0}, {1}, {2, 3}}),
                         expand(part(1, ".key", true),
                                {heads, panels, headPanels * kPanel, kPanel},
                                {{0, 1}, {2}, {3}}));
  });

  // A row for each query and head.
  SmallVector<IteratorType> iterators(3, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  AffineExpr m = dim(0), p = dim(1), c = dim(2), r = dim(3);
  AffineMap maps[] = {map(4, {m, r}), map(4, {r, p, c}), map(4, {m, p, c})};
  Value flat = collapse(x, {{0}, {1, 2}});
  Value scores = inPart("scores", [&] {
    Value panelsOfTokens =
        tokenPanels(expand(flat, {tokens, 1, panels * kPanel}, {{0}, {1, 2}}));
    Value products =
        multiplyAdd({collapse(reach, {{0, 1}, {2, 3}}),
                     collapse(panelsOfTokens, {{0, 1}, {2}, {3}})},
                    {pairs, numPanels(tokens), kPanel}, maps, iterators);
    return scaled(products, float(op.getScale().convertToDouble()));
  });
  Value exps, inverse;
  {
    PartScope part = PartScope::within(b, "softmax");
    std::tie(exps, inverse) = softmaxParts(scores, tokens);
  }
  PartScope last = PartScope::within(b, "values");
  exps = slice(collapse(exps, {{0}, {1, 2}}), {0, 0}, {pairs, tokens});

  // The weighted sum of the tokens for each head, then the values' weight. The
  // weights sum to 1, so the values' bias comes through as it is.
  Value sums = multiplyAdd({exps, x}, {pairs, panels, kPanel}, maps, iterators);
  sums = times(sums, inverse, map(3, {dim(0)}));
  sums = expand(collapse(sums, {{0}, {1, 2}}),
                {queries, heads, panels * kPanel}, {{0, 1}, {2}});
  Value mixed =
      productByHead(sums, expand(part(2, ".value", false),
                                 {heads, headPanels, panels * kPanel, kPanel},
                                 {{0, 1}, {2}, {3}}));
  return expand(addPart(collapse(mixed, {{0}, {1, 2}, {3}}), 2),
                {queries, heads, headPanels, kPanel}, {{0}, {1, 2}, {3}});
}
