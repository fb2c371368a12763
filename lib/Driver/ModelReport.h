//===- ModelReport.h - What --report tells of a compilation -----*- C++ -*-===//

#ifndef MOE_LIB_DRIVER_MODELREPORT_H
#define MOE_LIB_DRIVER_MODELREPORT_H

#include "moe/Report/Report.h"
#include "moe/Target/ModelInfo.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"

namespace mlir::moe {

/// What is known of the model before code is generated for it.
ReportData beginReport(const ModelSpec &spec, const CompiledModel &compiled,
                       const llvm::Triple &triple);

/// Adds the profiles in the files `paths`.
LogicalResult addProfiles(ReportData &data, ArrayRef<std::string> paths,
                          InputErrorSink sink);

/// Adds what moe-plan-workspace says of `run`.
void addWorkspace(ReportData &data, func::FuncOp run);

/// Adds how much code each variant has in the ELF object `object`, and how much
/// else there is. Nothing for other formats.
llvm::Error addCode(ReportData &data, const CompiledModel &compiled,
                    StringRef object);

} // namespace mlir::moe

#endif // MOE_LIB_DRIVER_MODELREPORT_H
