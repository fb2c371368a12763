//===- Report.cpp - A page that explains a compiled model -----------------===//

#include "moe/Report/Report.h"

#include "PageFiles.h"
#include "ReportJson.h"

#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace mlir::moe;

/// `text` as HTML between tags.
static std::string escapeHtml(StringRef text) {
  std::string escaped;
  for (char c : llvm::json::fixUTF8(text)) {
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else
      escaped += c;
  }
  return escaped;
}

std::string mlir::moe::makeReport(const ReportData &data) {
  std::string page;
  llvm::raw_string_ostream os(page);
  // Only the template is searched for places, never what is put into them.
  StringRef rest = page_html;
  while (!rest.empty()) {
    auto [text, after] = rest.split("{{");
    os << text;
    auto [place, next] = after.split("}}");
    rest = next;
    if (place == "title")
      os << escapeHtml(data.spec.displayName);
    else if (place == "style")
      os << page_css;
    else if (place == "data")
      writeReportJson(data, os);
    else if (place == "script")
      os << charts_js << drawing_js << page_js;
  }
  return page;
}
