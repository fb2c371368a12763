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
      auto from = cast<MemRefType>(copy.getSource().getType());
      auto to = cast<MemRefType>(copy.getTarget().getType());
      if (from.getLayout().isIdentity() && to.getLayout().isIdentity())
        return;
      ImplicitLocOpBuilder b(copy.getLoc(), copy);
      Value zero = arith::ConstantIndexOp::create(b, 0);
      Value one = arith::ConstantIndexOp::create(b, 1);
      SmallVector<Value> indices;
      for (int64_t size : from.getShape()) {
        Value end = arith::ConstantIndexOp::create(b, size);
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
