//===- Link.cpp - Executables and libraries -------------------------------===//

#include "moe/Target/Link.h"

#include "lld/Common/Driver.h"
#include "llvm/Object/ArchiveWriter.h"

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace mlir::moe;

/// Runs lld within this process.
static llvm::Error runLinker(ArrayRef<std::string> arguments) {
  SmallVector<const char *> argv{"ld.lld"};
  for (const std::string &argument : arguments)
    argv.push_back(argument.c_str());
  std::string text;
  llvm::raw_string_ostream os(text);
  const lld::DriverDef driver{lld::Gnu, &lld::elf::link};
  lld::Result result = lld::lldMain(argv, os, os, driver);
  if (result.retCode == 0)
    return llvm::Error::success();
  return llvm::createStringError("linking failed: " +
                                 StringRef(text).trim().split('\n').first);
}

llvm::Error mlir::moe::linkObject(ArrayRef<std::string> objects,
                                  StringRef out) {
  SmallVector<std::string> arguments{"-r", "-o", out.str()};
  llvm::append_range(arguments, objects);
  return runLinker(arguments);
}

llvm::Error mlir::moe::makeArchive(StringRef object, StringRef member,
                                   StringRef out) {
  llvm::Expected<llvm::NewArchiveMember> entry =
      llvm::NewArchiveMember::getFile(object, /*Deterministic=*/true);
  if (!entry)
    return entry.takeError();
  entry->MemberName = member;
  SmallVector<llvm::NewArchiveMember> members;
  members.push_back(std::move(*entry));
  return llvm::writeArchive(out, members, llvm::SymtabWritingMode::NormalSymtab,
                            llvm::object::Archive::K_GNU,
                            /*Deterministic=*/true, /*Thin=*/false);
}

llvm::Error mlir::moe::linkShared(ArrayRef<std::string> objects,
                                  StringRef soname, StringRef out) {
  SmallVector<std::string> arguments{
      "-shared",         "-o",         out.str(),
      "-soname",         soname.str(), "--gc-sections",
      "--build-id=none", "-Bsymbolic", "-z",
      "noexecstack"};
  llvm::append_range(arguments, objects);
  return runLinker(arguments);
}

llvm::Error mlir::moe::linkExecutable(ArrayRef<std::string> objects,
                                      StringRef runtime, StringRef out) {
  auto file = [&](StringRef name) { return (runtime + "/" + name).str(); };
  SmallVector<std::string> arguments{"-static",
                                     "-o",
                                     out.str(),
                                     "--gc-sections",
                                     "--build-id=none",
                                     "-s",
                                     "-z",
                                     "noexecstack",
                                     file("crt1.o"),
                                     file("crti.o"),
                                     file("crtbeginT.o")};
  llvm::append_range(arguments, objects);
  llvm::append_range(arguments,
                     ArrayRef<std::string>{
                         file("libmoe_runtime.a"), "--start-group",
                         file("libc.a"), file("libgcc.a"), file("libgcc_eh.a"),
                         "--end-group", file("crtend.o"), file("crtn.o")});
  return runLinker(arguments);
}
