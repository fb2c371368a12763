//===- PageFiles.h - The page's own files -----------------------*- C++ -*-===//
//
// The files beside this one that CMake makes strings of (cmake/MoEEmbed.cmake).
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_REPORT_PAGEFILES_H
#define MOE_LIB_REPORT_PAGEFILES_H

#include "llvm/ADT/StringRef.h"

namespace mlir::moe {

extern const llvm::StringLiteral page_html;
extern const llvm::StringLiteral page_css;
extern const llvm::StringLiteral page_js;
extern const llvm::StringLiteral drawing_js;
extern const llvm::StringLiteral charts_js;

} // namespace mlir::moe

#endif // MOE_LIB_REPORT_PAGEFILES_H
