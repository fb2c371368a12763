// Where the CPU has no bf16, rounding to it is arithmetic: LLVM would call its
// runtime library for each lane. Where it has, it is an instruction.
// RUN: moe-opt %s --moe-expand-math | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v3+vnni | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v4+vnni | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=armv8-a | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=armv8-a+dotprod | FileCheck %s --check-prefixes=CHECK,EXPAND
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v4+bf16 | FileCheck %s --check-prefixes=CHECK,KEEP
// RUN: moe-opt %s --moe-expand-math=cpu=armv8.6-a | FileCheck %s --check-prefixes=CHECK,KEEP

// To nearest, ties to even: the last bit that stays and all ones below it are added.
// A NaN stays one.
// CHECK-LABEL: func.func @round(
// CHECK-SAME: %[[X:.*]]: vector<16xf32>, %[[Y:.*]]: f32)
// EXPAND-NOT: arith.truncf
// EXPAND-DAG: %[[ONE:.*]] = arith.constant dense<1> : vector<16xi32>
// EXPAND-DAG: %[[SIXTEEN:.*]] = arith.constant dense<16> : vector<16xi32>
// EXPAND-DAG: %[[HALF:.*]] = arith.constant dense<32767> : vector<16xi32>
// EXPAND: %[[NAN:.*]] = arith.cmpf une, %[[X]], %[[X]]
// EXPAND: %[[BITS:.*]] = arith.bitcast %[[X]] : vector<16xf32> to vector<16xi32>
// EXPAND: %[[UPPER:.*]] = arith.shrui %[[BITS]], %[[SIXTEEN]]
// EXPAND: %[[LAST:.*]] = arith.andi %[[UPPER]], %[[ONE]]
// EXPAND: %[[BIAS:.*]] = arith.addi %[[LAST]], %[[HALF]]
// EXPAND: %[[SUM:.*]] = arith.addi %[[BITS]], %[[BIAS]]
// EXPAND: %[[ROUNDED:.*]] = arith.shrui %[[SUM]], %[[SIXTEEN]]
// EXPAND: %[[SHORT:.*]] = arith.trunci %[[ROUNDED]] : vector<16xi32> to vector<16xi16>
// EXPAND: arith.select %[[NAN]], %{{.*}}, %[[SHORT]]
// EXPAND: arith.bitcast %{{.*}} : vector<16xi16> to vector<16xbf16>
// EXPAND: arith.bitcast %{{.*}} : i16 to bf16
// EXPAND-NOT: arith.truncf
// KEEP: arith.truncf %[[X]] : vector<16xf32> to vector<16xbf16>
// KEEP: arith.truncf %[[Y]] : f32 to bf16
// CHECK: return
func.func @round(%x: vector<16xf32>, %y: f32) -> (vector<16xbf16>, bf16) {
  %0 = arith.truncf %x : vector<16xf32> to vector<16xbf16>
  %1 = arith.truncf %y : f32 to bf16
  return %0, %1 : vector<16xbf16>, bf16
}

// CHECK-LABEL: func.func @widen(
// CHECK-SAME: %[[X:.*]]: vector<16xbf16>
// EXPAND-NOT: arith.extf
// EXPAND: %[[BITS:.*]] = arith.bitcast %[[X]] : vector<16xbf16> to vector<16xi16>
// EXPAND: %[[WIDE:.*]] = arith.extui %[[BITS]] : vector<16xi16> to vector<16xi32>
// EXPAND: %[[UPPER:.*]] = arith.shli %[[WIDE]], %{{.*}}
// EXPAND: arith.bitcast %[[UPPER]] : vector<16xi32> to vector<16xf32>
// EXPAND: arith.bitcast %{{.*}} : i32 to f32
// EXPAND-NOT: arith.extf
// KEEP: arith.extf {{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK: return
func.func @widen(%x: vector<16xbf16>, %y: bf16) -> (vector<16xf32>, f32) {
  %0 = arith.extf %x : vector<16xbf16> to vector<16xf32>
  %1 = arith.extf %y : bf16 to f32
  return %0, %1 : vector<16xf32>, f32
}

// Other types are not meant.
// CHECK-LABEL: func.func @double(
// CHECK: arith.truncf %{{.*}} : f64 to f32
func.func @double(%x: f64) -> f32 {
  %0 = arith.truncf %x : f64 to f32
  return %0 : f32
}
