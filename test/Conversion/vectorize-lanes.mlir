// Products on a CPU that multiplies a vector by a lane of another: the input comes
// as vectors along k, the weight vector by vector.
// RUN: moe-opt %s --moe-vectorize=cpu=armv8-a --canonicalize --cse | FileCheck %s

#x = affine_map<(m, p, c, k) -> (m, k)>
#w = affine_map<(m, p, c, k) -> (p, k, c)>
#y = affine_map<(m, p, c, k) -> (m, p, c)>
#patch = affine_map<(m, p, c, i, k) -> (i, m * 6 + k)>
#filter = affine_map<(m, p, c, i, k) -> (p, i, k, c)>
#patches = affine_map<(m, p, c, i, k) -> (m, p, c)>
#diagonal = affine_map<(m, p, c, k) -> (k, m + k)>

moe.param @w : tensor<2x64x16xf32> in "shared" at 0 = {
  %0 = moe.get @source : tensor<32x64xf32>
  %1 = moe.pack_panels %0 groups(32, 64) : tensor<32x64xf32> -> tensor<2x64x16xf32>
  moe.yield %1 : tensor<2x64x16xf32>
}
moe.param @source : tensor<32x64xf32>

// Tiles of six rows and a panel of four vectors, four steps over k at a time: a
// vector of each row, then lane 0 of all of them with each vector of the first step.
// What comes next is asked for once for the four: each brings an eighth of a line.
// CHECK-LABEL: func.func @tiles(
// CHECK-SAME: %[[X:.*]]: tensor<50x64xf32>
// CHECK: scf.for %{{.*}} = %c0 to %c48 step %c6
// CHECK: scf.for %[[K:.*]] = %c0 to %c64 step %c4 iter_args({{.*}}) -> ({{(vector<4xf32>, ){23}vector<4xf32>}})
// CHECK: %[[X0:.*]] = vector.transfer_read %[[X]]{{.*}} vector<4xf32>
// CHECK-COUNT-5: vector.transfer_read %[[X]]{{.*}} vector<4xf32>
// CHECK: memref.prefetch
// CHECK: %[[W0:.*]] = vector.transfer_read %{{.*}}[%{{.*}}, %[[K]], %c0]{{.*}} vector<4xf32>
// CHECK: %[[L:.*]] = vector.extract %[[X0]][0]
// CHECK: %[[MANY:.*]] = vector.broadcast %[[L]] : f32 to vector<4xf32>
// CHECK: vector.fma %[[MANY]], %[[W0]], %{{.*}} : vector<4xf32>
// CHECK-COUNT-5: vector.fma
// CHECK: vector.transfer_read %{{.*}}[%{{.*}}, %[[K]], %c4]{{.*}} vector<4xf32>
// CHECK-NOT: memref.prefetch
// CHECK: scf.yield
// Two rows are left: 16 sums, in two parts of k, which are added up at the end.
// CHECK: scf.for %{{.*}} = %c0 to %c64 step %c4 iter_args({{.*}}) -> ({{(vector<4xf32>, ){15}vector<4xf32>}})
// CHECK: scf.yield
// CHECK-COUNT-8: arith.addf
func.func @tiles(%x: tensor<50x64xf32>) -> tensor<50x2x16xf32> {
  %m = moe.weights @w : memref<2x64x16xf32>
  %w = bufferization.to_tensor %m restrict : memref<2x64x16xf32> to tensor<2x64x16xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<50x2x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<50x2x16xf32>) -> tensor<50x2x16xf32>
  %y = linalg.generic {indexing_maps = [#x, #w, #y],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<50x64xf32>, tensor<2x64x16xf32>)
      outs(%f : tensor<50x2x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<50x2x16xf32>
  return %y : tensor<50x2x16xf32>
}

// Rows of patches of six pixels: four of them as a vector, two one by one.
// CHECK-LABEL: func.func @patches(
// CHECK-SAME: %[[X:.*]]: tensor<3x18xf32>
// CHECK-COUNT-3: vector.transfer_read %[[X]]{{.*}} vector<4xf32>
// CHECK: vector.fma
// CHECK: tensor.extract %[[X]]
// CHECK: vector.fma
func.func @patches(%x: tensor<3x18xf32>, %w: tensor<1x3x6x16xf32>) -> tensor<3x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x1x16xf32>) -> tensor<3x1x16xf32>
  %y = linalg.generic {indexing_maps = [#patch, #filter, #patches],
      iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<3x18xf32>, tensor<1x3x6x16xf32>)
      outs(%f : tensor<3x1x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<3x1x16xf32>
  return %y : tensor<3x1x16xf32>
}

// Steps over k are also steps to another row: there is no vector of them.
// CHECK-LABEL: func.func @diagonal(
// CHECK-SAME: %[[X:.*]]: tensor<8x15xf32>
// CHECK-NOT: vector.transfer_read %[[X]]
// CHECK: tensor.extract %[[X]]
func.func @diagonal(%x: tensor<8x15xf32>, %w: tensor<1x8x16xf32>) -> tensor<8x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x1x16xf32>) -> tensor<8x1x16xf32>
  %y = linalg.generic {indexing_maps = [#diagonal, #w, #y],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<8x15xf32>, tensor<1x8x16xf32>)
      outs(%f : tensor<8x1x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<8x1x16xf32>
  return %y : tensor<8x1x16xf32>
}
