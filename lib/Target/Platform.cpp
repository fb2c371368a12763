//===- Platform.cpp - The systems that files are made for -----------------===//

#include "moe/Target/Platform.h"

#include "llvm/Support/VersionTuple.h"

using namespace mlir::moe;
using llvm::StringRef;
using llvm::Triple;

static bool isKnownLinux(const Triple &triple) {
  if (!triple.isOSLinux() || !triple.isOSBinFormatELF())
    return false;
  switch (triple.getEnvironment()) {
  case Triple::UnknownEnvironment:
  case Triple::GNU:
  case Triple::Musl:
  case Triple::Android:
    return triple.getArch() == Triple::x86_64 ||
           triple.getArch() == Triple::aarch64;
  default:
    return false;
  }
}

static bool isKnownApple(const Triple &triple) {
  if (triple.getVendor() != Triple::Apple || !triple.isOSBinFormatMachO() ||
      triple.getArch() != Triple::aarch64 || triple.isArm64e())
    return false;
  if (triple.isMacOSX())
    return triple.getEnvironment() == Triple::UnknownEnvironment;
  return triple.getOS() == Triple::IOS &&
         (triple.getEnvironment() == Triple::UnknownEnvironment ||
          triple.isSimulatorEnvironment());
}

/// Names the system by the version that users know it by, not by Darwin's.
static void setVersion(Triple &triple) {
  constexpr unsigned oldestMacOS = 11, oldestIOS = 13;
  llvm::VersionTuple version = triple.getOSVersion();
  bool isMacOS = triple.isMacOSX();
  if (version.empty())
    version = llvm::VersionTuple(isMacOS ? oldestMacOS : oldestIOS);
  else if (isMacOS)
    triple.getMacOSXVersion(version);
  version = std::max(version, triple.getMinimumSupportedOSVersion());
  triple.setOSName((isMacOS ? "macosx" : "ios") + version.getAsString());
}

llvm::Expected<Triple> mlir::moe::parseTarget(StringRef name) {
  Triple triple(Triple::normalize(name));
  if (isKnownApple(triple))
    setVersion(triple);
  else if (!isKnownLinux(triple))
    return llvm::createStringError(
        "target '" + triple.str() +
        "' is not supported, expected x86_64-linux-gnu, aarch64-linux-gnu, "
        "aarch64-linux-android, arm64-apple-macosx or arm64-apple-ios");
  return triple;
}

bool mlir::moe::canLink(const Triple &triple) { return !triple.isOSDarwin(); }

std::string mlir::moe::runtimeFolder(const Triple &triple) {
  if (triple.isOSDarwin())
    return "arm64-apple";
  return (Triple::getArchTypeName(triple.getArch()) + "-linux-gnu").str();
}
