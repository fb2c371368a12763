//===- AddPeakLoops.cpp - Loops that do nothing but multiply-adds ---------===//

#include "CpuOption.h"

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Precision.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_ADDPEAKLOOPS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Builds the loop of one kind of product.
class PeakLoop {
public:
  PeakLoop(ModuleOp module, const CpuLevel &cpu, Precision kind)
      : cpu(cpu), kind(kind), b(module.getLoc(), module.getContext()) {
    b.setInsertionPointToEnd(module.getBody());
  }

  void build();

private:
  /// The sums that a step works on, and the factors that it multiplies.
  SmallVector<Value> startSums(Value rounds);
  Value step(Value sum);
  /// Lanes of `element` that repeat the 32 bits of `word`.
  Value factor(Value word, int64_t words, Type element);
  Value reduce(Value sum);

  Type element() {
    if (kind == Precision::Int8)
      return b.getI8Type();
    return kind == Precision::BF16 ? Type(b.getBF16Type())
                                   : Type(b.getF32Type());
  }
  Type sumElement() {
    return kind == Precision::Int8 ? Type(b.getI32Type())
                                   : Type(b.getF32Type());
  }
  bool isTile() const { return cpu.amx && kind != Precision::F32; }
  bool isPair() const { return cpu.mmla && kind != Precision::F32; }

  const CpuLevel &cpu;
  Precision kind;
  ImplicitLocOpBuilder b;
  Value left, right;
  int64_t perStep = 0;
};

} // namespace

Value PeakLoop::factor(Value word, int64_t words, Type type) {
  Value whole = vector::BroadcastOp::create(
      b, VectorType::get({words}, word.getType()), word);
  if (type == word.getType())
    return whole;
  int64_t lanes = words * 32 / type.getIntOrFloatBitWidth();
  return vector::BitCastOp::create(b, VectorType::get({lanes}, type), whole);
}

SmallVector<Value> PeakLoop::startSums(Value rounds) {
  // Numbers that LLVM does not know, so that it keeps each product; and sums
  // that differ, so that it keeps each of them.
  Value word = arith::IndexCastOp::create(b, b.getI32Type(), rounds);
  Value number = arith::SIToFPOp::create(b, b.getF32Type(), word);
  int64_t side = 32 / element().getIntOrFloatBitWidth();
  if (isTile()) {
    auto tile = [&](Type type, int64_t columns) -> Value {
      return amx::TileZeroOp::create(b,
                                     amx::TileType::get({16, columns}, type));
    };
    left = tile(element(), 16 * side);
    right = tile(element(), 16 * side);
    perStep = 16 * 16 * 16 * side;
    // Six of eight registers.
    SmallVector<Value> sums;
    for (int i = 0; i < 6; ++i)
      sums.push_back(tile(sumElement(), 16));
    return sums;
  }
  int64_t lanes = cpu.lanes;
  // Of 64 bits for each of two rows and columns.
  int64_t words = isPair() ? 4 : lanes;
  left = factor(element().isF32() ? number : word, words, element());
  right = left;
  perStep = isPair() ? 2 * 2 * 2 * side : lanes * side;
  SmallVector<Value> sums;
  for (int64_t i = 0, end = cpu.registers * 3 / 4; i < end; ++i) {
    TypedAttr first = sumElement().isF32()
                          ? TypedAttr(b.getF32FloatAttr(float(i)))
                          : TypedAttr(b.getI32IntegerAttr(i));
    auto type = VectorType::get({isPair() ? 4 : lanes}, sumElement());
    sums.push_back(arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, Attribute(first))));
  }
  return sums;
}

Value PeakLoop::step(Value sum) {
  if (isTile()) {
    if (kind == Precision::BF16)
      return amx::TileMulFOp::create(b, sum.getType(), left, right, sum);
    return amx::TileMulIOp::create(b, sum.getType(), left, right, sum,
                                   /*isZextLhs=*/true, /*isZextRhs=*/false);
  }
  if (kind == Precision::F32 && cpu.fma)
    return vector::FMAOp::create(b, left, right, sum);
  if (kind == Precision::F32)
    return arith::AddFOp::create(b, sum, arith::MulFOp::create(b, sum, right));
  if (isPair())
    return PairDotOp::create(b, sum, left, right);
  bool isUnsigned = kind == Precision::Int8 && cpu.arch == llvm::Triple::x86_64;
  return DotOp::create(b, sum, left, right, isUnsigned);
}

Value PeakLoop::reduce(Value sum) {
  Value total = vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum);
  return total.getType().isF32()
             ? total
             : arith::SIToFPOp::create(b, b.getF32Type(), total).getResult();
}

void PeakLoop::build() {
  // A product of a kind that the CPU has no instruction for is done in f32.
  std::string name = ("peak_" + precisionName(kind)).str();
  if (kind == Precision::BF16 && !cpu.dotBf16)
    kind = Precision::F32;
  auto function = func::FuncOp::create(
      b, name, b.getFunctionType(b.getIndexType(), b.getF32Type()));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Value rounds = entry->getArgument(0);
  SmallVector<Value> sums = startSums(rounds);
  Value zero = arith::ConstantIndexOp::create(b, 0),
        one = arith::ConstantIndexOp::create(b, 1);
  auto loop = scf::ForOp::create(b, zero, rounds, one, sums);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next(loop.getRegionIterArgs());
  constexpr int64_t stepsPerRound = 4;
  for (int64_t i = 0; i < stepsPerRound; ++i)
    for (Value &sum : next)
      sum = step(sum);
  scf::YieldOp::create(b, next);
  b.setInsertionPointToEnd(entry);
  Value total = arith::ConstantOp::create(b, b.getF32FloatAttr(0.0f));
  if (isTile()) {
    // Stored, so that they are needed; one is enough to keep the loop.
    auto memory =
        memref::AllocaOp::create(b, MemRefType::get({16, 16}, sumElement()));
    for (Value sum : loop.getResults())
      amx::TileStoreOp::create(b, memory, ValueRange{zero, zero}, sum);
    Value one = memref::LoadOp::create(b, memory, ValueRange{zero, zero});
    total = one.getType().isF32()
                ? one
                : arith::SIToFPOp::create(b, b.getF32Type(), one).getResult();
  } else {
    for (Value sum : loop.getResults())
      total = arith::AddFOp::create(b, total, reduce(sum));
  }
  func::ReturnOp::create(b, total);
  function->setAttr(
      kMultiplyAddsAttr,
      b.getI64IntegerAttr(stepsPerRound * int64_t(sums.size()) * perStep));
}

namespace {
struct AddPeakLoops : moe::impl::AddPeakLoopsBase<AddPeakLoops> {
  using AddPeakLoopsBase::AddPeakLoopsBase;

  void runOnOperation() override {
    const CpuLevel *level = cpuOption(getOperation(), cpu);
    if (!level)
      return signalPassFailure();
    auto parts = getOperation()->getAttrOfType<ArrayAttr>(kPartsAttr);
    if (!parts)
      return;
    llvm::SmallDenseSet<int> kinds;
    for (auto part : parts.getAsRange<DictionaryAttr>())
      if (auto name = part.getAs<StringAttr>("kind"))
        if (std::optional<Precision> kind = parsePrecision(name))
          kinds.insert(static_cast<int>(*kind));
    for (Precision kind : {Precision::F32, Precision::BF16, Precision::Int8})
      if (kinds.contains(static_cast<int>(kind)))
        PeakLoop(getOperation(), *level, kind).build();
  }
};
} // namespace
