//===- ImportModel.h - From a specification to the moe dialect --*- C++ -*-===//

#ifndef MOE_IMPORT_IMPORTMODEL_H
#define MOE_IMPORT_IMPORTMODEL_H

#include "moe/Import/ModelSpec.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::moe {

/// Name of the function that runs one image.
inline constexpr StringLiteral kRunFunction = "run";

/// Attribute of the run function: the block index of each pair of
/// (experts, gates) among its results.
inline constexpr StringLiteral kRouteLayersAttr = "moe.route_layers";

/// Attribute of the run function: the pairs are (counts, mean gates) of all
/// experts, since each token has a route of its own.
inline constexpr StringLiteral kTokenRoutesAttr = "moe.token_routes";

/// Builds the model of `spec` in the moe dialect: a module with a `moe.param`
/// for each tensor of the model, and
///
///   func.func @run(%image: tensor<CxHxWxf32>) -> (tensor<1xCLASSESxf32>,
///       tensor<kxindex>, tensor<kxf32>, ... a pair per MoE block)
///
/// No weight is read. The loader of the moe, func and arith dialects is the
/// caller's. With routing by patch, the pairs are those of kTokenRoutesAttr.
OwningOpRef<ModuleOp> importModel(const ModelSpec &spec, MLIRContext *context);

} // namespace mlir::moe

#endif // MOE_IMPORT_IMPORTMODEL_H
