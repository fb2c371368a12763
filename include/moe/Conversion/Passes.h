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

/// Of the module, set by moe-list-parts, which describes it.
inline constexpr StringLiteral kPartsAttr = "moe.parts";

/// Of a function of moe-add-peak-loops: multiply-adds of a round.
inline constexpr StringLiteral kMultiplyAddsAttr = "moe.multiply_adds";

/// Of the run function, set by moe-plan-workspace if the module has kPartsAttr:
/// a dictionary of `steps`, the names of the parts in the order in which they
/// run, and `buffers`, each with `name` of the part that makes it, `offset`,
/// `bytes`, and the `first` and `last` step in which it is alive.
inline constexpr StringLiteral kWorkspaceAttr = "moe.workspace";

/// Of a loop, set by moe-vectorize: its iterations may run in any order and at
/// the same time.
inline constexpr StringLiteral kParallelAttr = "moe.parallel";

/// Of a kernel that is worth sharing among threads, set by moe-outline-kernels:
/// a function attribute of LLVM. The kernel's first two arguments are then the
/// bounds of its outermost loop, the attribute's value is the loop's step.
inline constexpr StringLiteral kParallelStepAttr = "moe-parallel-step";

// Functions without a body by which the run function in LLVM's dialect says
// where it is and what it needs; see moe/Runtime/Model.h for what becomes of
// them.

/// void (i64 part, i64 expert): a part of the model begins.
inline constexpr StringLiteral kMarkFunction = "moe_mark";
/// void (): here a run may stop and another one go on, in the same workspace.
inline constexpr StringLiteral kPauseFunction = "moe_pause";
/// ptr (i64 index): the weights of an expert that lies in a file.
inline constexpr StringLiteral kExpertFunction = "moe_expert";

/// Whose a weight section is that one expert alone reads.
struct ExpertSection {
  int64_t layer;  ///< index of the block; -1 if the name does not say it
  int64_t expert; ///< index of the expert within it; -1 likewise
};

/// The expert of the section called `name`, such as "blocks.11.expert.3"; none
/// if it is not one expert's.
inline std::optional<ExpertSection> expertOfSection(StringRef name) {
  auto [block, number] = name.split(".expert.");
  if (number.empty())
    return std::nullopt;
  ExpertSection section{-1, -1};
  block.rsplit('.').second.getAsInteger(10, section.layer);
  number.getAsInteger(10, section.expert);
  return section;
}

/// Whether a weight section is one expert's alone.
inline bool isExpertSection(StringRef name) {
  return expertOfSection(name).has_value();
}

/// The symbol of a weight section: `MODEL_w_SECTION`, with other characters
/// than those of C identifiers replaced by `_`.
std::string weightSymbol(ModuleOp module, StringRef section);

#define GEN_PASS_DECL
#include "moe/Conversion/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "moe/Conversion/Passes.h.inc"

} // namespace mlir::moe

#endif // MOE_CONVERSION_PASSES_H
