// Without a router there are no routes.
// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s

moe.param @w : tensor<16x1x8x8xf32>
moe.param @b : tensor<16xf32>
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %{{.*}}: memref<1x8x8xf32>, %{{.*}}: memref<16xf32>) -> i32
// CHECK-NOT: memref.store
func.func @run(%image: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %b = moe.get @b : tensor<16xf32>
  %x = moe.patch_embed %image, %w, %b : tensor<1x8x8xf32>, tensor<16x1x8x8xf32>, tensor<16xf32> -> tensor<1x16xf32>
  return %x : tensor<1x16xf32>
}
