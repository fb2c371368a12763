// A number of rows that is known at run time only.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4 --canonicalize --cse | FileCheck %s

#a = affine_map<(m, p, c, k) -> (m, k)>
#w = affine_map<(m, p, c, k) -> (p, k, c)>
#o = affine_map<(m, p, c, k) -> (m, p, c)>
#e = affine_map<(m, p, c) -> (m, p, c)>
#b = affine_map<(m, p, c) -> (p, c)>

// Tiles of eight rows, then of four, two and one as the bits of the number say;
// the bias is added in the tile. Two rows by three panels are too few sums to keep
// the multipliers busy: two parts of k side by side. One row takes three, and the
// one of 64 steps that is left over.
// CHECK-LABEL: func.func @matmul(
// CHECK-SAME: %[[A:.*]]: tensor<?x64xf32>, %{{.*}}, %{{.*}}, %[[OUT:.*]]: tensor<?x6x16xf32>, %[[OUT2:.*]]: tensor<?x6x16xf32>)
// CHECK-NOT: linalg
// CHECK: %[[N:.*]] = tensor.dim %[[A]], %c0
// CHECK: %[[REST:.*]] = arith.remui %[[N]], %c8
// CHECK: %[[WHOLE:.*]] = arith.subi %[[N]], %[[REST]]
// CHECK: scf.for %{{.*}} = %c0 to %c6 step %c3 iter_args(%{{.*}} = %[[OUT2]])
// CHECK: scf.for %{{.*}} = %c0 to %[[WHOLE]] step %c8
// CHECK: %[[ACC:.*]]:24 = scf.for
// CHECK-COUNT-24: vector.fma
// CHECK: arith.addf %[[ACC]]#0
// CHECK: %[[FOUR:.*]] = arith.andi %[[N]], %c4
// CHECK: %[[SET:.*]] = arith.cmpi ne, %[[FOUR]], %c0
// CHECK: scf.if %[[SET]]
// CHECK-COUNT-12: vector.fma
// CHECK: } else {
// CHECK: arith.addi %[[WHOLE]], %[[FOUR]]
// CHECK: arith.andi %[[N]], %c2
// CHECK: scf.for %{{.*}} = %c0 to %c64 step %c2
// CHECK-COUNT-12: vector.fma
// CHECK-COUNT-6: arith.addf
// CHECK: arith.andi %[[N]], %c1
// CHECK: scf.for %{{.*}} = %c0 to %c63 step %c3
// CHECK-COUNT-9: vector.fma
// CHECK: scf.yield
// CHECK-COUNT-3: vector.fma
// CHECK-COUNT-6: arith.addf
// CHECK-NOT: vector.fma
// CHECK: return
func.func @matmul(%a: tensor<?x64xf32>, %w: tensor<6x64x16xf32>, %bias: tensor<6x16xf32>, %out: tensor<?x6x16xf32>, %out2: tensor<?x6x16xf32>) -> tensor<?x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%out : tensor<?x6x16xf32>) -> tensor<?x6x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<?x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<?x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<?x6x16xf32>
  %1 = linalg.generic {indexing_maps = [#e, #b, #e],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0, %bias : tensor<?x6x16xf32>, tensor<6x16xf32>) outs(%out2 : tensor<?x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %q = arith.addf %x, %y : f32
    linalg.yield %q : f32
  } -> tensor<?x6x16xf32>
  return %1 : tensor<?x6x16xf32>
}

// CHECK-LABEL: func.func @elementwise(
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[X]], %c0
// CHECK: scf.for %{{.*}} = %c0 to %[[N]] step %c1
// CHECK: vector.transfer_read
// CHECK: vector.transfer_write
func.func @elementwise(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x : tensor<?x16xf32>) {
  ^bb0(%o: f32):
    %1 = arith.addf %o, %o : f32
    linalg.yield %1 : f32
  } -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}
