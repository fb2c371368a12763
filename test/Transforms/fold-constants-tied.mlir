// Parameters with more than one reader: what one reader needs must not reach
// the others.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s

// Both layers of the MLP read the same weight; only the first follows the norm.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @w : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
// CHECK-LABEL: func.func @both_layers(
// CHECK-DAG: %[[OLD:.*]] = moe.get @w : tensor
// CHECK-DAG: %[[NEW:.*]] = moe.get @w.after.g : tensor
// CHECK: moe.mlp %{{.*}} fc1(%[[NEW]], %{{.*}}) fc2(%[[OLD]], %{{.*}})
func.func @both_layers(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @w : tensor<8x8xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.mlp %n fc1(%w, %b) fc2(%w, %b) relu
      : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
  return %0 : tensor<5x8xf32>
}

// -----

// Two norms share the scale, not the shift: two biases.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @t : tensor<8xf32>
moe.param @w : tensor<4x8xf32>
moe.param @b : tensor<4xf32>
// CHECK-DAG: moe.get @s :
// CHECK-DAG: moe.get @t :
// CHECK-LABEL: func.func @shared_scale(
func.func @shared_scale(%x: tensor<1x8xf32>) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %t = moe.get @t : tensor<8xf32>
  %w = moe.get @w : tensor<4x8xf32>
  %b = moe.get @b : tensor<4xf32>
  %0 = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %1 = moe.layer_norm %x affine(%g, %t) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %2 = moe.head %0 weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  %3 = moe.head %1 weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %2, %3 : tensor<1x4xf32>, tensor<1x4xf32>
}

// -----

// Two attentions share the weight, not the scale: two weights.
moe.param @qkv.w : tensor<24x8xf32>
moe.param @qkv.b : tensor<24xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
// CHECK-DAG: moe.scale_rows %{{.*}} count 8 by 5.000000e-01 : tensor<24x8xf32>
// CHECK-DAG: moe.scale_rows %{{.*}} count 8 by 2.500000e-01 : tensor<24x8xf32>
// CHECK-LABEL: func.func @two_scales(
func.func @two_scales(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %b = moe.get @qkv.b : tensor<24xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  %1 = moe.attention %0 qkv(%w, %b) proj(%pw, %pb) heads 2 scale 0.25
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return %1 : tensor<5x8xf32>
}
