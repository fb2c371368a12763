//===- OutputFile.h - Files that are whole or not there ---------*- C++ -*-===//

#ifndef MOE_LIB_DRIVER_OUTPUTFILE_H
#define MOE_LIB_DRIVER_OUTPUTFILE_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

#include <optional>
#include <string>

namespace mlir::moe {

/// Permissions of a file that is no program.
inline const unsigned kPlainFile =
    llvm::sys::fs::all_read | llvm::sys::fs::owner_write;

/// A file in the making: written under another name beside its place, moved
/// there when whole, removed otherwise.
class OutputFile {
public:
  OutputFile() = default;
  OutputFile(OutputFile &&) = default;
  ~OutputFile() { discard(); }

  llvm::Error open(StringRef path, unsigned mode);
  const std::string &path() const { return temporary->TmpName; }
  int descriptor() const { return temporary->FD; }
  llvm::Error keep();

private:
  void discard();

  std::string target;
  std::optional<llvm::sys::fs::TempFile> temporary;
};

/// A folder that is removed again, if it was made and is empty, unless it is
/// kept.
class OutputFolder {
public:
  OutputFolder() = default;
  OutputFolder(const OutputFolder &) = delete;
  OutputFolder &operator=(const OutputFolder &) = delete;
  ~OutputFolder();

  /// Makes the folder `path`, unless it is there.
  std::error_code create(StringRef path);
  void keep() { made.clear(); }

private:
  std::string made;
};

/// Writes what `os` holds back; a stream destroyed with an error in it would
/// abort.
llvm::Error finish(llvm::raw_fd_ostream &os);

} // namespace mlir::moe

#endif // MOE_LIB_DRIVER_OUTPUTFILE_H
