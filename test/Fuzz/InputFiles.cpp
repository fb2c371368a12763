//===- InputFiles.cpp - The user's files, in memory -----------------------===//
//
// In place of lib/Import/InputFile.cpp: whatever an input names, no file of
// this machine is opened.
//
//===----------------------------------------------------------------------===//

#include "InputFile.h"

#include "ImportFuzzing.h"

using namespace mlir;
using namespace mlir::moe;

llvm::StringMap<StringRef> &fuzz::filesInMemory() {
  static llvm::StringMap<StringRef> files;
  return files;
}

void moe::reportError(InputErrorSink sink, StringRef file, StringRef where,
                      const llvm::Twine &message) {
  sink({InputError::Severity::Error, file.str(), where.str(), message.str()});
}

std::unique_ptr<llvm::MemoryBuffer>
moe::openInputFile(StringRef path, uint64_t maxBytes, InputErrorSink sink) {
  const llvm::StringMap<StringRef> &files = fuzz::filesInMemory();
  auto it = files.find(llvm::sys::path::filename(path));
  if (it == files.end())
    it = files.find(fuzz::anyFile);
  if (it != files.end() && it->second.size() <= maxBytes)
    // No NUL behind it, as where a file is mapped whose size is that of a page.
    return llvm::MemoryBuffer::getMemBuffer(it->second, path,
                                            /*RequiresNullTerminator=*/false);
  reportError(sink, path, "file", "cannot open");
  return nullptr;
}
