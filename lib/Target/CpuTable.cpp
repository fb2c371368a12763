//===- CpuTable.cpp - What a CPU can do -----------------------------------===//

#include "moe/Target/CpuTable.h"

#include "moe/Runtime/CpuFeatures.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir::moe;
using llvm::StringRef;
using llvm::Triple;

static constexpr uint64_t kV3Features =
    MOE_X86_AVX | MOE_X86_AVX2 | MOE_X86_FMA | MOE_X86_BMI2;

// clang-format off
static const CpuLevel kLevels[] = {
  // name        arch             LLVM's name, features    regs lanes fma    lookup features
  {"x86-64",    Triple::x86_64,  "x86-64",    "",         16,  4,    false, false, 0},
  {"x86-64-v3", Triple::x86_64,  "x86-64-v3", "",         16,  8,    true,  false, kV3Features},
  {"x86-64-v4", Triple::x86_64,  "x86-64-v4", "",         32,  16,   true,  true,  kV3Features | MOE_X86_AVX512},
  {"armv8-a",   Triple::aarch64, "generic",   "+neon",    32,  4,    true,  false, 0},
};
// clang-format on

llvm::ArrayRef<CpuLevel> mlir::moe::cpuLevels() { return kLevels; }

const CpuLevel *mlir::moe::findCpuLevel(StringRef name) {
  const CpuLevel *it = llvm::find_if(
      kLevels, [&](const CpuLevel &level) { return level.name == name; });
  return it == std::end(kLevels) ? nullptr : it;
}

/// Whether the subtarget has all instructions of the level. Tuning hints are
/// features too in LLVM, hence the list of what counts.
static bool covers(const llvm::MCSubtargetInfo &subtarget,
                   const CpuLevel &level) {
  if (level.arch == Triple::aarch64)
    return subtarget.checkFeatures(level.llvmFeatures.str());
  static constexpr std::pair<uint64_t, StringRef> kNeeded[] = {
      {MOE_X86_AVX, "+avx"},
      {MOE_X86_AVX2, "+avx2"},
      {MOE_X86_FMA, "+fma"},
      {MOE_X86_BMI2, "+bmi,+bmi2,+lzcnt,+movbe,+f16c"},
      {MOE_X86_AVX512, "+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"}};
  return llvm::all_of(kNeeded, [&](const auto &need) {
    return !(level.features & need.first) ||
           subtarget.checkFeatures(need.second.str());
  });
}

std::optional<CpuTarget> mlir::moe::resolveCpu(const Triple &triple,
                                               StringRef name) {
  const CpuLevel *level = findCpuLevel(name);
  if (level && level->arch == triple.getArch())
    return CpuTarget{level, level->llvmCpu.str()};
  std::string cpu = name.str();
  if (name == "native") {
    if (Triple(llvm::sys::getProcessTriple()).getArch() != triple.getArch())
      return std::nullopt;
    cpu = llvm::sys::getHostCPUName().str();
  }
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return std::nullopt;
  std::unique_ptr<llvm::MCSubtargetInfo> known(
      target->createMCSubtargetInfo(triple, "", ""));
  if (!known || !known->isCPUStringValid(cpu))
    return std::nullopt;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      target->createMCSubtargetInfo(triple, cpu, ""));
  const CpuLevel *best = nullptr;
  for (const CpuLevel &level : kLevels)
    if (level.arch == triple.getArch() && covers(*subtarget, level))
      best = &level;
  if (!best)
    return std::nullopt;
  return CpuTarget{best, cpu};
}

llvm::SmallVector<CpuTarget> mlir::moe::defaultCpus(const Triple &triple) {
  llvm::SmallVector<CpuTarget> cpus;
  for (const CpuLevel &level : llvm::reverse(kLevels))
    if (level.arch == triple.getArch())
      cpus.push_back({&level, level.llvmCpu.str()});
  return cpus;
}
