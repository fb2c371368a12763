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
  return cpu.fmaByLane && side == 1 && ranges[inner] >= cpu.lanes &&
         aMap.getNumResults() > 0 &&
         goesAlong(aMap.getResults().back(),
                   getAffineDimExpr(inner, b.getContext()));
}

Value VectorEmitter::emitByLane(const TileSite &site, Loops loops, Value out) {
  unsigned inner = reduction.back();
  int64_t lanes = cpu.lanes, perPanel = kPanel / lanes;
  int64_t count = site.rows * site.panels * perPanel;
  int64_t parts = partsOfDepth(site.rows, site.panels, cpu, kind());
  auto type = VectorType::get({lanes}, sumType);
  auto add = [&](Value k, int64_t size, MutableArrayRef<Value> sums) {
    // A vector of `lanes` steps, or a few single numbers at the end.
    SmallVector<Value> vectors;
    if (size == lanes)
      for (int64_t r = 0; r < site.rows; ++r) {
        enter(site, r, 0, loops);
        loops[inner] = k;
        vectors.push_back(loadVector(aTensor, evaluate(aMap, loops), lanes));
      }
    auto input = [&](int64_t r, int64_t i) -> Value {
      if (!vectors.empty())
        return vector::ExtractOp::create(b, vectors[r], i);
      enter(site, r, 0, loops);
      return tensor::ExtractOp::create(b, aTensor, evaluate(aMap, loops));
    };
    for (auto [i, own] : llvm::enumerate(prefetchSteps(k, size, site, loops))) {
      loops[inner] = own;
      for (int64_t p = 0; p < site.panels; ++p)
        for (int64_t q = 0; q < perPanel; ++q) {
          enter(site, 0, p, loops);
          loops[lane] = index(q * lanes);
          Value weights = loadVector(bTensor, evaluate(bMap, loops), lanes);
          for (int64_t r = 0; r < site.rows; ++r) {
            Value &sum =
                sums[i % parts * count + (r * site.panels + p) * perPanel + q];
            Value x = vector::BroadcastOp::create(b, type, input(r, i));
            sum = multiplyAdd(x, weights, sum);
          }
        }
    }
  };
  SmallVector<Value> sums = sumOverDepth(count, type, parts, lanes, loops, add);
  for (int64_t r = 0; r < site.rows; ++r)
    for (int64_t p = 0; p < site.panels; ++p) {
      ArrayRef own =
          ArrayRef(sums).slice((r * site.panels + p) * perPanel, perPanel);
      enter(site, r, p, loops);
      out = finish(joinVectors(b, own), loops, out);
    }
  return out;
}
