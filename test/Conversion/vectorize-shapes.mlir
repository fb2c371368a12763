// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-vectorize{cpu=x86-64-v4}))' | FileCheck %s --check-prefixes=CHECK,V4
// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-vectorize{cpu=x86-64-v3}))' | FileCheck %s --check-prefixes=CHECK,V3
// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-vectorize{cpu=x86-64}))' | FileCheck %s --check-prefixes=CHECK,SSE
// RUN: not moe-opt %s --pass-pipeline='builtin.module(func.func(moe-vectorize{cpu=z80}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown CPU 'z80'

#a = affine_map<(m, p, c, k) -> (m, k)>
#b = affine_map<(m, p, c, k) -> (p, k, c)>
#c = affine_map<(m, p, c, k) -> (m, p, c)>
#id = affine_map<(m, p, c) -> (m, p, c)>
#bias = affine_map<(m, p, c) -> (p, c)>

// A product with its bias: accumulators live through the loop over k, the bias
// is added before the only store.
// CHECK-LABEL: func.func @product
func.func @product(%a: tensor<50x192xf32>, %b: tensor<36x192x16xf32>, %bias: tensor<36x16xf32>) -> tensor<50x36x16xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = bufferization.alloc_tensor() : tensor<50x36x16xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<50x36x16xf32>) -> tensor<50x36x16xf32>
  %2 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<50x192xf32>, tensor<36x192x16xf32>) outs(%1 : tensor<50x36x16xf32>) {
  ^bb0(%x: f32, %w: f32, %s: f32):
    %3 = arith.mulf %x, %w : f32
    %4 = arith.addf %s, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<50x36x16xf32>
  %5 = bufferization.alloc_tensor() : tensor<50x36x16xf32>
  %6 = linalg.generic {indexing_maps = [#id, #bias, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%2, %bias : tensor<50x36x16xf32>, tensor<36x16xf32>) outs(%5 : tensor<50x36x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %7 = arith.addf %x, %y : f32
    linalg.yield %7 : f32
  } -> tensor<50x36x16xf32>
  // V4: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>,
  // V4-COUNT-20: vector.fma
  // V3: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>{{.*}}) {
  // V3: vector.fma
  // SSE-NOT: vector.fma
  // SSE: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>) {
  // SSE: arith.mulf {{.*}} : vector<16xf32>
  // SSE: arith.addf {{.*}} : vector<16xf32>
  // CHECK: scf.yield
  // CHECK: vector.transfer_read %{{.*}} : tensor<36x16xf32>, vector<16xf32>
  // CHECK: arith.addf {{.*}} : vector<16xf32>
  // CHECK: vector.transfer_write
  // CHECK-NOT: linalg
  return %6 : tensor<50x36x16xf32>
}

// Lanes that are reduced: a vector of sums, put together at the end.
// CHECK-LABEL: func.func @rows
func.func @rows(%a: tensor<5x3x16xf32>) -> tensor<5xf32> {
  %low = arith.constant 0xFF800000 : f32
  %0 = bufferization.alloc_tensor() : tensor<5xf32>
  %1 = linalg.fill ins(%low : f32) outs(%0 : tensor<5xf32>) -> tensor<5xf32>
  // CHECK: scf.for {{.*}} -> (vector<16xf32>)
  // CHECK: arith.cmpf ogt, {{.*}} : vector<16xf32>
  // CHECK: arith.select {{.*}} vector<16xf32>
  // CHECK: vector.reduction <maxnumf>
  %2 = linalg.generic {indexing_maps = [#id, affine_map<(m, p, c) -> (m)>], iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%a : tensor<5x3x16xf32>) outs(%1 : tensor<5xf32>) {
  ^bb0(%x: f32, %s: f32):
    %3 = arith.maxnumf %x, %s : f32
    linalg.yield %3 : f32
  } -> tensor<5xf32>
  return %2 : tensor<5xf32>
}

// No dimension of 16 lanes: scalars.
// CHECK-LABEL: func.func @scalars
// CHECK: tensor.extract
// CHECK: arith.mulf {{.*}} : f32
// CHECK: tensor.insert
func.func @scalars(%a: tensor<5xf32>) -> tensor<5xf32> {
  %0 = bufferization.alloc_tensor() : tensor<5xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%a : tensor<5xf32>) outs(%0 : tensor<5xf32>) {
  ^bb0(%x: f32, %s: f32):
    %2 = arith.mulf %x, %x : f32
    linalg.yield %2 : f32
  } -> tensor<5xf32>
  return %1 : tensor<5xf32>
}
