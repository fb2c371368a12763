// Loops over what a generic computes independently are marked, those that sum up
// are not.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4 | FileCheck %s

// CHECK-LABEL: func.func @sums(
// CHECK: scf.for %{{.*}} iter_args(%{{.*}}) -> (tensor<49xf32>) {
// CHECK: scf.for %{{.*}} iter_args(%{{.*}}) -> (vector<16xf32>) {
// CHECK: arith.addf
// CHECK-NOT: moe.parallel
// CHECK: vector.reduction
// CHECK: scf.yield
// CHECK-NEXT: } {moe.parallel}
// CHECK-NEXT: return
func.func @sums(%x: tensor<49x6x16xf32>) -> tensor<49xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<49xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49xf32>) -> tensor<49xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c) -> (m, p, c)>, affine_map<(m, p, c) -> (m)>],
      iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x : tensor<49x6x16xf32>) outs(%f : tensor<49xf32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.addf %i, %o : f32
    linalg.yield %r : f32
  } -> tensor<49xf32>
  return %0 : tensor<49xf32>
}

// Panels and rows, but not k.
// CHECK-LABEL: func.func @product(
// CHECK: scf.for {{.*}} step %c3
// CHECK: scf.for {{.*}} step %c9
// CHECK: scf.for {{.*}} vector<16xf32>
// CHECK-COUNT-27: vector.fma
// CHECK: scf.yield
// CHECK-NEXT: }
// CHECK-NOT: {{^ *}}} {moe.parallel}
// CHECK: vector.transfer_write
// CHECK: } {moe.parallel}
// CHECK: } {moe.parallel}
// CHECK: return
func.func @product(%a: tensor<49x64xf32>, %w: tensor<6x64x16xf32>) -> tensor<49x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49x6x16xf32>) -> tensor<49x6x16xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c, k) -> (m, k)>, affine_map<(m, p, c, k) -> (p, k, c)>,
                       affine_map<(m, p, c, k) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<49x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  return %0 : tensor<49x6x16xf32>
}
