// RUN: not moe-opt %s --convert-moe-to-linalg=column-bits=7 2>&1 | FileCheck %s

// CHECK: error: column-bits is 7, expected 32 or 64
moe.param @w : tensor<16x1x2x2xf32>
func.func @run(%x: tensor<1x2x2xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x2x2xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x2x2xf32>, tensor<16x1x2x2xf32> -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}
