// exp, erf, tanh, rsqrt and GELU become arithmetic, on scalars and vectors.
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,FMA
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64 | FileCheck %s --check-prefixes=CHECK,PLAIN --implicit-check-not=math.fma
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v4 | FileCheck %s --check-prefix=TABLE
// RUN: not moe-opt %s --moe-expand-math=cpu=vax 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown CPU 'vax'

// CHECK-LABEL: func.func @exp(
// CHECK-NOT: math.exp
// FMA: math.fma {{.*}} : f32
// PLAIN: arith.mulf {{.*}} : f32
// CHECK: arith.shli {{.*}} : i32
// CHECK: arith.bitcast {{.*}} : i32 to f32
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @exp_vector(
// CHECK-NOT: math.exp
// FMA: math.fma {{.*}} : vector<16xf32>
// PLAIN: arith.mulf {{.*}} : vector<16xf32>
// CHECK: arith.shli {{.*}} : vector<16xi32>
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp_vector(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x : vector<16xf32>
  return %0 : vector<16xf32>
}

// One polynomial, of an argument cut off at both sides.
// CHECK-LABEL: func.func @erf(
// CHECK-DAG: %[[HIGH:.*]] = arith.constant dense<3.69{{0*}}e+00> : vector<16xf32>
// CHECK-DAG: %[[LOW:.*]] = arith.constant dense<-3.69{{0*}}e+00> : vector<16xf32>
// CHECK-NOT: math.{{e|t}}
// CHECK: arith.cmpf olt, %[[HIGH]], %{{.*}} : vector<16xf32>
// CHECK: arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// CHECK: arith.cmpf olt, %{{.*}}, %[[LOW]] : vector<16xf32>
// CHECK: %[[T:.*]] = arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// CHECK: arith.mulf %[[T]], %[[T]] : vector<16xf32>
// FMA-COUNT-15: math.fma {{.*}} : vector<16xf32>
// CHECK: arith.mulf %[[T]], %{{.*}} : vector<16xf32>
// CHECK-NOT: math.{{e|t}}
// CHECK: return
func.func @erf(%x: vector<16xf32>, %y: f32) -> (vector<16xf32>, f32) {
  %0 = math.erf %x : vector<16xf32>
  %1 = math.erf %y : f32
  return %0, %1 : vector<16xf32>, f32
}

// GELU: one polynomial for both signs, without erf's own scale, and the sum with
// x/2 as part of the last multiply-add. With tables, the number of the piece looks
// up a polynomial of degree 4.
// CHECK-LABEL: func.func @gelu(
// CHECK-NOT: math.erf
// CHECK-DAG: %[[HIGH:.*]] = arith.constant dense<5.21{{.*}}> : vector<16xf32>
// CHECK: arith.cmpf olt, %[[HIGH]], %[[X:.*]] : vector<16xf32>
// CHECK: %[[T:.*]] = arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// FMA-COUNT-15: math.fma {{.*}} : vector<16xf32>
// CHECK: %[[H:.*]] = arith.mulf %{{.*}}, %{{.*}} : vector<16xf32>
// FMA: %[[G:.*]] = math.fma %[[H]], %{{.*}}, %[[H]]
// CHECK-NOT: math.erf
// CHECK: return
// TABLE-LABEL: func.func @gelu(
// TABLE: %[[SHIFTED:.*]] = math.fma
// TABLE: %[[INDEX:.*]] = arith.bitcast %[[SHIFTED]] : vector<16xf32> to vector<16xi32>
// TABLE-COUNT-5: llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%{{.*}}, %[[INDEX]])
// TABLE: math.fma
// TABLE-NOT: permvar
// TABLE: return
func.func @gelu(%x: vector<16xf32>) -> vector<16xf32> {
  %half = arith.constant dense<0.5> : vector<16xf32>
  %one = arith.constant dense<1.0> : vector<16xf32>
  %c = arith.constant dense<0.70710678118654752> : vector<16xf32>
  %h = arith.mulf %x, %half : vector<16xf32>
  %s = arith.mulf %x, %c : vector<16xf32>
  %e = math.erf %s : vector<16xf32>
  %p = arith.addf %e, %one : vector<16xf32>
  %0 = arith.mulf %h, %p : vector<16xf32>
  return %0 : vector<16xf32>
}

// A table is for vectors of 16 lanes only: no permutation, but the polynomial.
// CHECK-LABEL: func.func @gelu_scalar(
// CHECK-NOT: math.erf
// CHECK: return
// TABLE-LABEL: func.func @gelu_scalar(
// TABLE-DAG: arith.constant 5.21{{.*}} : f32
// TABLE-NOT: permvar
// TABLE-COUNT-16: math.fma {{.*}} : f32
// TABLE-NOT: math.
// TABLE-NOT: permvar
// TABLE: return
func.func @gelu_scalar(%x: f32) -> f32 {
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %c = arith.constant 0.70710678118654752 : f32
  %h = arith.mulf %x, %half : f32
  %s = arith.mulf %x, %c : f32
  %e = math.erf %s : f32
  %p = arith.addf %e, %one : f32
  %0 = arith.mulf %h, %p : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @gelu_eight_lanes(
// CHECK-NOT: math.erf
// CHECK: return
// TABLE-LABEL: func.func @gelu_eight_lanes(
// TABLE-DAG: arith.constant dense<5.21{{.*}}> : vector<8xf32>
// TABLE-NOT: permvar
// TABLE-COUNT-16: math.fma {{.*}} : vector<8xf32>
// TABLE-NOT: math.
// TABLE-NOT: permvar
// TABLE: return
func.func @gelu_eight_lanes(%x: vector<8xf32>) -> vector<8xf32> {
  %half = arith.constant dense<0.5> : vector<8xf32>
  %one = arith.constant dense<1.0> : vector<8xf32>
  %c = arith.constant dense<0.70710678118654752> : vector<8xf32>
  %h = arith.mulf %x, %half : vector<8xf32>
  %s = arith.mulf %x, %c : vector<8xf32>
  %e = math.erf %s : vector<8xf32>
  %p = arith.addf %e, %one : vector<8xf32>
  %0 = arith.mulf %h, %p : vector<8xf32>
  return %0 : vector<8xf32>
}

// Of another number than x: erf by itself.
// CHECK-LABEL: func.func @no_gelu(
// CHECK-DAG: arith.constant 3.69{{0*}}e+00 : f32
// CHECK: return
func.func @no_gelu(%x: f32, %y: f32) -> f32 {
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %c = arith.constant 0.70710678118654752 : f32
  %h = arith.mulf %x, %half : f32
  %s = arith.mulf %y, %c : f32
  %e = math.erf %s : f32
  %p = arith.addf %e, %one : f32
  %0 = arith.mulf %h, %p : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @tanh(
// CHECK-NOT: math.{{e|t}}
// FMA: math.fma
// CHECK: arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// CHECK-NOT: math.{{e|t}}
// CHECK: return
func.func @tanh(%x: vector<16xf32>, %y: f32) -> (vector<16xf32>, f32) {
  %0 = math.tanh %x : vector<16xf32>
  %1 = math.tanh %y : f32
  return %0, %1 : vector<16xf32>, f32
}

// The exact square root and division, no estimate.
// CHECK-LABEL: func.func @rsqrt(
// CHECK-NOT: math.rsqrt
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[ROOT:.*]] = math.sqrt %{{.*}} : f32
// CHECK: arith.divf %[[ONE]], %[[ROOT]] : f32
// CHECK-NOT: math.rsqrt
// CHECK: return
func.func @rsqrt(%x: f32) -> f32 {
  %0 = math.rsqrt %x : f32
  return %0 : f32
}

// The polynomials are for f32.
// CHECK-LABEL: func.func @double(
// CHECK: math.exp %{{.*}} : f64
func.func @double(%x: f64) -> f64 {
  %0 = math.exp %x : f64
  return %0 : f64
}

// Tensors stay as they are.
// CHECK-LABEL: func.func @gelu_tensor(
// CHECK: math.erf
func.func @gelu_tensor(%x: tensor<4xf32>) -> tensor<4xf32> {
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %root = arith.constant dense<0.707106769> : tensor<4xf32>
  %0 = arith.mulf %x, %half : tensor<4xf32>
  %1 = arith.mulf %x, %root : tensor<4xf32>
  %2 = math.erf %1 : tensor<4xf32>
  %3 = arith.addf %2, %one : tensor<4xf32>
  %4 = arith.mulf %0, %3 : tensor<4xf32>
  return %4 : tensor<4xf32>
}
