//===- EmitByLane.cpp - Matrix products by lanes of the input (FMLA) ------===//
//
// AArch64 multiplies a vector by one lane of another. So the input is loaded as
// vectors along k, one for each row, each of which serves as many steps as it
// has lanes. The weight is loaded vector by vector, each for all rows: the
// accumulators and the input leave no registers for a whole panel.
//
//===----------------------------------------------------------------------===//

#include "VectorEmitter.h"

using namespace mlir;
using namespace mlir::moe;

/// Whether steps of `dim` by one are steps of `expr` by one.
static bool goesAlong(AffineExpr expr, AffineExpr dim) {
  if (expr == dim)
    return true;
  auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!sum || sum.getKind() != AffineExprKind::Add)
    return false;
  unsigned position = cast<AffineDimExpr>(dim).getPosition();
  return (sum.getLHS() == dim && !sum.getRHS().isFunctionOfDim(position)) ||
         (sum.getRHS() == dim && !sum.getLHS().isFunctionOfDim(position));
}

bool VectorEmitter::isByLane() const {
  unsigned inner = reduction.back();
  if (!cpu.fmaByLane || isDot || aMap.getNumResults() == 0)
    return false;
  // A vector is of one row: nothing but the last index moves along it.
  if (llvm::any_of(aMap.getResults().drop_back(), [&](AffineExpr expr) {
        return expr.isFunctionOfDim(side > 1 ? sideDim : inner);
      }))
    return false;
  AffineExpr last = aMap.getResults().back();
  AffineExpr k = getAffineDimExpr(inner, b.getContext());
  // Weights that lie together are multiplied by inputs that do.
  if (side > 1)
    return side % cpu.lanes == 0 &&
           last == k * side + getAffineDimExpr(sideDim, b.getContext());
  return ranges[inner] >= cpu.lanes && goesAlong(last, k);
}

Value VectorEmitter::emitByLane(const TileSite &site, Loops loops, Value out) {
  unsigned inner = reduction.back();
  int64_t lanes = cpu.lanes, perPanel = kPanel / lanes;
  int64_t count = site.rows * site.panels * perPanel;
  int64_t parts = partsOfDepth(site.rows, site.panels, cpu, kind());
  auto type = VectorType::get({lanes}, sumType);
  auto add = [&](Value k, int64_t size, MutableArrayRef<Value> sums) {
    // As whole vectors, or a few single numbers at the end.
    SmallVector<SmallVector<Value>> vectors(site.rows);
    bool isWhole = size * side % lanes == 0;
    for (int64_t r = 0; isWhole && r < site.rows; ++r)
      for (int64_t i = 0; i < size * side; i += lanes) {
        enter(site, r, 0, loops);
        loops[inner] = k;
        if (side > 1)
          loops[sideDim] = index(i);
        vectors[r].push_back(loadVector(aTensor, evaluate(aMap, loops), lanes));
      }
    auto input = [&](int64_t r, int64_t i) -> Value {
      if (isWhole)
        return vector::ExtractOp::create(b, vectors[r][i / lanes], i % lanes);
      enter(site, r, 0, loops);
      return tensor::ExtractOp::create(b, aTensor, evaluate(aMap, loops));
    };
    auto addStep = [&](int64_t step, int64_t p, int64_t q) {
      Value packed;
      if (side > 1)
        packed = loadPacked(loops, q * lanes * side, lanes * side);
      loops[lane] = index(q * lanes);
      for (int64_t which = 0; which < side; ++which) {
        int64_t i = step * side + which;
        Value weights = side > 1
                            ? widen(packed, which)
                            : loadVector(bTensor, evaluate(bMap, loops), lanes);
        for (int64_t r = 0; r < site.rows; ++r) {
          int64_t place = (r * site.panels + p) * perPanel + q;
          Value &sum = sums[i % parts * count + place];
          Value x = vector::BroadcastOp::create(b, type, input(r, i));
          sum = multiplyAdd(x, weights, sum);
        }
      }
    };
    for (auto [step, own] :
         llvm::enumerate(prefetchSteps(k, size, site, loops)))
      for (int64_t p = 0; p < site.panels; ++p)
        for (int64_t q = 0; q < perPanel; ++q) {
          enter(site, 0, p, loops);
          loops[inner] = own;
          addStep(step, p, q);
        }
  };
  int64_t steps = side > 1 ? 1 : lanes;
  SmallVector<Value> sums = sumOverDepth(count, type, parts, steps, loops, add);
  for (int64_t r = 0; r < site.rows; ++r)
    for (int64_t p = 0; p < site.panels; ++p) {
      ArrayRef own =
          ArrayRef(sums).slice((r * site.panels + p) * perPanel, perPanel);
      enter(site, r, p, loops);
      out = finish(joinVectors(b, own), loops, out);
    }
  return out;
}
