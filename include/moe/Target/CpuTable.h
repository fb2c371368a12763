//===- CpuTable.h - What a CPU can do ---------------------------*- C++ -*-===//
//
// The one table that code generation asks about its target. A new CPU is a row.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_TARGET_CPUTABLE_H
#define MOE_TARGET_CPUTABLE_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/TargetParser/Triple.h"

#include <cstdint>
#include <optional>
#include <string>

namespace mlir::moe {

/// A row: a level of a CPU family that code is generated for.
struct CpuLevel {
  /// As in `--cpu` and the binary's list of variants: "x86-64-v3".
  llvm::StringLiteral name;
  llvm::Triple::ArchType arch;
  /// LLVM's CPU with these instructions, and what it needs beyond.
  llvm::StringLiteral llvmCpu, llvmFeatures;
  /// LLVM's CPU to schedule for, whichever of the level's was named; empty: the
  /// one that was.
  llvm::StringLiteral schedule;
  /// LLVM's features that are no instructions, but say which are fast.
  llvm::StringLiteral tuning;
  /// Vector registers, and f32 lanes in one vector.
  int64_t registers, lanes;
  /// Fused multiply-add; without it, it is a product and a sum.
  bool fma;
  /// How many of them the best of the CPUs begin in a cycle.
  int64_t fmaPerCycle;
  /// A form of it that takes one factor from a single lane of a vector.
  bool fmaByLane;
  /// An instruction that looks up each lane of a vector in a table of as many
  /// entries as a panel has lanes.
  bool lookup;
  /// Instructions that sum products of two bf16, or of four 8-bit integers, in
  /// each lane.
  bool dotBf16, dotInt8;
  /// Matrix registers for both (AMX).
  bool amx;
  /// Instructions that multiply two rows by two columns, of both (BFMMLA,
  /// SMMLA).
  bool mmla;
  /// Bits of moe/Runtime/CpuFeatures.h that it needs.
  uint64_t features;
};

/// All rows, for each architecture from the least to the most able.
llvm::ArrayRef<CpuLevel> cpuLevels();

/// The row of that name, or null.
const CpuLevel *findCpuLevel(llvm::StringRef name);

/// A CPU to generate code for: instructions of `level`, scheduled for `tune`.
struct CpuTarget {
  const CpuLevel *level;
  /// An LLVM CPU name: what the level schedules for, or what the user named.
  std::string tune;
};

/// The precisions below f32 that a model has products of.
struct PrecisionSet {
  bool bf16 = false, int8 = false;
};

/// The level called `name`, or the most able one whose instructions the LLVM
/// CPU `name` has on `triple` ("native" is this machine's), of those that are
/// any faster for the precisions. None if neither knows it, or if this machine
/// is of another architecture.
std::optional<CpuTarget> resolveCpu(const llvm::Triple &triple,
                                    llvm::StringRef name,
                                    PrecisionSet precisions);

/// The variants of a binary for the CPUs `names`, one for each level, the best
/// level first. Without names, it is for all CPUs: every level of the
/// architecture that has something for the precisions. An error is about the
/// first name that is not known.
llvm::Expected<llvm::SmallVector<CpuTarget>>
selectCpus(const llvm::Triple &triple, llvm::ArrayRef<std::string> names,
           PrecisionSet precisions);

} // namespace mlir::moe

#endif // MOE_TARGET_CPUTABLE_H
