// A depthwise convolution: some pixels of a row at a time.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4 --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,V4
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v3 --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,V3

#a = affine_map<(y, x, p, c, i, j) -> (y + i, x + j, p, c)>
#w = affine_map<(y, x, p, c, i, j) -> (i, j, p, c)>
#o = affine_map<(y, x, p, c, i, j) -> (y, x, p, c)>
#e = affine_map<(y, x, p, c) -> (y, x, p, c)>
#b = affine_map<(y, x, p, c) -> (p, c)>

// Twelve pixels are one tile of AVX-512's registers: in each row of the kernel,
// three taps, and fourteen pixels of the input that serve up to three sums each.
// CHECK-LABEL: func.func @three(
// CHECK-SAME: %[[X:.*]]: tensor<7x14x2x16xf32>, %[[W:.*]]: tensor<3x3x2x16xf32>, %[[B:.*]]: tensor<2x16xf32>, %[[OUT:.*]]: tensor<5x12x2x16xf32>)
// CHECK-NOT: linalg
// V4: scf.for %[[Y:.*]] = %c0 to %c5 step %c1 iter_args(%{{.*}} = %[[OUT]])
// V4: scf.for %[[P:.*]] = %c0 to %c2 step %c1
// V4: %[[SUMS:.*]]:12 = scf.for %[[I:.*]] = %c0 to %c3 step %c1
// V4-COUNT-3: vector.transfer_read %[[W]]{{.*}} vector<16xf32>
// V4-COUNT-36: vector.fma
// V4: scf.yield
// V4: vector.transfer_read %[[B]]
// V4: arith.addf %[[SUMS]]#0
// V4-COUNT-12: vector.transfer_write
// V4-NOT: vector.fma
// V4: {moe.parallel}
// V4: return

// On AVX2, four pixels in halves: three tiles of eight sums, three taps, two more.
// V3: scf.for %{{.*}} = %c0 to %c5 step %c1
// V3: scf.for %{{.*}} = %c0 to %c12 step %c4
// V3: scf.for %{{.*}} = %c0 to %c2 step %c1
// V3: scf.for %{{.*}} = %c0 to %c3 step %c1
// V3-COUNT-3: vector.transfer_read %[[W]]{{.*}} vector<8xf32>
// V3-COUNT-12: vector.fma
// V3-COUNT-3: vector.transfer_read %[[W]]{{.*}} vector<8xf32>
// V3-COUNT-12: vector.fma
// V3: scf.yield
// V3-NOT: vector.fma
// V3-COUNT-4: vector.transfer_write
// V3-NOT: vector.transfer_write
// V3: return
func.func @three(%x: tensor<7x14x2x16xf32>, %w: tensor<3x3x2x16xf32>, %bias: tensor<2x16xf32>, %out: tensor<5x12x2x16xf32>) -> tensor<5x12x2x16xf32> {
  %zero = arith.constant 0.0 : f32
  %alloc = bufferization.alloc_tensor() : tensor<5x12x2x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%alloc : tensor<5x12x2x16xf32>) -> tensor<5x12x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<7x14x2x16xf32>, tensor<3x3x2x16xf32>) outs(%f : tensor<5x12x2x16xf32>) {
  ^bb0(%u: f32, %v: f32, %s: f32):
    %m = arith.mulf %u, %v : f32
    %r = arith.addf %s, %m : f32
    linalg.yield %r : f32
  } -> tensor<5x12x2x16xf32>
  %1 = linalg.generic {indexing_maps = [#e, #b, #e], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0, %bias : tensor<5x12x2x16xf32>, tensor<2x16xf32>) outs(%out : tensor<5x12x2x16xf32>) {
  ^bb0(%u: f32, %v: f32, %s: f32):
    %r = arith.addf %u, %v : f32
    linalg.yield %r : f32
  } -> tensor<5x12x2x16xf32>
  return %1 : tensor<5x12x2x16xf32>
}

// -----

#a = affine_map<(y, x, p, c, i, j) -> (y, x * 2 + j, p, c)>
#w = affine_map<(y, x, p, c, i, j) -> (i, j, p, c)>
#o = affine_map<(y, x, p, c, i, j) -> (y, x, p, c)>

// Nine taps are too many to keep: one after the other. Every second pixel; of
// fifteen, eight and then seven, or fours and then three.
// CHECK-LABEL: func.func @nine(
// CHECK-NOT: linalg
// V4: %[[EIGHT:.*]]:8 = scf.for %[[J:.*]] = %c0 to %c9 step %c1
// V4: vector.transfer_read
// V4-COUNT-8: vector.fma
// V4: scf.yield
// V4: scf.for %{{.*}} = %c0 to %c9 step %c1
// V4-COUNT-7: vector.fma
// V4: scf.yield
// V4: return
func.func @nine(%x: tensor<2x37x1x16xf32>, %w: tensor<1x9x1x16xf32>, %out: tensor<2x15x1x16xf32>) -> tensor<2x15x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%out : tensor<2x15x1x16xf32>) -> tensor<2x15x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<2x37x1x16xf32>, tensor<1x9x1x16xf32>) outs(%f : tensor<2x15x1x16xf32>) {
  ^bb0(%u: f32, %v: f32, %s: f32):
    %m = arith.mulf %u, %v : f32
    %r = arith.addf %s, %m : f32
    linalg.yield %r : f32
  } -> tensor<2x15x1x16xf32>
  return %0 : tensor<2x15x1x16xf32>
}

// -----

#a = affine_map<(y, x, p, c, i, j) -> (y + i, x + j * 2, p, c)>
#w = affine_map<(y, x, p, c, i, j) -> (i, j, p, c)>
#o = affine_map<(y, x, p, c, i, j) -> (y, x, p, c)>

// Taps that are not next to each other: sums of products in plain loops.
// CHECK-LABEL: func.func @dilated(
// CHECK-NOT: vector.fma
// CHECK: arith.mulf {{.*}} vector<16xf32>
func.func @dilated(%x: tensor<7x16x2x16xf32>, %w: tensor<3x3x2x16xf32>, %out: tensor<5x12x2x16xf32>) -> tensor<5x12x2x16xf32> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%out : tensor<5x12x2x16xf32>) -> tensor<5x12x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<7x16x2x16xf32>, tensor<3x3x2x16xf32>) outs(%f : tensor<5x12x2x16xf32>) {
  ^bb0(%u: f32, %v: f32, %s: f32):
    %m = arith.mulf %u, %v : f32
    %r = arith.addf %s, %m : f32
    linalg.yield %r : f32
  } -> tensor<5x12x2x16xf32>
  return %0 : tensor<5x12x2x16xf32>
}
