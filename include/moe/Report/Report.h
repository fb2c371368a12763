//===- Report.h - A page that explains a compiled model ---------*- C++ -*-===//
//
// One self-contained HTML page: the model drawn, where its parameters,
// multiply-adds, bytes and code go and, of a profile, the milliseconds and the
// use of the experts (docs/report.md).
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REPORT_REPORT_H
#define MOE_REPORT_REPORT_H

#include "moe/Import/InputError.h"
#include "moe/Report/ReportData.h"

namespace mlir::moe {

/// The page, in UTF-8. The same data make the same page. Names that are no
/// UTF-8 have U+FFFD for what is wrong in them; whatever is in them shows as
/// text.
std::string makeReport(const ReportData &data);

/// Sums the trace `json`, a file that the model's executable has written with
/// --profile, into `data.profile`. `path` names it in errors. The trace must be
/// of this model in this precision, with no other parts and experts than it
/// has, of one image at least, and of the same variant and number of threads as
/// what is there already; the first thing that is wrong is reported to `sink`,
/// and `data` is as it was.
LogicalResult addProfile(ReportData &data, StringRef path, StringRef json,
                         InputErrorSink sink);

} // namespace mlir::moe

#endif // MOE_REPORT_REPORT_H
