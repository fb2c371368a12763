// Scales can be observed where the function returns all of them.
// RUN: moe-opt %s "--moe-set-precision=precision=int8 observe" --split-input-file --verify-diagnostics

moe.param @w : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
func.func @branches(%x: tensor<5x8xf32>, %c: i1) -> tensor<5x8xf32> {
  cf.cond_br %c, ^bb1, ^bb2
^bb1:
  %w = moe.get @w : tensor<8x8xf32>
  %b = moe.get @b : tensor<8xf32>
  // expected-error@+1 {{cannot be observed: expected all scales in one function without branches}}
  %0 = moe.mlp %x fc1(%w, %b) fc2(%w, %b) gelu : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
  cf.br ^bb2
^bb2:
  return %x : tensor<5x8xf32>
}
