//===- CpuFeatures.c - Probing the CPU ----------------------------*- C -*-===//
//
// Compiled twice: into the runtime, and to bitcode that the compiler links into
// every object. No globals; of the C library, nothing but getauxval on AArch64,
// and sysctlbyname on Apple's.
//
//===----------------------------------------------------------------------===//

#include "moe/Runtime/CpuFeatures.h"

#include <stddef.h>

#if defined(__x86_64__)

#include <cpuid.h>

// The same bit positions as in Intel's manual, volume 2, CPUID. Written out
// because the names differ between the headers of GCC and Clang.
enum {
  LEAF1_ECX_FMA = 1u << 12,
  LEAF1_ECX_V2 = 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 |
                 1u << 23, // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT
  LEAF1_ECX_MOVBE = 1u << 22,
  LEAF1_ECX_OSXSAVE = 1u << 27,
  LEAF1_ECX_AVX = 1u << 28,
  LEAF1_ECX_F16C = 1u << 29,
  LEAF7_EBX_BMI = 1u << 3 | 1u << 8, // BMI1, BMI2
  LEAF7_EBX_AVX2 = 1u << 5,
  LEAF7_ECX_AVX512VNNI = 1u << 11,
  LEAF7_1_EAX_AVXVNNI = 1u << 4,
  LEAF7_1_EAX_AVX512BF16 = 1u << 5,
  LEAF7_EBX_AVX512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30, // F DQ CD BW
  EXT1_ECX_LAHF_LZCNT = 1u << 0 | 1u << 5,
  LEAF7_EDX_AMX = 1u << 22 | 1u << 24 | 1u << 25, // BF16, TILE, INT8
  XCR0_AMX = 0x60000,                             // tile configuration and data
  XCR0_YMM = 0x06,                                // SSE and AVX state
  XCR0_ZMM = 0xe6 // and opmask, upper halves of ZMM0-15, ZMM16-31
};
static const uint32_t Leaf7EbxAvx512VL = UINT32_C(1) << 31;

static int hasAll(uint32_t Register, uint32_t Bits) {
  return (Register & Bits) == Bits;
}

static uint32_t readXcr0(void) {
  uint32_t Low, High;
  __asm__ volatile("xgetbv" : "=a"(Low), "=d"(High) : "c"(0));
  (void)High;
  return Low;
}

/// Asks the kernel for the tile data's place in this process's states.
static int isAmxPermitted(void) {
#ifdef __linux__
  // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA): without the C library,
  // which an object for others' programs must not need.
  enum { SYS_ARCH_PRCTL = 158, REQUEST = 0x1023, TILE_DATA = 18 };
  long Result = SYS_ARCH_PRCTL;
  __asm__ volatile("syscall"
                   : "+a"(Result)
                   : "D"((long)REQUEST), "S"((long)TILE_DATA)
                   : "rcx", "r11", "memory");
  return Result == 0;
#else
  return 0;
#endif
}

uint64_t moe_cpu_features(uint64_t Wanted) {
  uint64_t Features = MOE_CPU_PROBED;
  uint32_t Eax, Ebx, Ecx1, Ecx, Edx;
  if (!__get_cpuid(1, &Eax, &Ebx, &Ecx1, &Edx))
    return Features;
  // xgetbv itself is an illegal instruction without OSXSAVE.
  if (!hasAll(Ecx1, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX))
    return Features;
  uint32_t Xcr0 = readXcr0();
  if (!hasAll(Xcr0, XCR0_YMM))
    return Features;
  Features |= MOE_X86_AVX;
  if (hasAll(Ecx1, LEAF1_ECX_FMA))
    Features |= MOE_X86_FMA;

  uint32_t Subleaves, Ebx7, Ecx7, Edx7, Eax71 = 0;
  if (!__get_cpuid_count(7, 0, &Subleaves, &Ebx7, &Ecx7, &Edx7))
    return Features;
  if (Subleaves >= 1)
    __get_cpuid_count(7, 1, &Eax71, &Ebx, &Ecx, &Edx);
  if (hasAll(Ebx7, LEAF7_EBX_AVX2))
    Features |= MOE_X86_AVX2;
  if (hasAll(Xcr0, XCR0_ZMM) && hasAll(Ebx7, LEAF7_EBX_AVX512) &&
      hasAll(Ebx7, Leaf7EbxAvx512VL)) {
    Features |= MOE_X86_AVX512;
    if (hasAll(Ecx7, LEAF7_ECX_AVX512VNNI))
      Features |= MOE_X86_AVX512VNNI;
    if (hasAll(Eax71, LEAF7_1_EAX_AVX512BF16))
      Features |= MOE_X86_AVX512BF16;
  }
  if ((Wanted & MOE_X86_AMX) && hasAll(Edx7, LEAF7_EDX_AMX) &&
      hasAll(Xcr0, XCR0_AMX) && isAmxPermitted())
    Features |= MOE_X86_AMX;
  if (hasAll(Eax71, LEAF7_1_EAX_AVXVNNI))
    Features |= MOE_X86_AVXVNNI;
  if (__get_cpuid(0x80000001u, &Eax, &Ebx, &Ecx, &Edx) &&
      hasAll(Ecx, EXT1_ECX_LAHF_LZCNT) && hasAll(Ebx7, LEAF7_EBX_BMI) &&
      hasAll(Ecx1, LEAF1_ECX_V2 | LEAF1_ECX_MOVBE | LEAF1_ECX_F16C))
    Features |= MOE_X86_BMI2;
  return Features;
}

#elif defined(__aarch64__) && defined(__APPLE__)

// As <sys/sysctl.h> has it; the bitcode is made without Apple's SDK.
int sysctlbyname(const char *Name, void *Old, size_t *OldSize, void *New,
                 size_t NewSize);

/// Systems before macOS 12 and iOS 15 know none of the names.
static int has(const char *Name) {
  int Value = 0;
  size_t Size = sizeof(Value);
  return sysctlbyname(Name, &Value, &Size, NULL, 0) == 0 && Value != 0;
}

uint64_t moe_cpu_features(uint64_t Wanted) {
  (void)Wanted;
  uint64_t Features = MOE_CPU_PROBED;
  if (has("hw.optional.arm.FEAT_DotProd"))
    Features |= MOE_ARM_DOTPROD;
  if (has("hw.optional.arm.FEAT_BF16"))
    Features |= MOE_ARM_BF16;
  if (has("hw.optional.arm.FEAT_I8MM"))
    Features |= MOE_ARM_I8MM;
  return Features;
}

#elif defined(__aarch64__)

// As <sys/auxv.h> has it; the bitcode is made without the C library's headers.
unsigned long getauxval(unsigned long Type);

// As in Linux's linux/auxvec.h and asm/hwcap.h.
enum {
  AUX_HWCAP = 16,
  AUX_HWCAP2 = 26,
  HWCAP_BIT_ASIMDDP = 1u << 20,
  HWCAP2_BIT_I8MM = 1u << 13,
  HWCAP2_BIT_BF16 = 1u << 14
};

uint64_t moe_cpu_features(uint64_t Wanted) {
  (void)Wanted;
  uint64_t Features = MOE_CPU_PROBED;
  if (getauxval(AUX_HWCAP) & HWCAP_BIT_ASIMDDP)
    Features |= MOE_ARM_DOTPROD;
  if (getauxval(AUX_HWCAP2) & HWCAP2_BIT_BF16)
    Features |= MOE_ARM_BF16;
  if (getauxval(AUX_HWCAP2) & HWCAP2_BIT_I8MM)
    Features |= MOE_ARM_I8MM;
  return Features;
}

#else

uint64_t moe_cpu_features(uint64_t Wanted) {
  (void)Wanted;
  return MOE_CPU_PROBED;
}

#endif
