//===- ReportJson.h - The figures as the page reads them --------*- C++ -*-===//

#ifndef MOE_LIB_REPORT_REPORTJSON_H
#define MOE_LIB_REPORT_REPORTJSON_H

#include "moe/Report/ReportData.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::moe {

/// Writes `data` as JSON that may stand inside of a <script> element: without
/// any '<'.
void writeReportJson(const ReportData &data, llvm::raw_ostream &os);

} // namespace mlir::moe

#endif // MOE_LIB_REPORT_REPORTJSON_H
