// exp, erf, tanh and rsqrt become arithmetic, on scalars and vectors.
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,FMA
// RUN: moe-opt %s --moe-expand-math=cpu=x86-64 | FileCheck %s --check-prefixes=CHECK,PLAIN --implicit-check-not=math.fma
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
