//===- LowerDots.cpp - moe.dot to what the CPU has ------------------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Target/CpuTable.h"

#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_LOWERDOTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// Vectors of one size side by side, a power of two of them.
static Value joined(ImplicitLocOpBuilder &b, SmallVector<Value> pieces) {
  while (pieces.size() > 1) {
    int64_t lanes = cast<VectorType>(pieces.front().getType()).getNumElements();
    SmallVector<Value> pairs;
    for (size_t i = 0; i < pieces.size(); i += 2)
      pairs.push_back(vector::ShuffleOp::create(
          b, pieces[i], pieces[i + 1],
          llvm::to_vector(llvm::seq(int64_t(0), 2 * lanes))));
    pieces = std::move(pairs);
  }
  return pieces.front();
}

namespace {

/// Lanes of sums, inputs and weights that one instruction takes.
class DotBuilder {
public:
  DotBuilder(DotOp op, const CpuLevel &cpu)
      : op(op), cpu(cpu), b(op.getLoc(), op) {}

  /// Null if the CPU has nothing for it.
  Value build();

private:
  Value bf16(Value sums, Value inputs, Value weights);
  Value int8(Value sums, Value inputs, Value weights);
  Value int8ByPairs(Value sums, Value inputs, Value weights);
  Value int8ByProducts(Value sums, Value inputs, Value weights);

  Value call(StringRef name, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name),
                                         operands)
        .getResult(0);
  }
  VectorType vectorOf(int64_t lanes, Type element) {
    return VectorType::get({lanes}, element);
  }
  Value part(Value vector, int64_t first, int64_t lanes) {
    auto type = cast<VectorType>(vector.getType());
    if (type.getNumElements() == lanes)
      return vector;
    return vector::ShuffleOp::create(
        b, vector, vector, llvm::to_vector(llvm::seq(first, first + lanes)));
  }

  DotOp op;
  const CpuLevel &cpu;
  ImplicitLocOpBuilder b;
};

} // namespace

Value DotBuilder::bf16(Value sums, Value inputs, Value weights) {
  if (!cpu.dotBf16)
    return {};
  if (cpu.arch == llvm::Triple::x86_64)
    return x86vector::DotBF16Op::create(b, sums.getType(), sums, inputs,
                                        weights);
  return call("llvm.aarch64.neon.bfdot", sums.getType(),
              {sums, inputs, weights});
}

/// Pairs in 16 bits: the even and the odd ones of each lane, as there is an
/// instruction that multiplies pairs of 16-bit numbers and adds them up.
Value DotBuilder::int8ByPairs(Value sums, Value inputs, Value weights) {
  int64_t lanes = cast<VectorType>(sums.getType()).getNumElements();
  VectorType wide = vectorOf(2 * lanes, b.getI16Type());
  Value eight = arith::ConstantOp::create(
      b, DenseElementsAttr::get(wide, b.getI16IntegerAttr(8)));
  auto odd = [&](Value v, bool isUnsigned) -> Value {
    if (isUnsigned)
      return arith::ShRUIOp::create(b, v, eight);
    return arith::ShRSIOp::create(b, v, eight);
  };
  auto even = [&](Value v, bool isUnsigned) {
    return odd(arith::ShLIOp::create(b, v, eight), isUnsigned);
  };
  Value x = vector::BitCastOp::create(b, wide, inputs);
  Value w = vector::BitCastOp::create(b, wide, weights);
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  bool isUnsigned = op.getIsUnsigned();
  for (auto pick : {0, 1}) {
    Value left = pick ? odd(x, isUnsigned) : even(x, isUnsigned);
    Value right = pick ? odd(w, false) : even(w, false);
    sums = arith::AddIOp::create(
        b, sums, call(name, sums.getType(), ValueRange{left, right}));
  }
  return sums;
}

/// Products in 16 bits, which hold the sum of two of them: neither factor is
/// -128.
Value DotBuilder::int8ByProducts(Value sums, Value inputs, Value weights) {
  VectorType wide = vectorOf(8, b.getI16Type());
  Value products[2];
  for (int64_t half : {0, 1})
    products[half] =
        call("llvm.aarch64.neon.smull", wide,
             {part(inputs, 8 * half, 8), part(weights, 8 * half, 8)});
  Value pairs = call("llvm.aarch64.neon.addp", wide, products);
  return arith::AddIOp::create(
      b, sums, call("llvm.aarch64.neon.saddlp", sums.getType(), pairs));
}

Value DotBuilder::int8(Value sums, Value inputs, Value weights) {
  if (cpu.arch == llvm::Triple::x86_64) {
    if (!cpu.dotInt8 || !op.getIsUnsigned())
      return int8ByPairs(sums, inputs, weights);
    int64_t bits = 32 * cast<VectorType>(sums.getType()).getNumElements();
    return call("llvm.x86.avx512.vpdpbusd." + std::to_string(bits),
                sums.getType(), {sums, inputs, weights});
  }
  if (op.getIsUnsigned())
    return {};
  return cpu.dotInt8 ? call("llvm.aarch64.neon.sdot", sums.getType(),
                            {sums, inputs, weights})
                     : int8ByProducts(sums, inputs, weights);
}

Value DotBuilder::build() {
  auto type = cast<VectorType>(op.getSums().getType());
  auto factors = cast<VectorType>(op.getInputs().getType());
  int64_t lanes = std::min(cpu.lanes, type.getNumElements());
  int64_t side = factors.getNumElements() / type.getNumElements();
  if (lanes != cpu.lanes || !llvm::isPowerOf2_64(type.getNumElements()))
    return {};
  SmallVector<Value> pieces;
  for (int64_t first = 0; first < type.getNumElements(); first += lanes) {
    Value sums = part(op.getSums(), first, lanes);
    Value inputs = part(op.getInputs(), first * side, lanes * side);
    Value weights = part(op.getWeights(), first * side, lanes * side);
    Value piece = type.getElementType().isF32() ? bf16(sums, inputs, weights)
                                                : int8(sums, inputs, weights);
    if (!piece)
      return {};
    pieces.push_back(piece);
  }
  return joined(b, pieces);
}

/// A matrix instruction for each pair of columns. Both steps of a column lie
/// side by side in it: in words, those of one step between those of the other.
static void lowerPairs(PairDotOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  auto type = cast<VectorType>(op.getSums().getType());
  auto factors = cast<VectorType>(op.getInputs().getType());
  int64_t lanes = type.getNumElements();
  auto blockType = VectorType::get({4}, type.getElementType());
  Value words = vector::BitCastOp::create(
      b, VectorType::get({lanes}, b.getI32Type()), op.getWeights());
  bool isInteger = type.getElementType().isInteger();
  SmallVector<Value> blocks;
  for (int64_t first = 0; first < lanes; first += 4) {
    int64_t column = first / 2, step = lanes / 2;
    Value own = vector::ShuffleOp::create(
        b, words, words,
        ArrayRef{column, step + column, column + 1, step + column + 1});
    Value weights = vector::BitCastOp::create(b, factors, own);
    Value sums =
        vector::ShuffleOp::create(b, op.getSums(), op.getSums(),
                                  llvm::to_vector(llvm::seq(first, first + 4)));
    blocks.push_back(
        LLVM::CallIntrinsicOp::create(
            b, blockType,
            b.getStringAttr(isInteger ? "llvm.aarch64.neon.smmla"
                                      : "llvm.aarch64.neon.bfmmla"),
            ValueRange{sums, op.getInputs(), weights})
            .getResult(0));
  }
  op.replaceAllUsesWith(joined(b, blocks));
  op.erase();
}

namespace {
struct LowerDots : moe::impl::LowerDotsBase<LowerDots> {
  using LowerDotsBase::LowerDotsBase;

  void runOnOperation() override {
    const CpuLevel *level = findCpuLevel(cpu);
    if (!level) {
      getOperation().emitError() << "unknown CPU '" << cpu << "'";
      return signalPassFailure();
    }
    SmallVector<PairDotOp> pairs;
    getOperation().walk([&](PairDotOp op) { pairs.push_back(op); });
    for (PairDotOp op : pairs) {
      if (!level->mmla) {
        op.emitOpError() << "cannot be lowered for " << level->name;
        return signalPassFailure();
      }
      lowerPairs(op);
    }
    SmallVector<DotOp> dots;
    getOperation().walk([&](DotOp op) { dots.push_back(op); });
    for (DotOp op : dots) {
      Value value = DotBuilder(op, *level).build();
      if (!value) {
        op.emitOpError() << "cannot be lowered for " << level->name;
        return signalPassFailure();
      }
      op.replaceAllUsesWith(value);
      op.erase();
    }
  }
};
} // namespace
