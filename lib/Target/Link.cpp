//===- Link.cpp - Executables and libraries -------------------------------===//

#include "moe/Target/Link.h"

#include "lld/Common/Driver.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/Errno.h"

#include <fcntl.h>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace mlir::moe;

/// Passes on all that comes through a pipe, in large pieces. Reads to the end
/// whatever becomes of `os`, so that the other side never fails.
static void drain(int pipe, llvm::raw_ostream &os) {
  constexpr size_t pieceSize = 8 << 20;
  std::vector<char> piece(pieceSize);
  size_t filled = 0;
  while (true) {
    ssize_t got = llvm::sys::RetryAfterSignal(
        -1, ::read, pipe, piece.data() + filled, pieceSize - filled);
    bool isEnd = got <= 0;
    filled += isEnd ? 0 : got;
    if (isEnd || filled == pieceSize) {
      os.write(piece.data(), filled);
      filled = 0;
    }
    if (isEnd)
      return;
  }
}

/// Runs lld within this process. lld would write a file through a mapping: a
/// full disk is then a signal, and the file lies in the page cache page by
/// page. Into a pipe it writes from memory. (Its own option for that means the
/// opposite in some versions, and ends the process when it cannot write.) What
/// is written in large pieces lies in the page cache in large pieces, and the
/// kernel maps those into a process at a fraction of the time.
static llvm::Error runLinker(ArrayRef<std::string> arguments,
                             llvm::raw_ostream &out) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return llvm::createStringError("linking failed: no pipe: " +
                                   llvm::sys::StrError());
  std::string path = "/proc/self/fd/" + std::to_string(ends[1]);
  SmallVector<const char *> argv{"ld.lld", "-o", path.c_str()};
  for (const std::string &argument : arguments)
    argv.push_back(argument.c_str());
  std::string text;
  llvm::raw_string_ostream os(text);
  const lld::DriverDef driver{lld::Gnu, &lld::elf::link};
  std::thread writer(drain, ends[0], std::ref(out));
  lld::Result result = lld::lldMain(argv, os, os, driver);
  ::close(ends[1]);
  writer.join();
  ::close(ends[0]);
  if (result.retCode == 0)
    return llvm::Error::success();
  return llvm::createStringError("linking failed: " +
                                 StringRef(text).trim().split('\n').first);
}

/// What the target's loader wants of a file. Android's takes no segments that
/// are aligned to less than its largest pages.
static SmallVector<std::string> loaderOptions(const llvm::Triple &triple) {
  SmallVector<std::string> options{"-z", "noexecstack"};
  if (triple.isAndroid())
    options.append({"-z", "max-page-size=16384"});
  return options;
}

llvm::Error mlir::moe::makeArchive(StringRef object, StringRef member,
                                   const llvm::Triple &triple,
                                   llvm::raw_ostream &out) {
  llvm::Expected<llvm::NewArchiveMember> entry =
      llvm::NewArchiveMember::getFile(object, /*Deterministic=*/true);
  if (!entry)
    return entry.takeError();
  entry->MemberName = member;
  SmallVector<llvm::NewArchiveMember> members;
  members.push_back(std::move(*entry));
  return llvm::writeArchiveToStream(
      out, members, llvm::SymtabWritingMode::NormalSymtab,
      triple.isOSDarwin() ? llvm::object::Archive::K_DARWIN
                          : llvm::object::Archive::K_GNU,
      /*Deterministic=*/true, /*Thin=*/false);
}

llvm::Error mlir::moe::linkShared(ArrayRef<std::string> inputs,
                                  StringRef soname, const llvm::Triple &triple,
                                  llvm::raw_ostream &out) {
  SmallVector<std::string> arguments{"-shared",    "-soname",
                                     soname.str(), "--gc-sections",
                                     "-Bsymbolic", "--build-id=none"};
  llvm::append_range(arguments, loaderOptions(triple));
  llvm::append_range(arguments, inputs);
  return runLinker(arguments, out);
}

llvm::Error mlir::moe::linkExecutable(StringRef object, StringRef runtime,
                                      const llvm::Triple &triple,
                                      llvm::raw_ostream &out) {
  auto file = [&](StringRef name) { return (runtime + "/" + name).str(); };
  SmallVector<std::string> arguments{"-static", "--gc-sections",
                                     "--build-id=none", "-s"};
  llvm::append_range(arguments, loaderOptions(triple));
  arguments.append({file("crt1.o"), file("crti.o"), file("crtbeginT.o"),
                    object.str(), file("libmoe_runtime.a"), "--start-group",
                    file("libc.a"), file("libgcc.a"), file("libgcc_eh.a"),
                    "--end-group", file("crtend.o"), file("crtn.o")});
  return runLinker(arguments, out);
}
