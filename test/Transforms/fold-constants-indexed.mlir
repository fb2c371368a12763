// Experts merged before the fold: the norm keeps its scale and shift, or every
// entry of the experts' tables takes them over. Lost they must not be.
// RUN: moe-opt %s --moe-fold-constants | FileCheck %s

moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @e0.w : tensor<8x8xf32> in "expert.0"
moe.param @e0.b : tensor<8xf32> in "expert.0"
moe.param @e1.w : tensor<8x8xf32> in "expert.1"
moe.param @e1.b : tensor<8xf32> in "expert.1"
moe.param_table @w [@e0.w, @e1.w] : tensor<8x8xf32>
moe.param_table @b [@e0.b, @e1.b] : tensor<8xf32>
// CHECK: {{moe.layer_norm .* affine|moe.scale_columns}}
func.func @experts(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %gates: tensor<1xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %0 = moe.experts %n routed(%e, %gates) indexed 2 : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>, %i: index):
    %w = moe.get @w[%i] : tensor<8x8xf32>
    %b = moe.get @b[%i] : tensor<8xf32>
    %h = moe.head %t weight(%w, %b) : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
    moe.yield %h : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
