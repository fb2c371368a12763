//===- LowerCopies.cpp - Copies of strided memory as loops ----------------===//

#include "moe/Conversion/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_LOWERCOPIES
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {
struct LowerCopies : moe::impl::LowerCopiesBase<LowerCopies> {
  void runOnOperation() override {
    getOperation().walk([](memref::CopyOp copy) {
      auto from = dyn_cast<MemRefType>(copy.getSource().getType());
      auto to = dyn_cast<MemRefType>(copy.getTarget().getType());
      // The number of loops must be known.
      if (!from || !to ||
          (from.getLayout().isIdentity() && to.getLayout().isIdentity()))
        return;
      ImplicitLocOpBuilder b(copy.getLoc(), copy);
      Value zero = arith::ConstantIndexOp::create(b, 0);
      Value one = arith::ConstantIndexOp::create(b, 1);
      SmallVector<Value> indices;
      for (auto [d, size] : llvm::enumerate(from.getShape())) {
        Value end =
            ShapedType::isDynamic(size)
                ? memref::DimOp::create(b, copy.getSource(), d).getResult()
                : arith::ConstantIndexOp::create(b, size).getResult();
        auto loop = scf::ForOp::create(b, zero, end, one);
        indices.push_back(loop.getInductionVar());
        b.setInsertionPointToStart(loop.getBody());
      }
      Value element = memref::LoadOp::create(b, copy.getSource(), indices);
      memref::StoreOp::create(b, element, copy.getTarget(), indices);
      copy.erase();
    });
  }
};
} // namespace
