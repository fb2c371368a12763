// Layers of ViT variants, to linalg.
// RUN: moe-opt %s --convert-moe-to-linalg --canonicalize --cse --split-input-file | FileCheck %s

// Patches without a bias, registers, the largest token as an answer that no head
// reads: 20 channels in two panels.
moe.param @w : tensor<20x1x4x4xf32>
moe.param @r : tensor<1x3x20xf32>
moe.param @g : tensor<20xf32>
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<1x8x8xf32>, %[[OUT:.*]]: memref<20xf32>) -> i32
// CHECK-DAG: %[[LEAST:.*]] = arith.constant 0xFF800000 : f32
// CHECK: %[[PATCHES:.*]] = tensor.collapse_shape %{{.*}} {{\[}}[0, 1], [2], [3]] : tensor<2x2x2x16xf32> into tensor<4x2x16xf32>
// CHECK: moe.weights @r.lanes : memref<1x3x2x16xf32>
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 0] [3, 2, 16] [1, 1, 1] : tensor<3x2x16xf32> into tensor<7x2x16xf32>
// CHECK: tensor.insert_slice %[[PATCHES]] into %{{.*}}[3, 0, 0] [4, 2, 16] [1, 1, 1] : tensor<4x2x16xf32> into tensor<7x2x16xf32>
// CHECK: moe.weights @g.lanes : memref<2x16xf32>
// CHECK: linalg.generic
// CHECK: arith.mulf
// CHECK: %[[START:.*]] = linalg.fill ins(%[[LEAST]] : f32)
// CHECK: %[[MAX:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} {{.*}} outs(%[[START]] : tensor<2x16xf32>)
// CHECK: arith.maximumf
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[MAX]]
// CHECK: %[[ALL:.*]] = tensor.extract_slice %[[FLAT]][0] [20] [1]
// CHECK: bufferization.materialize_in_destination %[[ALL]] in writable %[[OUT]]
func.func @run(%image: tensor<1x8x8xf32>) -> tensor<1x20xf32> {
  %w = moe.get @w : tensor<20x1x4x4xf32>
  %0 = moe.patch_embed %image, %w : tensor<1x8x8xf32>, tensor<20x1x4x4xf32> -> tensor<4x20xf32>
  %r = moe.get @r : tensor<1x3x20xf32>
  %1 = moe.class_token %0, %r : tensor<4x20xf32>, tensor<1x3x20xf32> -> tensor<7x20xf32>
  %g = moe.get @g : tensor<20xf32>
  %2 = moe.layer_scale %1, %g : tensor<7x20xf32>, tensor<20xf32>
  %3 = moe.pool %2 from 3 count 4 max : tensor<7x20xf32> -> tensor<1x20xf32>
  return %3 : tensor<1x20xf32>
}

// -----

// Queries, keys and values are a product each; each head of the first two, 20
// channels in two panels, is a row of its own to the norm. One query asks, and
// keys are made all the same.
moe.param @w : tensor<40x1x4x4xf32>
moe.param @qkv : tensor<120x40xf32>
moe.param @proj : tensor<40x40xf32>
moe.param @b : tensor<40xf32>
moe.param @qg : tensor<20xf32>
moe.param @qs : tensor<20xf32>
moe.param @kg : tensor<20xf32>
moe.param @ks : tensor<20xf32>
// CHECK-LABEL: func.func @run(
// CHECK: moe.weights @qkv.packed : memref<12x48x16xf32>
// CHECK: %[[Q:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x4x16xf32>)
// CHECK: tensor.expand_shape %[[Q]] {{.*}} : tensor<1x4x16xf32> into tensor<1x2x2x16xf32>
// CHECK: tensor.collapse_shape %{{.*}} : tensor<1x2x2x16xf32> into tensor<2x2x16xf32>
// CHECK: math.rsqrt
// CHECK: moe.weights @qg.lanes : memref<2x16xf32>
// CHECK: moe.weights @qs.lanes : memref<2x16xf32>
// CHECK: tensor.extract_slice %{{.*}}[4, 0, 0] [4, 48, 16]
// CHECK: %[[K:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x4x16xf32>)
// CHECK: tensor.expand_shape %[[K]] {{.*}} : tensor<4x4x16xf32> into tensor<4x2x2x16xf32>
// CHECK: tensor.collapse_shape %{{.*}} : tensor<4x2x2x16xf32> into tensor<8x2x16xf32>
// CHECK: moe.weights @kg.lanes : memref<2x16xf32>
// CHECK: moe.weights @ks.lanes : memref<2x16xf32>
// CHECK: tensor.extract_slice %{{.*}}[8, 0, 0] [4, 48, 16]
// CHECK: math.exp
// CHECK: moe.weights @proj.packed
func.func @run(%image: tensor<1x8x8xf32>) -> tensor<1x40xf32> {
  %w = moe.get @w : tensor<40x1x4x4xf32>
  %x = moe.patch_embed %image, %w : tensor<1x8x8xf32>, tensor<40x1x4x4xf32> -> tensor<4x40xf32>
  %qkv = moe.get @qkv : tensor<120x40xf32>
  %proj = moe.get @proj : tensor<40x40xf32>
  %b = moe.get @b : tensor<40xf32>
  %qg = moe.get @qg : tensor<20xf32>
  %qs = moe.get @qs : tensor<20xf32>
  %kg = moe.get @kg : tensor<20xf32>
  %ks = moe.get @ks : tensor<20xf32>
  %0 = moe.attention %x qkv(%qkv) proj(%proj, %b) norms(%qg, %qs, %kg, %ks) eps 1.0e-3 heads 2 scale 1.0
      : tensor<4x40xf32>, tensor<120x40xf32>, tensor<40x40xf32>, tensor<40xf32>,
        tensor<20xf32>, tensor<20xf32>, tensor<20xf32>, tensor<20xf32> -> tensor<1x40xf32>
  return %0 : tensor<1x40xf32>
}

// -----

// Two answers make one.
moe.param @w : tensor<16x1x8x8xf32>
moe.param @h0 : tensor<10x16xf32>
moe.param @h1 : tensor<10x16xf32>
moe.param @b : tensor<10xf32>
// CHECK-LABEL: func.func @run(
// CHECK-DAG: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
// CHECK: moe.weights @h0.packed
// CHECK: moe.weights @h1.packed
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: arith.addf
// CHECK: arith.mulf %{{.*}}, %[[HALF]]
func.func @run(%image: tensor<1x8x8xf32>) -> tensor<1x10xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %x = moe.patch_embed %image, %w : tensor<1x8x8xf32>, tensor<16x1x8x8xf32> -> tensor<1x16xf32>
  %h0 = moe.get @h0 : tensor<10x16xf32>
  %h1 = moe.get @h1 : tensor<10x16xf32>
  %b = moe.get @b : tensor<10xf32>
  %0 = moe.head %x weight(%h0, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  %1 = moe.head %x weight(%h1, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  %2 = moe.average %0, %1 : tensor<1x10xf32>
  return %2 : tensor<1x10xf32>
}
