// RUN: moe-opt %s --convert-moe-to-linalg --verify-diagnostics

// The recipe of a router's weight names one scale.
moe.param @w : tensor<16x1x8x8xf32>
moe.param @b : tensor<16xf32>
moe.param @mu : tensor<16x4x4xf32>
moe.param @s0 : tensor<1xf32>
moe.param @s1 : tensor<1xf32>
moe.param_table @s [@s0, @s1] : tensor<1xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %b = moe.get @b : tensor<16xf32>
  %0 = moe.patch_embed %x, %w, %b : tensor<1x8x8xf32>, tensor<16x1x8x8xf32>, tensor<16xf32> -> tensor<1x16xf32>
  %1 = moe.slot_experts %0 indexed 1 : tensor<1x16xf32> {
  ^bb0(%t: tensor<1x16xf32>, %e: index):
    %mu = moe.get @mu : tensor<16x4x4xf32>
    %s = moe.get @s[%e] : tensor<1xf32>
    // expected-error@+1 {{'moe.slot_logits' op cannot be lowered: the scale is an expert's own}}
    %l = moe.slot_logits %t mu(%mu) scale(%s) : tensor<1x16xf32>, tensor<16x4x4xf32>, tensor<1xf32> -> tensor<1x16xf32>
    moe.yield %l : tensor<1x16xf32>
  }
  return %1 : tensor<1x16xf32>
}
