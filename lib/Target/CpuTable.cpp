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

static constexpr uint64_t kV4Features = kV3Features | MOE_X86_AVX512;

/// Register tiles leave hardly a register free. Scheduling for an in-order core
/// (LLVM's generic one), and for some others, moves loads so early that sums
/// are spilled in the innermost loops; for this one it does not.
static constexpr llvm::StringLiteral kArm = "neoverse-v2";

/// A pair of 128-bit loads is three micro-operations on Neoverse V2, one more
/// than two loads. A step over k of products of two rows by two columns has
/// many loads for its few products, which then wait for the decoder.
static constexpr llvm::StringLiteral kSingleLoads = "+slow-paired-128";

// clang-format off
static const CpuLevel kLevels[] = {
  // name              arch             LLVM's name, features                         schedule tuning      regs lanes fma    a cycle lane   lookup bf16   int8   amx    mmla   features
  {"x86-64",          Triple::x86_64,  "x86-64",    "",                                "",      "",           16,  4,    false, 2,      false, false, false, false, false, false, 0},
  {"x86-64-v3",       Triple::x86_64,  "x86-64-v3", "",                                "",      "",           16,  8,    true,  2,      false, false, false, false, false, false, kV3Features},
  {"x86-64-v3+vnni",  Triple::x86_64,  "x86-64-v3", "+avxvnni",                        "",      "",           16,  8,    true,  2,      false, false, false, true,  false, false, kV3Features | MOE_X86_AVXVNNI},
  {"x86-64-v4",       Triple::x86_64,  "x86-64-v4", "",                                "",      "",           32,  16,   true,  2,      false, true,  false, false, false, false, kV4Features},
  {"x86-64-v4+vnni",  Triple::x86_64,  "x86-64-v4", "+avx512vnni",                     "",      "",           32,  16,   true,  2,      false, true,  false, true,  false, false, kV4Features | MOE_X86_AVX512VNNI},
  {"x86-64-v4+bf16",  Triple::x86_64,  "x86-64-v4", "+avx512vnni,+avx512bf16",         "",      "",           32,  16,   true,  2,      false, true,  true,  true,  false, false, kV4Features | MOE_X86_AVX512VNNI | MOE_X86_AVX512BF16},
  {"x86-64-v4+amx",   Triple::x86_64,  "x86-64-v4", "+avx512vnni,+avx512bf16,+amx-tile,+amx-bf16,+amx-int8", "", "", 32, 16, true, 2, false, true, true, true, true, false, kV4Features | MOE_X86_AVX512VNNI | MOE_X86_AVX512BF16 | MOE_X86_AMX},
  {"armv8-a",         Triple::aarch64, "generic",   "+neon",                           kArm,    "",           32,  4,    true,  4,      true,  false, false, false, false, false, 0},
  {"armv8-a+dotprod", Triple::aarch64, "generic",   "+neon,+dotprod",                  kArm,    "",           32,  4,    true,  4,      true,  false, false, true,  false, false, MOE_ARM_DOTPROD},
  {"armv8.6-a",       Triple::aarch64, "generic",   "+neon,+dotprod,+bf16,+i8mm",      kArm,    kSingleLoads, 32,  4,    true,  4,      true,  false, true,  true,  false, true,  MOE_ARM_DOTPROD | MOE_ARM_BF16 | MOE_ARM_I8MM},
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
  if (!level.llvmFeatures.empty() &&
      !subtarget.checkFeatures(level.llvmFeatures.str()))
    return false;
  if (level.arch != Triple::x86_64)
    return true;
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

/// Whether `level` has something for these precisions that the levels before it
/// have not.
static bool serves(const CpuLevel &level, const PrecisionSet &precisions) {
  for (const CpuLevel *before = &level; before != kLevels;) {
    --before;
    if (before->arch != level.arch)
      break;
    if (before->lanes == level.lanes && before->fma == level.fma &&
        (!precisions.bf16 || before->dotBf16 == level.dotBf16) &&
        (!precisions.int8 || before->dotInt8 == level.dotInt8) &&
        (!(precisions.bf16 || precisions.int8) ||
         (before->amx == level.amx && before->mmla == level.mmla)))
      return false;
  }
  return true;
}

static CpuTarget asTarget(const CpuLevel &level, StringRef cpu) {
  StringRef tune = level.schedule;
  return {&level, (tune.empty() ? cpu : tune).str()};
}

std::optional<CpuTarget> mlir::moe::resolveCpu(const Triple &triple,
                                               StringRef name,
                                               PrecisionSet precisions) {
  const CpuLevel *level = findCpuLevel(name);
  if (level && level->arch == triple.getArch())
    return asTarget(*level, level->llvmCpu);
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
  // This machine may keep from its programs what its CPU's name promises.
  uint64_t lacking = 0;
  if (name == "native")
    lacking = ~moe_cpu_features(MOE_X86_AMX);
  const CpuLevel *best = nullptr;
  for (const CpuLevel &level : kLevels)
    if (level.arch == triple.getArch() && serves(level, precisions) &&
        covers(*subtarget, level) && !(level.features & lacking))
      best = &level;
  if (!best)
    return std::nullopt;
  return asTarget(*best, cpu);
}

llvm::Expected<llvm::SmallVector<CpuTarget>>
mlir::moe::selectCpus(const Triple &triple, llvm::ArrayRef<std::string> names,
                      PrecisionSet precisions) {
  llvm::SmallVector<CpuTarget> cpus;
  if (names.empty())
    for (const CpuLevel &level : kLevels)
      if (level.arch == triple.getArch() && serves(level, precisions))
        cpus.push_back(asTarget(level, level.llvmCpu));
  for (const std::string &name : names) {
    std::optional<CpuTarget> cpu = resolveCpu(triple, name, precisions);
    if (!cpu)
      return llvm::createStringError("unknown CPU '%s' for %s", name.c_str(),
                                     triple.str().c_str());
    if (llvm::none_of(cpus, [&](const CpuTarget &other) {
          return other.level == cpu->level;
        }))
      cpus.push_back(*cpu);
  }
  llvm::sort(cpus, [](const CpuTarget &a, const CpuTarget &b) {
    return a.level > b.level;
  });
  return cpus;
}
