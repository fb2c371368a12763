// moe.dot as what each CPU has. Of bf16, two CPUs have it:
// RUN: rm -rf %t
// RUN: split-file %s %t
// RUN: moe-opt %t/bf16.mlir --moe-lower-dots=cpu=x86-64-v4+bf16 --canonicalize | FileCheck %s --check-prefix=BF16-X86
// RUN: moe-opt %t/bf16.mlir --moe-lower-dots=cpu=armv8.6-a --canonicalize | FileCheck %s --check-prefix=BF16-ARM
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=x86-64-v3 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v3
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=x86-64-v3+vnni 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v3+vnni
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=x86-64-v4 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v4
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=x86-64-v4+vnni 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v4+vnni
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=armv8-a 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=armv8-a
// RUN: not moe-opt %t/bf16.mlir --moe-lower-dots=cpu=armv8-a+dotprod 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=armv8-a+dotprod

// Unsigned by signed, as x86 has it; by pairs of 16 bits where it has not.
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64-v4+vnni --canonicalize | FileCheck %s --check-prefix=DOT512
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64-v4+bf16 --canonicalize | FileCheck %s --check-prefix=DOT512
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64-v3+vnni --canonicalize | FileCheck %s --check-prefix=DOT256
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64-v4 --canonicalize | FileCheck %s --check-prefixes=PAIRS,PAIRS512 -DODD=shrui
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64-v3 --canonicalize | FileCheck %s --check-prefix=PAIRS256 -DODD=shrui
// RUN: moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=x86-64 --canonicalize | FileCheck %s --check-prefix=PAIRS128 -DODD=shrui
// RUN: not moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=armv8-a 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=armv8-a
// RUN: not moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=armv8-a+dotprod 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=armv8-a+dotprod
// RUN: not moe-opt %t/unsigned.mlir --moe-lower-dots=cpu=armv8.6-a 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=armv8.6-a

// Signed by signed, as Arm has it. On x86 by pairs, whatever else there is.
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=armv8-a+dotprod --canonicalize | FileCheck %s --check-prefix=SDOT
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=armv8.6-a --canonicalize | FileCheck %s --check-prefix=SDOT
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=armv8-a --canonicalize | FileCheck %s --check-prefix=SMULL
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64-v4+vnni --canonicalize | FileCheck %s --check-prefixes=PAIRS,PAIRS512 -DODD=shrsi
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64-v4+bf16 --canonicalize | FileCheck %s --check-prefixes=PAIRS,PAIRS512 -DODD=shrsi
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64-v4 --canonicalize | FileCheck %s --check-prefixes=PAIRS,PAIRS512 -DODD=shrsi
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64-v3+vnni --canonicalize | FileCheck %s --check-prefix=PAIRS256 -DODD=shrsi
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64-v3 --canonicalize | FileCheck %s --check-prefix=PAIRS256 -DODD=shrsi
// RUN: moe-opt %t/signed.mlir --moe-lower-dots=cpu=x86-64 --canonicalize | FileCheck %s --check-prefix=PAIRS128 -DODD=shrsi

// As many lanes as a register has, or twice as many; not fewer, nor three times.
// RUN: moe-opt %t/twice.mlir --moe-lower-dots=cpu=x86-64-v4+vnni --canonicalize | FileCheck %s --check-prefix=TWICE
// RUN: not moe-opt %t/few.mlir --moe-lower-dots=cpu=x86-64-v4+vnni 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v4+vnni
// RUN: moe-opt %t/few.mlir --moe-lower-dots=cpu=x86-64-v3+vnni | FileCheck %s --check-prefix=FEW
// RUN: not moe-opt %t/thrice.mlir --moe-lower-dots=cpu=x86-64-v3+vnni 2>&1 | FileCheck %s --check-prefix=NONE -DCPU=x86-64-v3+vnni

// RUN: not moe-opt %t/few.mlir --moe-lower-dots=cpu=vax 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// NONE: error: 'moe.dot' op cannot be lowered for [[CPU]]{{$}}
// UNKNOWN: error: unknown CPU 'vax'

//--- bf16.mlir
// BF16-X86: func.func @bf16(%[[S:.*]]: vector<16xf32>, %[[A:.*]]: vector<32xbf16>, %[[B:.*]]: vector<32xbf16>)
// BF16-X86-NEXT: %[[R:.*]] = x86vector.avx512.dot %[[S]], %[[A]], %[[B]] : vector<32xbf16> -> vector<16xf32>
// BF16-X86-NEXT: return %[[R]]

// Four registers, which stay side by side.
// BF16-ARM: func.func @bf16(%[[S:.*]]: vector<16xf32>, %[[A:.*]]: vector<32xbf16>, %[[B:.*]]: vector<32xbf16>)
// BF16-ARM-DAG: %[[S0:.*]] = vector.shuffle %[[S]], %[[S]] [0, 1, 2, 3]
// BF16-ARM-DAG: %[[A0:.*]] = vector.shuffle %[[A]], %[[A]] [0, 1, 2, 3, 4, 5, 6, 7]
// BF16-ARM-DAG: %[[B0:.*]] = vector.shuffle %[[B]], %[[B]] [0, 1, 2, 3, 4, 5, 6, 7]
// BF16-ARM: %[[R0:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.bfdot"(%[[S0]], %[[A0]], %[[B0]]) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
// BF16-ARM: %[[R1:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.bfdot"
// BF16-ARM: %[[R2:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.bfdot"
// BF16-ARM-DAG: %[[S3:.*]] = vector.shuffle %[[S]], %[[S]] [12, 13, 14, 15]
// BF16-ARM-DAG: %[[A3:.*]] = vector.shuffle %[[A]], %[[A]] [24, 25, 26, 27, 28, 29, 30, 31]
// BF16-ARM-DAG: %[[B3:.*]] = vector.shuffle %[[B]], %[[B]] [24, 25, 26, 27, 28, 29, 30, 31]
// BF16-ARM: %[[R3:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.bfdot"(%[[S3]], %[[A3]], %[[B3]])
// BF16-ARM: %[[R01:.*]] = vector.shuffle %[[R0]], %[[R1]] [0, 1, 2, 3, 4, 5, 6, 7]
// BF16-ARM: %[[R23:.*]] = vector.shuffle %[[R2]], %[[R3]] [0, 1, 2, 3, 4, 5, 6, 7]
// BF16-ARM: %[[R:.*]] = vector.shuffle %[[R01]], %[[R23]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
// BF16-ARM-NEXT: return %[[R]]
func.func @bf16(%s: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> vector<16xf32> {
  %0 = moe.dot %s, %a, %b : vector<16xf32>, vector<32xbf16>
  return %0 : vector<16xf32>
}

//--- unsigned.mlir
// DOT512: func.func @unsigned(%[[S:.*]]: vector<16xi32>, %[[A:.*]]: vector<64xi8>, %[[B:.*]]: vector<64xi8>)
// DOT512-NEXT: %[[R:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[S]], %[[A]], %[[B]]) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
// DOT512-NEXT: return %[[R]]

// DOT256: func.func @unsigned(%[[S:.*]]: vector<16xi32>, %[[A:.*]]: vector<64xi8>, %[[B:.*]]: vector<64xi8>)
// DOT256: %[[R0:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%{{.*}}) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>
// DOT256-DAG: %[[S1:.*]] = vector.shuffle %[[S]], %[[S]] [8, 9, 10, 11, 12, 13, 14, 15]
// DOT256-DAG: %[[A1:.*]] = vector.shuffle %[[A]], %[[A]] [32, 33, {{.*}} 63]
// DOT256-DAG: %[[B1:.*]] = vector.shuffle %[[B]], %[[B]] [32, 33, {{.*}} 63]
// DOT256: %[[R1:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%[[S1]], %[[A1]], %[[B1]])
// DOT256: %[[R:.*]] = vector.shuffle %[[R0]], %[[R1]] [0, 1, {{.*}} 15]
// DOT256-NEXT: return %[[R]]

// Even numbers are moved up and down again; only the weights' sign is, unless both
// are signed.
// PAIRS: func.func @{{.*}}(%[[S:.*]]: vector<16xi32>, %[[A:.*]]: vector<64xi8>, %[[B:.*]]: vector<64xi8>)
// PAIRS-DAG: %[[EIGHT:.*]] = arith.constant dense<8> : vector<32xi16>
// PAIRS-DAG: %[[X:.*]] = vector.bitcast %[[A]] : vector<64xi8> to vector<32xi16>
// PAIRS-DAG: %[[W:.*]] = vector.bitcast %[[B]] : vector<64xi8> to vector<32xi16>
// PAIRS-DAG: %[[XU:.*]] = arith.shli %[[X]], %[[EIGHT]]
// PAIRS-DAG: %[[XE:.*]] = arith.[[ODD]] %[[XU]], %[[EIGHT]]
// PAIRS-DAG: %[[WU:.*]] = arith.shli %[[W]], %[[EIGHT]]
// PAIRS-DAG: %[[WE:.*]] = arith.shrsi %[[WU]], %[[EIGHT]]
// PAIRS: %[[P:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%[[XE]], %[[WE]]) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>
// PAIRS: %[[T:.*]] = arith.addi %[[S]], %[[P]]
// PAIRS-DAG: %[[XO:.*]] = arith.[[ODD]] %[[X]], %[[EIGHT]]
// PAIRS-DAG: %[[WO:.*]] = arith.shrsi %[[W]], %[[EIGHT]]
// PAIRS: %[[Q:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%[[XO]], %[[WO]])
// PAIRS: %[[R:.*]] = arith.addi %[[T]], %[[Q]]
// PAIRS-NEXT: return %[[R]]
// PAIRS512-NOT: vector.shuffle

// PAIRS256: arith.[[ODD]]
// PAIRS256-COUNT-4: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.*}}, %{{.*}}) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// PAIRS256-NOT: pmadd
// PAIRS256: return
// PAIRS128: arith.[[ODD]]
// PAIRS128-COUNT-8: llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%{{.*}}, %{{.*}}) : (vector<8xi16>, vector<8xi16>) -> vector<4xi32>
// PAIRS128-NOT: pmadd
// PAIRS128: return
func.func @unsigned(%s: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  %0 = moe.dot %s, %a, %b unsigned : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}

//--- signed.mlir
// SDOT: func.func @signed(%[[S:.*]]: vector<16xi32>, %[[A:.*]]: vector<64xi8>, %[[B:.*]]: vector<64xi8>)
// SDOT-DAG: %[[S0:.*]] = vector.shuffle %[[S]], %[[S]] [0, 1, 2, 3]
// SDOT-DAG: %[[A0:.*]] = vector.shuffle %[[A]], %[[A]] [0, 1, {{.*}} 15]
// SDOT-DAG: %[[B0:.*]] = vector.shuffle %[[B]], %[[B]] [0, 1, {{.*}} 15]
// SDOT: llvm.call_intrinsic "llvm.aarch64.neon.sdot"(%[[S0]], %[[A0]], %[[B0]]) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
// SDOT-COUNT-3: llvm.call_intrinsic "llvm.aarch64.neon.sdot"
// SDOT-NOT: neon
// SDOT: return

// Products of eight by eight, whose pairs fit in 16 bits.
// SMULL: func.func @signed(%[[S:.*]]: vector<16xi32>, %[[A:.*]]: vector<64xi8>, %[[B:.*]]: vector<64xi8>)
// SMULL-DAG: %[[S0:.*]] = vector.shuffle %[[S]], %[[S]] [0, 1, 2, 3]
// SMULL-DAG: %[[P0:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.smull"(%{{.*}}, %{{.*}}) : (vector<8xi8>, vector<8xi8>) -> vector<8xi16>
// SMULL: %[[P1:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.smull"
// SMULL: %[[P:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.addp"(%[[P0]], %[[P1]]) : (vector<8xi16>, vector<8xi16>) -> vector<8xi16>
// SMULL: %[[Q:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.saddlp"(%[[P]]) : (vector<8xi16>) -> vector<4xi32>
// SMULL: arith.addi %[[S0]], %[[Q]] : vector<4xi32>
// SMULL-COUNT-6: llvm.aarch64.neon.smull
// SMULL-NOT: llvm.aarch64.neon.smull
// SMULL: return
func.func @signed(%s: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  %0 = moe.dot %s, %a, %b : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}

//--- twice.mlir
// TWICE: %[[L:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// TWICE: %[[H:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// TWICE: %[[R:.*]] = vector.shuffle %[[L]], %[[H]] [0, 1, {{.*}} 31]
// TWICE: return %[[R]] : vector<32xi32>
func.func @twice(%s: vector<32xi32>, %a: vector<128xi8>, %b: vector<128xi8>) -> vector<32xi32> {
  %0 = moe.dot %s, %a, %b unsigned : vector<32xi32>, vector<128xi8>
  return %0 : vector<32xi32>
}

//--- few.mlir
// FEW: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
func.func @few(%s: vector<8xi32>, %a: vector<32xi8>, %b: vector<32xi8>) -> vector<8xi32> {
  %0 = moe.dot %s, %a, %b unsigned : vector<8xi32>, vector<32xi8>
  return %0 : vector<8xi32>
}

//--- thrice.mlir
func.func @thrice(%s: vector<24xi32>, %a: vector<96xi8>, %b: vector<96xi8>) -> vector<24xi32> {
  %0 = moe.dot %s, %a, %b unsigned : vector<24xi32>, vector<96xi8>
  return %0 : vector<24xi32>
}
