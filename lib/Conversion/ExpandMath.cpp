//===- ExpandMath.cpp - exp, erf, tanh, rsqrt and GELU as arithmetic ------===//

#include "CpuOption.h"
#include "moe/Conversion/GeluTable.h"
#include "moe/Conversion/Passes.h"

#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::moe {
#define GEN_PASS_DEF_EXPANDMATH
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Arithmetic on f32 or vectors of it, without a fused multiply-add where the
/// target has none (it would be a call into libm).
class Arithmetic {
public:
  Arithmetic(PatternRewriter &rewriter, Location loc, Type type,
             const CpuLevel &cpu)
      : b(loc, rewriter), type(type), cpu(cpu) {}

  Value constant(float value) { return splat(b.getF32FloatAttr(value), type); }
  Value integer(int32_t value) {
    return splat(b.getI32IntegerAttr(value), integerType());
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  /// x * y + z.
  Value madd(Value x, Value y, Value z) {
    if (cpu.fma)
      return math::FmaOp::create(b, x, y, z);
    return add(mul(x, y), z);
  }
  /// Horner's scheme, the highest coefficient first.
  Value polynomial(Value x, ArrayRef<float> coefficients) {
    Value sum = constant(coefficients.front());
    for (float c : coefficients.drop_front())
      sum = madd(sum, x, constant(c));
    return sum;
  }
  Value less(Value x, Value y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, condition, x, y);
  }
  /// A NaN in `x` stays one: the comparison is false.
  Value atMost(Value x, float limit) {
    Value c = constant(limit);
    return select(less(c, x), c, x);
  }
  Value atLeast(Value x, float limit) {
    Value c = constant(limit);
    return select(less(x, c), c, x);
  }
  Value bits(Value x) { return arith::BitcastOp::create(b, integerType(), x); }
  Value fromBits(Value i) { return arith::BitcastOp::create(b, type, i); }
  Value abs(Value x) {
    return fromBits(arith::AndIOp::create(b, bits(x), integer(0x7fffffff)));
  }
  /// |magnitude| is not negative.
  Value withSignOf(Value magnitude, Value x) {
    Value sign = arith::AndIOp::create(b, bits(x), integer(int32_t(1u << 31)));
    return fromBits(arith::OrIOp::create(b, bits(magnitude), sign));
  }
  Value exp(Value x);
  Value erf(Value x);
  Value tanh(Value x);
  Value gelu(Value x);
  Value rsqrt(Value x) {
    return div(constant(1.0f), math::SqrtOp::create(b, x));
  }

private:
  Value geluByTable(Value x);
  Type integerType() {
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.clone(b.getI32Type());
    return b.getI32Type();
  }
  Value splat(TypedAttr value, Type as) {
    if (auto vector = dyn_cast<VectorType>(as))
      value = DenseElementsAttr::get(vector, Attribute(value));
    return arith::ConstantOp::create(b, as, value);
  }

  ImplicitLocOpBuilder b;
  Type type;
  const CpuLevel &cpu;
};

} // namespace

/// exp(x) = 2^n · exp(r) with |r| <= ln(2) / 2, exp(r) by Cephes' polynomial
/// (expf.c); below 2^-125 the result is 0, so that no subnormal numbers occur.
Value Arithmetic::exp(Value x) {
  Value clamped = atMost(x, 89.0f);
  // Adding 1.5 · 2^23 leaves n, rounded to nearest, in the lowest bits.
  Value magic = constant(12582912.0f);
  Value shifted = madd(clamped, constant(1.44269504088896341f), magic);
  Value n = sub(shifted, magic);
  // ln(2) in two parts: n times the first is exact.
  Value r = madd(n, constant(-0.693359375f), clamped);
  r = madd(n, constant(2.12194440e-4f), r);
  Value p =
      polynomial(r, {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                     4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f});
  Value y = add(madd(p, mul(r, r), r), constant(1.0f));
  // 2^(n-1), then 2: n = 128 is still a number.
  Value exponent = arith::ShLIOp::create(b, bits(shifted), integer(23));
  Value scale =
      fromBits(arith::AddIOp::create(b, exponent, integer(126 << 23)));
  Value result = mul(mul(y, scale), constant(2.0f));
  return select(less(x, constant(-86.6f)), constant(0.0f), result);
}

/// The coefficients of `erf` below, the highest first.
static constexpr double kErf[] = {
    6.62949809e-4, -1.72548962e-3, 1.60373549e-3, -2.71343510e-3,
    7.95434602e-3, -1.48558244e-2, 2.29742136e-2, -3.53153571e-2,
    5.17483614e-2, -7.03568459e-2, 9.04785022e-2, -1.12759538e-1,
    1.41099036e-1, -1.90961733e-1, 3.83169770e-1};

/// x · p(x²) with |x| cut off at 3.69, where erf is 1 within two units in the
/// last place, and the polynomial exactly 1. p is a minimax fit of relative
/// error 4e-8 in u = 2 (x / 3.69)² - 1, in which its coefficients fall; with
/// rounding, erf is good to 4.5 units in the last place.
Value Arithmetic::erf(Value x) {
  Value t = atLeast(atMost(x, 3.69f), -3.69f);
  Value u = madd(mul(t, t), constant(0.146884933f), constant(-1.0f));
  Value p = polynomial(u, SmallVector<float>(std::begin(kErf), std::end(kErf)));
  return mul(t, p);
}

/// x / 2 · (1 + erf(x / √2)), with the factor √½ in erf's constants, and a
/// multiply-add that is exactly 0 where erf is -1: GELU of a large negative
/// number must vanish. Neither a division nor an exponential: this runs on
/// every hidden value of an MLP.
Value Arithmetic::gelu(Value x) {
  auto vector = dyn_cast<VectorType>(type);
  // The look-up is an instruction of x86's.
  if (cpu.lookup && cpu.arch == llvm::Triple::x86_64 && vector &&
      vector.getShape() == ArrayRef<int64_t>(kPanel))
    return geluByTable(x);
  Value t = atLeast(atMost(x, 5.218448f), -5.218448f);
  Value u = madd(mul(t, t), constant(0.0734424665f), constant(-1.0f));
  Value p = polynomial(u, llvm::map_to_vector(kErf, [](double c) {
                         return float(c * M_SQRT1_2);
                       }));
  Value half = mul(x, constant(0.5f));
  return madd(half, mul(t, p), half);
}

/// x · (½ + q) with q = Φ(x) - ½ by a polynomial for each of 16 intervals of
/// |x|, whose coefficients are looked up lane by lane: a third of the time of
/// one polynomial for all.
Value Arithmetic::geluByTable(Value x) {
  const GeluTable &table = GeluTable::get();
  auto lookup = [&](Value index, ArrayRef<float> entries) -> Value {
    Value vector = arith::ConstantOp::create(
        b, DenseElementsAttr::get(cast<VectorType>(type), entries));
    return LLVM::CallIntrinsicOp::create(
               b, type, b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
               ValueRange{vector, index})
        .getResult(0);
  };
  Value a = atMost(abs(x), table.limit);
  // Adding 1.5 · 2^23 leaves the interval's number in the lowest bits, which
  // are all that the instruction looks at.
  Value magic = constant(12582912.0f);
  Value shifted = madd(a, constant(1.0f / table.width), magic);
  Value r = madd(sub(shifted, magic), constant(-table.width), a);
  Value index = bits(shifted);
  Value q = lookup(index, table.coefficients[GeluTable::kDegree]);
  for (int i = GeluTable::kDegree; i-- > 0;)
    q = madd(q, r, lookup(index, table.coefficients[i]));
  Value half = mul(x, constant(0.5f));
  return madd(x, withSignOf(q, x), half);
}

/// Cephes' polynomial (tanhf.c) for small x, 1 - 2 / (exp(2|x|) + 1) for the
/// others.
Value Arithmetic::tanh(Value x) {
  Value t = abs(x);
  Value s = mul(x, x);
  Value small =
      polynomial(s, {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                     1.33314422036e-1f, -3.33332819422e-1f});
  small = madd(mul(small, s), x, x);
  Value e = exp(add(t, t));
  Value large =
      sub(constant(1.0f), div(constant(2.0f), add(e, constant(1.0f))));
  return select(less(constant(0.625f), t), withSignOf(large, x), small);
}

namespace {

/// Whether a value is one number or a known number of lanes.
bool isArithmetic(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return getElementTypeOrSelf(type).isF32() &&
         (isa<FloatType>(type) || (vector && !vector.isScalable()));
}

template <typename OpT, Value (Arithmetic::*Expansion)(Value)>
struct Expand : OpRewritePattern<OpT> {
  Expand(MLIRContext *context, const CpuLevel &cpu)
      : OpRewritePattern<OpT>(context), cpu(cpu) {}

  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!isArithmetic(type))
      return failure();
    Arithmetic arithmetic(rewriter, op.getLoc(), type, cpu);
    rewriter.replaceOp(op, (arithmetic.*Expansion)(op.getOperand()));
    return success();
  }

  const CpuLevel &cpu;
};

/// The other operand of a commutative op, one of whose operands is `value`,
/// scalar or in each lane; null if none is.
Value besides(Operation *op, double value) {
  for (unsigned i : {0u, 1u}) {
    FloatAttr constant;
    DenseFPElementsAttr lanes;
    Value operand = op->getOperand(i);
    if (matchPattern(operand, m_Constant(&lanes)) && lanes.isSplat())
      constant = lanes.getSplatValue<FloatAttr>();
    else
      matchPattern(operand, m_Constant(&constant));
    if (constant && constant.getValueAsDouble() == double(float(value)))
      return op->getOperand(1 - i);
  }
  return {};
}

/// GELU as the lowering of moe.mlp writes it.
struct ExpandGelu : OpRewritePattern<arith::MulFOp> {
  ExpandGelu(MLIRContext *context, const CpuLevel &cpu)
      : OpRewritePattern(context), cpu(cpu) {}

  LogicalResult matchAndRewrite(arith::MulFOp op,
                                PatternRewriter &rewriter) const override {
    auto half = op.getLhs().getDefiningOp<arith::MulFOp>();
    auto onePlus = op.getRhs().getDefiningOp<arith::AddFOp>();
    if (!half || !onePlus || !isArithmetic(op.getType()))
      return failure();
    Value x = besides(half, 0.5), erf = besides(onePlus, 1.0);
    auto erfOp = erf ? erf.getDefiningOp<math::ErfOp>() : math::ErfOp();
    auto scaled = erfOp ? erfOp.getOperand().getDefiningOp<arith::MulFOp>()
                        : arith::MulFOp();
    if (!x || !scaled || besides(scaled, M_SQRT1_2) != x)
      return failure();
    Arithmetic arithmetic(rewriter, op.getLoc(), op.getType(), cpu);
    rewriter.replaceOp(op, arithmetic.gelu(x));
    return success();
  }

  const CpuLevel &cpu;
};

struct ExpandMath : moe::impl::ExpandMathBase<ExpandMath> {
  using ExpandMathBase::ExpandMathBase;

  void runOnOperation() override {
    const CpuLevel *level = cpuOption(getOperation(), cpu);
    if (!level)
      return signalPassFailure();
    // First, before its erf is gone.
    RewritePatternSet gelu(&getContext());
    gelu.add<ExpandGelu>(&getContext(), *level);
    if (failed(applyPatternsGreedily(getOperation(), std::move(gelu))))
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    patterns.add<Expand<math::ExpOp, &Arithmetic::exp>,
                 Expand<math::ErfOp, &Arithmetic::erf>,
                 Expand<math::TanhOp, &Arithmetic::tanh>,
                 Expand<math::RsqrtOp, &Arithmetic::rsqrt>>(&getContext(),
                                                            *level);
    // LLVM would call its runtime library for each lane.
    if (!level->dotBf16)
      arith::populateExpandBFloat16Patterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
