//===- CountWork.cpp - Multiply-adds of a model ---------------------------===//

#include "moe/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::moe;

int64_t mlir::moe::countMultiplyAdds(Operation *function) {
  int64_t sum = 0;
  // An expert's layers are counted by the moe.experts around them.
  function->walk<WalkOrder::PreOrder>([&](LayerOpInterface layer) {
    sum += layer.getMultiplyAdds();
    return WalkResult::skip();
  });
  return sum;
}
