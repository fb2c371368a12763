//===- CpuFeatures.h - What the CPU can do, as bits --------------*- C -*-===//
//
// Shared by the runtime, the compiler's target table and the dispatcher that is
// linked into every object: the table names the bits that a variant needs, the
// dispatcher picks the first variant whose bits are all there. Plain C99,
// freestanding.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RUNTIME_CPUFEATURES_H
#define MOE_RUNTIME_CPUFEATURES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bit 63 is always set in a probe's answer, so that 0 means "not probed yet".
#define MOE_CPU_PROBED (UINT64_C(1) << 63)

/// x86-64. A bit is set only if the operating system saves the registers too.
enum {
  MOE_X86_AVX = 1 << 0,
  MOE_X86_AVX2 = 1 << 1,
  MOE_X86_FMA = 1 << 2,
  MOE_X86_BMI2 =
      1 << 3, ///< BMI1, BMI2, LZCNT, MOVBE, F16C: the rest of x86-64-v3
  MOE_X86_AVX512 = 1 << 4, ///< F, BW, CD, DQ and VL: x86-64-v4
  MOE_X86_AVXVNNI = 1 << 5,
  MOE_X86_AVX512VNNI = 1 << 6,
  MOE_X86_AVX512BF16 = 1 << 7,
  /// AMX-TILE, -BF16 and -INT8, and the kernel lets this process use them.
  MOE_X86_AMX = 1 << 8
};

/// AArch64. NEON is always there.
enum {
  MOE_ARM_DOTPROD = 1 << 0, ///< SDOT, UDOT
  MOE_ARM_BF16 = 1 << 1,    ///< BFDOT, BFMMLA
  MOE_ARM_I8MM = 1 << 2     ///< SMMLA
};

/// Probes the CPU: bits of the enumeration above. Only if AMX is `wanted`, and
/// the CPU has it, Linux is asked for the permission to use it: that is for all
/// threads of the process, for good, and makes their signal frames larger.
uint64_t moe_cpu_features(uint64_t wanted);

#ifdef __cplusplus
}
#endif

#endif // MOE_RUNTIME_CPUFEATURES_H
