//===- Platform.cpp - The systems that files are made for -----------------===//

#include "moe/Target/Platform.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/VersionTuple.h"

using namespace mlir::moe;
using llvm::StringRef;
using llvm::Triple;

static constexpr llvm::StringLiteral kTargets[] = {
    "x86_64-linux-gnu", "aarch64-linux-gnu", "aarch64-linux-android",
    "arm64-apple-macosx", "arm64-apple-ios"};

llvm::ArrayRef<llvm::StringLiteral> mlir::moe::knownTargets() {
  return kTargets;
}

/// Whether code for plain AArch64 is none for this kind of it.
static bool hasOwnABI(const Triple &triple) {
  switch (triple.getSubArch()) {
  case Triple::AArch64SubArch_arm64e:
  case Triple::AArch64SubArch_arm64ec:
  case Triple::AArch64SubArch_lfi:
    return true;
  default:
    return false;
  }
}

static bool isKnownLinux(const Triple &triple) {
  if (!triple.isOSLinux() || !triple.isOSBinFormatELF() || hasOwnABI(triple))
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

/// Mach-O has 16 bits for the first number of a version, 8 for the others.
static bool fitsMachO(const llvm::VersionTuple &version) {
  return version.getMajor() <= UINT16_MAX &&
         version.getMinor().value_or(0) <= UINT8_MAX &&
         version.getSubminor().value_or(0) <= UINT8_MAX;
}

static bool isKnownApple(const Triple &triple) {
  if (triple.getVendor() != Triple::Apple || !triple.isOSBinFormatMachO() ||
      triple.getArch() != Triple::aarch64 || hasOwnABI(triple) ||
      !fitsMachO(triple.getOSVersion()))
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
        "target '" + triple.str() + "' is not supported, expected " +
        llvm::join(knownTargets().drop_back(), ", ") + " or " +
        knownTargets().back());
  return triple;
}

bool mlir::moe::canLink(const Triple &triple) { return !triple.isOSDarwin(); }

std::string mlir::moe::runtimeFolder(const Triple &triple) {
  if (triple.isOSDarwin())
    return "arm64-apple";
  return (Triple::getArchTypeName(triple.getArch()) + "-linux-gnu").str();
}
