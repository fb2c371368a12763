// Every operation of a stem, with each of its optional parts: parse, print, parse.
// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

moe.param @w : tensor<4x3x2x5xf32>
moe.param @b : tensor<4xf32>
moe.param @g : tensor<4xf32>

// CHECK: moe.param @w.norm
// CHECK: moe.norm_weight %{{.*}} scale(%{{.*}}) variance(%{{.*}}) eps 1.000000e-05 : tensor<4x3x2x5xf32>, tensor<4xf32>
moe.param @w.norm : tensor<4x3x2x5xf32> = {
  %w = moe.get @w : tensor<4x3x2x5xf32>
  %g = moe.get @g : tensor<4xf32>
  %0 = moe.norm_weight %w scale(%g) variance(%g) eps 1.0e-5 : tensor<4x3x2x5xf32>, tensor<4xf32>
  moe.yield %0 : tensor<4x3x2x5xf32>
}

// CHECK: moe.param @b.norm
// CHECK: moe.norm_bias scale(%{{.*}}, %{{.*}}) statistics(%{{.*}}, %{{.*}}) eps 0.000000e+00 : tensor<4xf32>
// CHECK: moe.norm_bias scale(%{{.*}}, %{{.*}}) statistics(%{{.*}}, %{{.*}}) eps 1.000000e-05 plus %{{.*}} : tensor<4xf32>, tensor<4xf32>
moe.param @b.norm : tensor<4xf32> = {
  %b = moe.get @b : tensor<4xf32>
  %g = moe.get @g : tensor<4xf32>
  %0 = moe.norm_bias scale(%g, %b) statistics(%b, %g) eps 0.0 : tensor<4xf32>
  %1 = moe.norm_bias scale(%g, %b) statistics(%b, %g) eps 1.0e-5 plus %0 : tensor<4xf32>, tensor<4xf32>
  moe.yield %1 : tensor<4xf32>
}

// CHECK: moe.param @w.last
// CHECK: moe.permute %{{.*}} [0, 2, 3, 1] : tensor<4x3x2x5xf32> -> tensor<4x2x5x3xf32>
moe.param @w.last : tensor<4x2x5x3xf32> = {
  %w = moe.get @w : tensor<4x3x2x5xf32>
  %0 = moe.permute %w [0, 2, 3, 1] : tensor<4x3x2x5xf32> -> tensor<4x2x5x3xf32>
  moe.yield %0 : tensor<4x2x5x3xf32>
}

// CHECK-LABEL: func.func @stem(
func.func @stem(%x: tensor<3x9x9xf32>, %w: tensor<4x3x2x5xf32>, %v: tensor<4x1x3x3xf32>, %b: tensor<4xf32>) -> tensor<4x5x9xf32> {
  // CHECK: moe.conv %{{.*}}, %{{.*}} bias(%{{.*}}) stride [2, 1] padding [1, 2] : tensor<3x9x9xf32>, tensor<4x3x2x5xf32>, tensor<4xf32> -> tensor<4x5x9xf32>
  %0 = moe.conv %x, %w bias(%b) stride [2, 1] padding [1, 2] : tensor<3x9x9xf32>, tensor<4x3x2x5xf32>, tensor<4xf32> -> tensor<4x5x9xf32>
  // CHECK: moe.conv %{{.*}}, %{{.*}} stride [1, 1] padding [1, 1] depthwise : tensor<4x5x9xf32>, tensor<4x1x3x3xf32> -> tensor<4x5x9xf32>
  %1 = moe.conv %0, %v stride [1, 1] padding [1, 1] depthwise : tensor<4x5x9xf32>, tensor<4x1x3x3xf32> -> tensor<4x5x9xf32>
  // CHECK: moe.batch_norm %{{.*}} scale(%{{.*}}, %{{.*}}) statistics(%{{.*}}, %{{.*}}) eps 1.000000e-05 : tensor<4x5x9xf32>, tensor<4xf32>
  %2 = moe.batch_norm %1 scale(%b, %b) statistics(%b, %b) eps 1.0e-5 : tensor<4x5x9xf32>, tensor<4xf32>
  // CHECK: moe.activate %{{.*}} hardswish : tensor<4x5x9xf32>
  %3 = moe.activate %2 hardswish : tensor<4x5x9xf32>
  return %3 : tensor<4x5x9xf32>
}
