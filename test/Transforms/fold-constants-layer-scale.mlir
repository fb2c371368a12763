// LayerScale's factors go into the last weight and bias of the branch.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s

moe.param @qkv.w : tensor<24x8xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
moe.param @g : tensor<8xf32>
// CHECK: moe.param @proj.w.times.g : tensor<8x8xf32> = {
// CHECK:   %[[W:.*]] = moe.get @proj.w :
// CHECK:   %[[G:.*]] = moe.get @g :
// CHECK:   moe.scale_outputs %[[W]], %[[G]]
// CHECK: moe.param @proj.b.times.g : tensor<8xf32> = {
// CHECK-LABEL: func.func @attention(
// CHECK-DAG: %[[W:.*]] = moe.get @proj.w.times.g :
// CHECK-DAG: %[[B:.*]] = moe.get @proj.b.times.g :
// CHECK: %[[A:.*]] = moe.attention %{{.*}} proj(%[[W]], %[[B]])
// CHECK-NOT: moe.layer_scale
// CHECK: arith.addf %{{.*}}, %[[A]]
func.func @attention(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %g = moe.get @g : tensor<8xf32>
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  %1 = moe.layer_scale %0, %g : tensor<5x8xf32>, tensor<8xf32>
  %2 = arith.addf %x, %1 : tensor<5x8xf32>
  return %2 : tensor<5x8xf32>
}

// -----

// Of every expert, and of an MLP beside them.
moe.param @w1 : tensor<16x8xf32>
moe.param @b1 : tensor<16xf32>
moe.param @w2 : tensor<8x16xf32>
moe.param @b2 : tensor<8xf32>
moe.param @e1.w2 : tensor<8x16xf32> in "expert.1"
moe.param @g : tensor<8xf32>
// CHECK: moe.param @w2.times.g : tensor<8x16xf32> = {
// CHECK: moe.param @e1.w2.times.g : tensor<8x16xf32> in "expert.1" = {
// CHECK-LABEL: func.func @experts(
// CHECK: moe.experts
// CHECK: %[[W:.*]] = moe.get @w2.times.g :
// CHECK: %[[B:.*]] = moe.get @b2.times.g :
// CHECK: moe.mlp {{.*}} fc2(%[[W]], %[[B]])
// CHECK: %[[W:.*]] = moe.get @e1.w2.times.g :
// CHECK: moe.mlp {{.*}} fc2(%[[W]], %{{.*}})
// CHECK: %[[W:.*]] = moe.get @w2.times.g :
// CHECK: moe.mlp {{.*}} fc2(%[[W]], %{{.*}})
// CHECK-NOT: moe.layer_scale
func.func @experts(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %gate: tensor<1xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %0 = moe.experts %x routed(%e, %gate) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w1 = moe.get @w1 : tensor<16x8xf32>
    %b1 = moe.get @b1 : tensor<16xf32>
    %w2 = moe.get @w2 : tensor<8x16xf32>
    %b2 = moe.get @b2 : tensor<8xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %w1 = moe.get @w1 : tensor<16x8xf32>
    %b1 = moe.get @b1 : tensor<16xf32>
    %w2 = moe.get @e1.w2 : tensor<8x16xf32>
    %b2 = moe.get @b2 : tensor<8xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  %w1 = moe.get @w1 : tensor<16x8xf32>
  %b1 = moe.get @b1 : tensor<16xf32>
  %w2 = moe.get @w2 : tensor<8x16xf32>
  %b2 = moe.get @b2 : tensor<8xf32>
  %1 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
  %2 = arith.addf %0, %1 : tensor<5x8xf32>
  %3 = moe.layer_scale %2, %g : tensor<5x8xf32>, tensor<8xf32>
  return %3 : tensor<5x8xf32>
}

// -----

// What another reads too, or an op without a weight makes, stays as it is.
moe.param @w1 : tensor<16x8xf32>
moe.param @b1 : tensor<16xf32>
moe.param @w2 : tensor<8x16xf32>
moe.param @b2 : tensor<8xf32>
moe.param @g : tensor<8xf32>
// CHECK-NOT: times
// CHECK-LABEL: func.func @read_twice(
// CHECK: moe.layer_scale
func.func @read_twice(%x: tensor<5x8xf32>) -> (tensor<5x8xf32>, tensor<5x8xf32>) {
  %w1 = moe.get @w1 : tensor<16x8xf32>
  %b1 = moe.get @b1 : tensor<16xf32>
  %w2 = moe.get @w2 : tensor<8x16xf32>
  %b2 = moe.get @b2 : tensor<8xf32>
  %g = moe.get @g : tensor<8xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
  %1 = moe.layer_scale %0, %g : tensor<5x8xf32>, tensor<8xf32>
  return %0, %1 : tensor<5x8xf32>, tensor<5x8xf32>
}
// CHECK-LABEL: func.func @sum_with_residual(
// CHECK: arith.addf
// CHECK: moe.layer_scale
func.func @sum_with_residual(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w1 = moe.get @w1 : tensor<16x8xf32>
  %b1 = moe.get @b1 : tensor<16xf32>
  %w2 = moe.get @w2 : tensor<8x16xf32>
  %b2 = moe.get @b2 : tensor<8xf32>
  %g = moe.get @g : tensor<8xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
  %1 = arith.addf %0, %x : tensor<5x8xf32>
  %2 = moe.layer_scale %1, %g : tensor<5x8xf32>, tensor<8xf32>
  return %2 : tensor<5x8xf32>
}

// -----

// The largest of normalised tokens is no norm of the largest: its scale stays.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @w : tensor<3x8xf32>
moe.param @b : tensor<3xf32>
// CHECK-LABEL: func.func @largest(
// CHECK: moe.layer_norm %{{.*}} affine(
// CHECK: moe.head {{.*}} weight(%{{.*}}, %{{.*}})
func.func @largest(%x: tensor<5x8xf32>) -> tensor<1x3xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %p = moe.pool %n from 0 count 5 max : tensor<5x8xf32> -> tensor<1x8xf32>
  %w = moe.get @w : tensor<3x8xf32>
  %b = moe.get @b : tensor<3xf32>
  %0 = moe.head %p weight(%w, %b) : tensor<1x8xf32>, tensor<3x8xf32>, tensor<3xf32> -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}
