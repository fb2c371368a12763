// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-expand-math{cpu=x86-64-v3}))' | FileCheck %s --check-prefixes=CHECK,FMA
// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-expand-math{cpu=x86-64}))' | FileCheck %s --check-prefixes=CHECK,PLAIN

// PLAIN-NOT: math.fma

// CHECK-LABEL: func.func @scalar
// CHECK-NOT: math.exp
// FMA: math.fma {{.*}} : f32
// CHECK: arith.bitcast {{.*}} : f32 to i32
// CHECK: return
func.func @scalar(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @vectors
// CHECK-NOT: math.erf
// CHECK-NOT: math.tanh
// CHECK-NOT: math.exp
// FMA: math.fma {{.*}} : vector<16xf32>
// CHECK: return
func.func @vectors(%x: vector<16xf32>) -> (vector<16xf32>, vector<16xf32>) {
  %0 = math.erf %x : vector<16xf32>
  %1 = math.tanh %x : vector<16xf32>
  return %0, %1 : vector<16xf32>, vector<16xf32>
}

// The square root is an instruction.
// CHECK-LABEL: func.func @rsqrt
// CHECK: math.sqrt
// CHECK: arith.divf
func.func @rsqrt(%x: f32) -> f32 {
  %0 = math.rsqrt %x : f32
  return %0 : f32
}

// Only f32 is known.
// CHECK-LABEL: func.func @other
// CHECK: math.exp {{.*}} : f64
func.func @other(%x: f64) -> f64 {
  %0 = math.exp %x : f64
  return %0 : f64
}
