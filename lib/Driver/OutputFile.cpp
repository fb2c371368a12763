//===- OutputFile.cpp - Files that are whole or not there -----------------===//

#include "OutputFile.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

llvm::Error OutputFile::open(StringRef path, unsigned mode) {
  target = path.str();
  // A device or a pipe would be replaced by a file; where a link leads is
  // replaced, not the link.
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(path, status) && exists(status) &&
      status.type() != llvm::sys::fs::file_type::regular_file)
    return llvm::createStringError("expected a regular file or none");
  SmallString<128> real;
  if (exists(status) && !llvm::sys::fs::real_path(path, real))
    target = std::string(real);
  auto file = llvm::sys::fs::TempFile::create(target + ".%%%%%%.tmp", mode);
  if (!file)
    return llvm::createFileError(path, file.takeError());
  temporary.emplace(std::move(*file));
  return llvm::Error::success();
}

llvm::Error OutputFile::keep() {
  llvm::sys::fs::TempFile file = std::move(*temporary);
  temporary.reset();
  return file.keep(target);
}

void OutputFile::discard() {
  if (temporary)
    llvm::consumeError(temporary->discard());
}

std::error_code OutputFolder::create(StringRef path) {
  std::error_code code = llvm::sys::fs::create_directory(
      path, /*IgnoreExisting=*/false, llvm::sys::fs::all_all);
  // What is not a folder was there before, and is none to remove.
  if (code == std::errc::file_exists)
    return llvm::sys::fs::is_directory(path)
               ? std::error_code()
               : std::make_error_code(std::errc::not_a_directory);
  if (!code)
    made = path.str();
  return code;
}

OutputFolder::~OutputFolder() {
  if (!made.empty())
    llvm::sys::fs::remove(made);
}

llvm::Error mlir::moe::finish(llvm::raw_fd_ostream &os) {
  os.flush();
  std::error_code code = os.error();
  os.clear_error();
  return llvm::errorCodeToError(code);
}
