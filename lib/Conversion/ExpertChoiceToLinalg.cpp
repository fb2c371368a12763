//===- ExpertChoiceToLinalg.cpp - Experts that choose their tokens --------===//
//
// What decides is a number of at least 0 for each token and expert, the
// smallest first. Such numbers are in the order of their bits, read as an
// integer; so the C-th smallest is found bit by bit, by counting how many are
// smaller than what has been found so far: 31 passes over the tokens for all
// experts at once, in lanes, however many tokens there are. One more pass
// collects who is below it, and so many of those at it, in the order of the
// tokens, as there are places. Integers always have an order: numbers that are
// none get a place like any other.
//
//===----------------------------------------------------------------------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

Value MoELowering::choiceKeys(Value exps) {
  int64_t tokens = rowsOf(exps);
  AffineMap full = b.getMultiDimIdentityMap(3), row = full.getMajorSubMap(1);
  SmallVector<IteratorType> parallel(3, IteratorType::parallel);
  Value top =
      reduceLanes({exps}, {full}, {tokens}, -kInfinity,
                  [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                    return arith::MaxNumFOp::create(ib, args[0], args[1]);
                  });
  // What is below the largest, and how often that is there.
  auto sumWhere = [&](bool isTop) {
    return reduceLanes(
        {exps, top}, {full, row}, {tokens}, 0.0f,
        [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
          Value zero = arith::ConstantOp::create(ib, ib.getF32FloatAttr(0.0f));
          Value largest = arith::CmpFOp::create(ib, arith::CmpFPredicate::OEQ,
                                                args[0], args[1]);
          Value counted =
              isTop ? arith::SelectOp::create(ib, largest, args[0], zero)
                    : arith::SelectOp::create(ib, largest, zero, args[0]);
          return arith::AddFOp::create(ib, args[2], counted);
        });
  };
  AffineMap one = b.getMultiDimIdentityMap(1);
  Value rest = generic({sumWhere(false), sumWhere(true), top}, empty({tokens}),
                       {one, one, one, one}, {IteratorType::parallel},
                       [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                         Value ties =
                             arith::SubFOp::create(ib, args[1], args[2]);
                         return arith::AddFOp::create(ib, args[0], ties);
                       });
  // The other experts' share by this expert's. The largest one's own is not in
  // `rest`; the others' is taken out of a sum of no more than twice the result.
  return elementwise(
      {exps, top, rest}, {full, row, row}, b.getI32Type(),
      [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value own = args[0], top = args[1], rest = args[2];
        Value largest =
            arith::CmpFOp::create(ib, arith::CmpFPredicate::OEQ, own, top);
        Value without = arith::AddFOp::create(
            ib, top, arith::SubFOp::create(ib, rest, own));
        Value others = arith::SelectOp::create(ib, largest, rest, without);
        Value key = arith::DivFOp::create(ib, others, own);
        return arith::BitcastOp::create(ib, ib.getI32Type(), key);
      });
}

Value MoELowering::countBelow(Value keys, ValueRange limits, Body limit) {
  ArrayRef<int64_t> lanes = shapeOf(keys).drop_front();
  AffineExpr t = dim(0), p = dim(1), c = dim(2);
  SmallVector<Value> inputs{keys};
  SmallVector<AffineMap> maps{map(3, {t, p, c})};
  for (Value value : limits) {
    inputs.push_back(value);
    maps.push_back(isa<RankedTensorType>(value.getType()) ? map(3, {p, c})
                                                          : map(3, {}));
  }
  maps.push_back(map(3, {p, c}));
  return generic(
      inputs, filled(lanes, b.getI32IntegerAttr(0)), maps,
      {IteratorType::reduction, IteratorType::parallel, IteratorType::parallel},
      [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
        Value below =
            arith::CmpIOp::create(ib, arith::CmpIPredicate::slt, args[0],
                                  limit(ib, args.drop_front().drop_back()));
        Value one = arith::ExtUIOp::create(ib, ib.getI32Type(), below);
        return arith::AddIOp::create(ib, args.back(), one);
      });
}

void MoELowering::lower(ExpertChoiceOp op) {
  Value x = lowered.lookup(op.getTokens());
  int64_t tokens = rowsOf(x), width = widthOf(op.getTokens());
  int64_t count = op.getNumExperts(), capacity = op.getCapacity();
  Value logits = matmul(x, packed(op.getWeight(), count, width));
  if (op.getBias())
    logits = addBias(logits, padded(op.getBias(), count));
  Value exps, inverse;
  std::tie(exps, inverse) = softmaxParts(logits, count);
  Value keys = choiceKeys(exps);

  Value zero = index(0), one = index(1);
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  auto withBit = [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
    return arith::OrIOp::create(ib, args[0], args[1]);
  };
  // The C-th smallest key of each expert, from the highest bit on: a bit is set
  // if fewer than C keys are below what that makes. The sign is not asked.
  AffineMap lanes = b.getMultiDimIdentityMap(2);
  SmallVector<IteratorType> parallel(2, IteratorType::parallel);
  constexpr int64_t bits = 31;
  Value limit = overRange(
      index(bits), filled(shapeOf(keys).drop_front(), b.getI32IntegerAttr(0)),
      [&](Value i, ValueRange state) -> SmallVector<Value> {
        Value shift = arith::SubIOp::create(
            b, integer(bits - 1),
            arith::IndexCastOp::create(b, b.getI32Type(), i));
        Value bit = arith::ShLIOp::create(b, integer(1), shift);
        Value below = countBelow(keys, {state[0], bit}, withBit);
        return {generic(
            {below, bit}, state[0], {lanes, map(2, {}), lanes}, parallel,
            [&](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
              Value places =
                  arith::ConstantOp::create(ib, ib.getI32IntegerAttr(capacity));
              Value few = arith::CmpIOp::create(ib, arith::CmpIPredicate::slt,
                                                args[0], places);
              Value set = arith::OrIOp::create(ib, args[2], args[1]);
              return arith::SelectOp::create(ib, few, set, args[2]);
            })};
      })[0];
  Value below =
      countBelow(keys, {limit}, [](ImplicitLocOpBuilder &, ValueRange args) {
        return args[0];
      });

  // Each expert's tokens in their order. Every token is written to the next
  // place, a last column that nobody reads if there is none, and stays there if
  // it is taken.
  auto flat = [&](Value tensor) { return collapse(tensor, {{0}, {1, 2}}); };
  keys = flat(keys), exps = flat(exps);
  limit = collapse(limit, {{0, 1}}), below = collapse(below, {{0, 1}});
  Value places = arith::ConstantOp::create(b, b.getI32IntegerAttr(capacity));
  SmallVector<Value> chosen = overRange(
      index(count),
      {indices({count, capacity + 1}), empty({count, capacity + 1}),
       indices({count})},
      [&](Value e, ValueRange outer) -> SmallVector<Value> {
        Value border = get(limit, e);
        Value equals = arith::SubIOp::create(b, places, get(below, e));
        SmallVector<Value> row = overRange(
            index(tokens), ValueRange{outer[0], outer[1], zero, equals},
            [&](Value t, ValueRange state) -> SmallVector<Value> {
              Value place = state[2], left = state[3];
              Value key = get(keys, {t, e});
              Value exp = get(exps, {t, e});
              Value gate = arith::MulFOp::create(b, exp, get(inverse, t));
              Value less = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                                 key, border);
              Value equal = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                  key, border);
              Value some = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt,
                                                 left, integer(0));
              Value joins = arith::AndIOp::create(b, equal, some);
              Value taken = arith::OrIOp::create(b, less, joins);
              Value next = arith::MinSIOp::create(
                  b, arith::AddIOp::create(b, place, one), index(capacity));
              Value fewer = arith::SubIOp::create(b, left, integer(1));
              return {set(state[0], t, {e, place}),
                      set(state[1], gate, {e, place}),
                      arith::SelectOp::create(b, taken, next, place),
                      arith::SelectOp::create(b, joins, fewer, left)};
            });
        return {row[0], row[1], set(outer[2], row[2], e)};
      });
  Value gates = slice(chosen[1], {0, 0}, {count, capacity});
  lowered[op.getTaken()] = slice(chosen[0], {0, 0}, {count, capacity});
  lowered[op.getGates()] = gates;
  lowered[op.getCounts()] = chosen[2];
  lowered[op.getMeanGates()] = meanGates(gates, chosen[2]);
}
