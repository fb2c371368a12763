// A product with a weight in memory prefetches the panels that come next.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4 --canonicalize --cse | FileCheck %s

#a = affine_map<(m, p, c, k) -> (m, k)>
#w = affine_map<(m, p, c, k) -> (p, k, c)>
#o = affine_map<(m, p, c, k) -> (m, p, c)>

moe.param @w : tensor<6x64x16xf32> in "shared" at 0

// Six tiles of rows share three panels of 64 lines: each asks for 32 of the
// next 192, half a line a step, to the second-level cache.
// CHECK-LABEL: func.func @weight(
// CHECK: %[[W:.*]] = moe.weights @w
// CHECK: scf.for %[[P:.*]] = %c0 to %c6 step %c3
// CHECK: scf.for %[[R:.*]] = %c0 to %c45 step %c9
// CHECK: %[[TILE:.*]] = arith.divui %[[R]], %c9
// CHECK: scf.for %[[K:.*]] = %c0 to %c64 step %c1
// CHECK: %[[STEPS:.*]] = arith.muli %[[K]], %c8
// CHECK: %[[TILES:.*]] = arith.muli %[[TILE]], %c512
// CHECK: %[[LANE:.*]] = arith.addi %[[STEPS]], %[[TILES]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[P]], %c3
// CHECK: memref.prefetch %[[W]][%[[NEXT]], %c0, %[[LANE]]], read, locality<2>, data
// CHECK-NOT: prefetch
// CHECK-COUNT-27: vector.fma
// CHECK: memref.prefetch
// CHECK-NOT: memref.prefetch
// CHECK: return
func.func @weight(%a: tensor<49x64xf32>) -> tensor<49x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %m = moe.weights @w : memref<6x64x16xf32>
  %w = bufferization.to_tensor %m restrict : memref<6x64x16xf32> to tensor<6x64x16xf32>
  %e = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49x6x16xf32>) -> tensor<49x6x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<49x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  return %0 : tensor<49x6x16xf32>
}

// One row reads the weight as a stream, an activation is in the cache.
// CHECK-LABEL: func.func @row(
// CHECK-NOT: prefetch
// CHECK: return
func.func @row(%a: tensor<1x64xf32>) -> tensor<1x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %m = moe.weights @w : memref<6x64x16xf32>
  %w = bufferization.to_tensor %m restrict : memref<6x64x16xf32> to tensor<6x64x16xf32>
  %e = bufferization.alloc_tensor() : tensor<1x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x6x16xf32>) -> tensor<1x6x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<1x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<1x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x6x16xf32>
  return %0 : tensor<1x6x16xf32>
}

// CHECK-LABEL: func.func @activation(
// CHECK-NOT: prefetch
// CHECK: return
func.func @activation(%a: tensor<49x64xf32>, %w: tensor<6x64x16xf32>) -> tensor<49x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49x6x16xf32>) -> tensor<49x6x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<49x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  return %0 : tensor<49x6x16xf32>
}
