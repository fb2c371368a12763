//===- Verify.h - Shared pieces of the verifiers ----------------*- C++ -*-===//

#ifndef MOE_LIB_DIALECT_VERIFY_H
#define MOE_LIB_DIALECT_VERIFY_H

#include "moe/Dialect/MoE.h"

namespace mlir::moe {

/// Fails unless `value`, called `what` in the message, has `shape`.
LogicalResult verifyShape(Operation *op, StringRef what, Value value,
                          ArrayRef<int64_t> shape);

/// Fails unless [first, first + count) are rows of `matrix`, which the message
/// calls `what`.
LogicalResult verifyRows(Operation *op, StringRef what, Value matrix,
                         int64_t first, int64_t count);

/// Fails unless there are no `norms` of queries and keys, or four of [size] and
/// an `eps` that is finite and not negative.
LogicalResult verifyHeadNorms(Operation *op, ValueRange norms,
                              std::optional<APFloat> eps, int64_t size);

/// Fails unless a router of `tokens` has weight and bias (may be null) for as
/// many experts as its results have rows: who was taken and the gates [E, C],
/// with 1 <= C <= tokens, the counts and mean gates [E].
LogicalResult verifyTokenChoice(Operation *op, Value tokens, Value weight,
                                Value bias, ValueRange results);

/// Fails unless every region of `op` takes `group` (and an index if one serves
/// all experts) and yields it.
LogicalResult verifyExpertRegions(RoutedOpInterface op, RankedTensorType group);

/// Multiply-adds of each region: which ones run is known at run time only.
SmallVector<int64_t> regionMultiplyAdds(RoutedOpInterface op);

/// Rows (tokens) and columns (width) of a matrix.
inline int64_t rows(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(0);
}
inline int64_t columns(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(1);
}

} // namespace mlir::moe

#endif // MOE_LIB_DIALECT_VERIFY_H
