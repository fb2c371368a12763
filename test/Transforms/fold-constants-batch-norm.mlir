// A batch normalisation becomes part of the convolution before it.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s

moe.param @w : tensor<4x3x3x3xf32>
moe.param @g : tensor<4xf32>
moe.param @b : tensor<4xf32>
moe.param @m : tensor<4xf32>
moe.param @v : tensor<4xf32>
// CHECK: moe.param @w.with.g : tensor<4x3x3x3xf32> = {
// CHECK-DAG: %[[W:.*]] = moe.get @w :
// CHECK-DAG: %[[G:.*]] = moe.get @g :
// CHECK-DAG: %[[V:.*]] = moe.get @v :
// CHECK: moe.norm_weight %[[W]] scale(%[[G]]) variance(%[[V]]) eps 1.000000e-03
// CHECK: moe.param @b.as.bias : tensor<4xf32> = {
// CHECK-DAG: %[[B:.*]] = moe.get @b :
// CHECK-DAG: %[[G:.*]] = moe.get @g :
// CHECK-DAG: %[[M:.*]] = moe.get @m :
// CHECK-DAG: %[[V:.*]] = moe.get @v :
// CHECK: moe.norm_bias scale(%[[G]], %[[B]]) statistics(%[[M]], %[[V]]) eps 1.000000e-03 : tensor<4xf32>
// CHECK-LABEL: func.func @plain(
// CHECK-DAG: %[[W:.*]] = moe.get @w.with.g :
// CHECK-DAG: %[[B:.*]] = moe.get @b.as.bias :
// CHECK: %[[Y:.*]] = moe.conv %{{.*}}, %[[W]] bias(%[[B]]) stride [2, 1] padding [1, 0] :
// CHECK-NOT: moe.batch_norm
// CHECK: return %[[Y]]
func.func @plain(%x: tensor<3x8x8xf32>) -> tensor<4x4x6xf32> {
  %w = moe.get @w : tensor<4x3x3x3xf32>
  %0 = moe.conv %x, %w stride [2, 1] padding [1, 0] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x4x6xf32>
  %g = moe.get @g : tensor<4xf32>
  %b = moe.get @b : tensor<4xf32>
  %m = moe.get @m : tensor<4xf32>
  %v = moe.get @v : tensor<4xf32>
  %1 = moe.batch_norm %0 scale(%g, %b) statistics(%m, %v) eps 1.0e-3 : tensor<4x4x6xf32>, tensor<4xf32>
  return %1 : tensor<4x4x6xf32>
}

// -----

moe.param @w : tensor<4x1x3x3xf32>
moe.param @c : tensor<4xf32>
moe.param @g : tensor<4xf32>
moe.param @b : tensor<4xf32>
// CHECK: moe.param @b.as.bias
// CHECK: %[[C:.*]] = moe.get @c :
// CHECK: moe.norm_bias {{.*}} plus %[[C]] : tensor<4xf32>, tensor<4xf32>
// CHECK-LABEL: func.func @bias(
// CHECK: moe.conv {{.*}} depthwise
// CHECK-NOT: moe.batch_norm
func.func @bias(%x: tensor<4x8x8xf32>) -> tensor<4x6x6xf32> {
  %w = moe.get @w : tensor<4x1x3x3xf32>
  %c = moe.get @c : tensor<4xf32>
  %0 = moe.conv %x, %w bias(%c) stride [1, 1] padding [0, 0] depthwise : tensor<4x8x8xf32>, tensor<4x1x3x3xf32>, tensor<4xf32> -> tensor<4x6x6xf32>
  %g = moe.get @g : tensor<4xf32>
  %b = moe.get @b : tensor<4xf32>
  %1 = moe.batch_norm %0 scale(%g, %b) statistics(%b, %g) eps 1.0e-3 : tensor<4x6x6xf32>, tensor<4xf32>
  return %1 : tensor<4x6x6xf32>
}

// -----

moe.param @w : tensor<4x4x1x1xf32>
moe.param @g : tensor<4xf32>
// Somebody else reads the convolution.
// CHECK-LABEL: func.func @two_readers(
// CHECK: moe.batch_norm
func.func @two_readers(%x: tensor<4x8x8xf32>) -> tensor<4x8x8xf32> {
  %w = moe.get @w : tensor<4x4x1x1xf32>
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] : tensor<4x8x8xf32>, tensor<4x4x1x1xf32> -> tensor<4x8x8xf32>
  %g = moe.get @g : tensor<4xf32>
  %1 = moe.batch_norm %0 scale(%g, %g) statistics(%g, %g) eps 1.0e-3 : tensor<4x8x8xf32>, tensor<4xf32>
  %2 = arith.addf %0, %1 : tensor<4x8x8xf32>
  return %2 : tensor<4x8x8xf32>
}

// -----

moe.param @w : tensor<4x4x1x1xf32>
moe.param @g : tensor<4xf32>
// A weight that is no parameter, and no convolution.
// CHECK-LABEL: func.func @others(
// CHECK: moe.batch_norm
// CHECK: moe.batch_norm
func.func @others(%x: tensor<4x8x8xf32>, %v: tensor<4xf32>) -> tensor<4x8x8xf32> {
  %w = moe.get @w : tensor<4x4x1x1xf32>
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] : tensor<4x8x8xf32>, tensor<4x4x1x1xf32> -> tensor<4x8x8xf32>
  %g = moe.get @g : tensor<4xf32>
  %1 = moe.batch_norm %0 scale(%g, %g) statistics(%g, %v) eps 1.0e-3 : tensor<4x8x8xf32>, tensor<4xf32>
  %2 = moe.batch_norm %1 scale(%g, %g) statistics(%g, %g) eps 1.0e-3 : tensor<4x8x8xf32>, tensor<4xf32>
  return %2 : tensor<4x8x8xf32>
}
