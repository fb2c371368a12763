//===- InputFile.cpp - Opening the user's files ---------------------------===//

#include "InputFile.h"

#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace mlir::moe;

void moe::reportError(InputErrorSink sink, StringRef file, StringRef where,
                      const llvm::Twine &message) {
  sink({InputError::Severity::Error, file.str(), where.str(), message.str()});
}

std::unique_ptr<llvm::MemoryBuffer>
moe::openInputFile(StringRef path, uint64_t maxBytes, InputErrorSink sink) {
  auto fail = [&](const llvm::Twine &message) {
    reportError(sink, path, "file", message);
    return nullptr;
  };
  // The system would take such a path for the part before the NUL.
  if (path.contains('\0'))
    return fail("the path holds a NUL character");

  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return fail("cannot open: " + error.message());
  // A device or a pipe may have no end.
  if (!llvm::sys::fs::is_regular_file(status))
    return fail("expected a regular file, found " +
                llvm::Twine(llvm::sys::fs::is_directory(status)
                                ? "a folder"
                                : "a device, pipe or socket"));
  if (status.getSize() > maxBytes)
    return fail("expected at most " + llvm::Twine(maxBytes) + " bytes, found " +
                llvm::Twine(status.getSize()));

  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot read: " + buffer.getError().message());
  return std::move(*buffer);
}
