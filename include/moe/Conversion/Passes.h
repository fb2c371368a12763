//===- Passes.h - From moe to vectors and LLVM ------------------*- C++ -*-===//

#ifndef MOE_CONVERSION_PASSES_H
#define MOE_CONVERSION_PASSES_H

#include "moe/Dialect/MoE.h"

#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "mlir/Pass/Pass.h"

namespace mlir::moe {

/// Of the run function, set by moe-plan-workspace: byte offset of the routes.
inline constexpr StringLiteral kRoutesOffsetAttr = "moe.routes_offset";

/// Of a loop, set by moe-vectorize: its iterations may run in any order and at
/// the same time.
inline constexpr StringLiteral kParallelAttr = "moe.parallel";

/// Of a kernel that is worth sharing among threads, set by moe-outline-kernels:
/// a function attribute of LLVM. The kernel's first two arguments are then the
/// bounds of its outermost loop, the attribute's value is the loop's step.
inline constexpr StringLiteral kParallelStepAttr = "moe-parallel-step";

/// The symbol of a weight section: `MODEL_w_SECTION`, with other characters
/// than those of C identifiers replaced by `_`.
std::string weightSymbol(ModuleOp module, StringRef section);

#define GEN_PASS_DECL
#include "moe/Conversion/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "moe/Conversion/Passes.h.inc"

} // namespace mlir::moe

#endif // MOE_CONVERSION_PASSES_H
