//===- LowerDots.cpp - moe.dot to what the CPU has ------------------------===//

#include "CpuOption.h"
#include "VectorEmitter.h"

namespace mlir::moe {
#define GEN_PASS_DEF_LOWERDOTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// What a dot product becomes; null if the CPU has nothing for it.
class DotBuilder {
public:
  DotBuilder(Operation *op, const CpuLevel &cpu)
      : cpu(cpu), b(op->getLoc(), op) {}

  Value build(DotOp op);
  Value build(PairDotOp op);

private:
  // Of as many lanes as one instruction takes.
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

  const CpuLevel &cpu;
  ImplicitLocOpBuilder b;
  bool isUnsigned = false;
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
    if (!cpu.dotInt8 || !isUnsigned)
      return int8ByPairs(sums, inputs, weights);
    int64_t bits = 32 * cast<VectorType>(sums.getType()).getNumElements();
    return call("llvm.x86.avx512.vpdpbusd." + std::to_string(bits),
                sums.getType(), {sums, inputs, weights});
  }
  if (isUnsigned)
    return {};
  return cpu.dotInt8 ? call("llvm.aarch64.neon.sdot", sums.getType(),
                            {sums, inputs, weights})
                     : int8ByProducts(sums, inputs, weights);
}

Value DotBuilder::build(DotOp op) {
  isUnsigned = op.getIsUnsigned();
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
  return joinVectors(b, pieces);
}

/// A matrix instruction for each pair of columns.
Value DotBuilder::build(PairDotOp op) {
  if (!cpu.mmla)
    return {};
  auto type = cast<VectorType>(op.getSums().getType());
  Type element = type.getElementType();
  int64_t numbers = cast<VectorType>(op.getInputs().getType()).getNumElements();
  SmallVector<Value> blocks;
  for (int64_t i = 0; i < type.getNumElements() / 4; ++i)
    blocks.push_back(call(element.isF32() ? "llvm.aarch64.neon.bfmmla"
                                          : "llvm.aarch64.neon.smmla",
                          vectorOf(4, element),
                          {part(op.getSums(), 4 * i, 4), op.getInputs(),
                           part(op.getWeights(), numbers * i, numbers)}));
  return joinVectors(b, blocks);
}

namespace {
struct LowerDots : moe::impl::LowerDotsBase<LowerDots> {
  using LowerDotsBase::LowerDotsBase;

  void runOnOperation() override {
    const CpuLevel *level = cpuOption(getOperation(), cpu);
    if (!level)
      return signalPassFailure();
    SmallVector<Operation *> dots;
    getOperation().walk([&](Operation *op) {
      if (isa<DotOp, PairDotOp>(op))
        dots.push_back(op);
    });
    for (Operation *op : dots) {
      DotBuilder builder(op, *level);
      auto pairs = dyn_cast<PairDotOp>(op);
      Value value =
          pairs ? builder.build(pairs) : builder.build(cast<DotOp>(op));
      if (!value) {
        op->emitOpError() << "cannot be lowered for " << level->name;
        return signalPassFailure();
      }
      op->getResult(0).replaceAllUsesWith(value);
      op->erase();
    }
  }
};
} // namespace
