//===- RoutingToLinalg.cpp - Routers and experts to linalg ----------------===//

#include "MoEToLinalg.h"

using namespace mlir;
using namespace mlir::moe;
using utils::IteratorType;

std::pair<Value, Value> MoELowering::nextChoice(
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

void MoELowering::lower(RouterOp op) {
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

FailureOr<Value> MoELowering::lowerRegion(Region &body, ValueRange arguments) {
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

Value MoELowering::addWeighted(Value value, Value gate, Value sum) {
  AffineMap full = b.getMultiDimIdentityMap(3);
  return generic({value, gate}, sum, {full, map(3, {}), full},
                 SmallVector<IteratorType>(3, IteratorType::parallel),
                 [](ImplicitLocOpBuilder &ib, ValueRange args) -> Value {
                   Value weighted = arith::MulFOp::create(ib, args[0], args[1]);
                   return arith::AddFOp::create(ib, args[2], weighted);
                 });
}

FailureOr<Value> MoELowering::chooseRegion(
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

FailureOr<Value> MoELowering::experts(ExpertsOp op, Value sum) {
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

FailureOr<Value> MoELowering::experts(TokenExpertsOp op, Value sum) {
  Value counts = lowered.lookup(op.getCounts());
  Value zero = index(0);
  auto loop = scf::ForOp::create(b, zero, index(op.getNumExperts()), index(1),
                                 ValueRange{sum});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value which = loop.getInductionVar(), carried = loop.getRegionIterArg(0);
  Value count = tensor::ExtractOp::create(b, counts, which);
  Value isAny =
      arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, count, zero);
  auto any = scf::IfOp::create(b, sum.getType(), isAny, /*withElse=*/true);
  scf::YieldOp::create(b, any.getResult(0));
  b.setInsertionPointToStart(any.elseBlock());
  scf::YieldOp::create(b, carried);
  b.setInsertionPointToStart(any.thenBlock());
  FailureOr<Value> result = op.getCapacity() == 1
                                ? expertOfToken(op, which, carried)
                                : expertOfGroup(op, which, count, carried);
  if (failed(result))
    return failure();
  scf::YieldOp::create(b, *result);
  return loop.getResult(0);
}

FailureOr<Value> MoELowering::expertOfToken(TokenExpertsOp op, Value which,
                                            Value sum) {
  Value at[] = {which, index(0)};
  Value token = get(lowered.lookup(op.getTaken()), at);
  Value gate = get(lowered.lookup(op.getGates()), at);
  return chooseRegion(
      op, which, sum.getType(), row(lowered.lookup(op.getTokens()), token),
      [&](Region &body, ValueRange arguments) -> FailureOr<Value> {
        FailureOr<Value> value = lowerRegion(body, arguments);
        if (failed(value))
          return failure();
        return withRows(sum, addWeighted(*value, gate, row(sum, token)), token);
      });
}

FailureOr<Value> MoELowering::expertOfGroup(TokenExpertsOp op, Value which,
                                            Value count, Value sum) {
  Value tokens = lowered.lookup(op.getTokens());
  Value taken = lowered.lookup(op.getTaken());
  Value gates = lowered.lookup(op.getGates());
  SmallVector<int64_t> groupShape(shapeOf(tokens));
  groupShape[0] = op.getCapacity();
  // A loop over the tokens that this expert took; `emit` gets a place in the
  // group, the token's index and what is carried.
  auto overGroup = [&](Value init,
                       function_ref<Value(Value, Value, Value)> emit) -> Value {
    return overRange(count, init,
                     [&](Value i, ValueRange carried) -> SmallVector<Value> {
                       Value token = get(taken, {which, i});
                       return {emit(i, token, carried[0])};
                     })[0];
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
        return withRows(carried, copy, i);
      });
  groupSize = count;
  groupCapacity = op.getCapacity();
  FailureOr<Value> result = chooseRegion(
      op, which, sum.getType(), groupRows(group),
      [&](Region &body, ValueRange arguments) -> FailureOr<Value> {
        FailureOr<Value> value = lowerRegion(body, arguments);
        if (failed(value))
          return failure();
        return overGroup(sum, [&](Value i, Value token, Value total) -> Value {
          Value gate = get(gates, {which, i});
          Value added = addWeighted(row(*value, i), gate, row(total, token));
          return withRows(total, added, token);
        });
      });
  groupSize = Value();
  return result;
}

FailureOr<Value> MoELowering::experts(RoutedOpInterface op, Value sum) {
  if (auto image = dyn_cast<ExpertsOp>(*op))
    return experts(image, sum);
  return experts(cast<TokenExpertsOp>(*op), sum);
}

SmallVector<Value> MoELowering::overRange(
    Value end, ValueRange init,
    function_ref<SmallVector<Value>(Value, ValueRange)> emit) {
  auto loop = scf::ForOp::create(b, index(0), end, index(1), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b,
                       emit(loop.getInductionVar(), loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

void MoELowering::lower(SliceTakenOp op) {
  Value taken = lowered.lookup(op.getTaken());
  Value gates = lowered.lookup(op.getGates());
  Value counts = lowered.lookup(op.getCounts());
  int64_t experts = rowsOf(counts), kept = shapeOf(op.getKeptGates())[1];
  Value zero = index(0), one = index(1), first = index(op.getFirst());
  Value end = index(op.getCount());
  // Each is written where the next one that is kept will be; what comes after
  // the last lands in a column that nobody reads.
  SmallVector<Value> results = overRange(
      index(experts),
      {indices({experts, kept + 1}), empty({experts, kept + 1}),
       indices({experts})},
      [&](Value e, ValueRange outer) -> SmallVector<Value> {
        SmallVector<Value> inner = overRange(
            get(counts, e), {outer[0], outer[1], zero},
            [&](Value i, ValueRange state) -> SmallVector<Value> {
              Value place = state[2];
              Value token = arith::SubIOp::create(b, get(taken, {e, i}), first);
              // Negative numbers are large ones without their sign.
              Value isKept = arith::CmpIOp::create(b, arith::CmpIPredicate::ult,
                                                   token, end);
              Value next = arith::SelectOp::create(
                  b, isKept, arith::AddIOp::create(b, place, one), place);
              return {set(state[0], token, {e, place}),
                      set(state[1], get(gates, {e, i}), {e, place}), next};
            });
        return {inner[0], inner[1], set(outer[2], inner[2], e)};
      });
  lowered[op.getKeptTaken()] = slice(results[0], {0, 0}, {experts, kept});
  lowered[op.getKeptGates()] = slice(results[1], {0, 0}, {experts, kept});
  lowered[op.getKeptCounts()] = results[2];
}

Value MoELowering::meanGates(Value gates, Value counts) {
  return overRange(
      index(rowsOf(gates)), empty({rowsOf(gates)}),
      [&](Value e, ValueRange state) -> SmallVector<Value> {
        Value n = get(counts, e);
        Value sum = overRange(
            n, constant(0.0f),
            [&](Value i, ValueRange inner) -> SmallVector<Value> {
              return {arith::AddFOp::create(b, inner[0], get(gates, {e, i}))};
            })[0];
        Value divisor = arith::MaxSIOp::create(b, n, index(1));
        divisor = arith::IndexCastOp::create(b, b.getI32Type(), divisor);
        divisor = arith::SIToFPOp::create(b, b.getF32Type(), divisor);
        Value mean = arith::DivFOp::create(b, sum, divisor);
        return {set(state[0], mean, e)};
      })[0];
}

void MoELowering::lower(TokenRouterOp op) {
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

  lowered[op.getTaken()] = taken;
  lowered[op.getGates()] = gates;
  lowered[op.getCounts()] = counts;
  lowered[op.getMeanGates()] = meanGates(gates, counts);
}
