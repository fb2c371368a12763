// RUN: moe-opt %s --convert-moe-to-linalg --split-input-file --verify-diagnostics

// expected-error@+1 {{'builtin.module' op has no function @run}}
module {
  func.func @walk() { return }
}

// -----

// expected-error@+1 {{'builtin.module' op has no function @run}}
module {
  func.func private @run(tensor<1x8x8xf32>) -> tensor<1x16xf32>
}

// -----

// expected-error@+1 {{'func.func' op must take an image and return logits and a pair per router}}
func.func @run(%x: tensor<1x8x8xf32>, %y: tensor<1x16xf32>) -> tensor<1x16xf32> {
  return %y : tensor<1x16xf32>
}

// -----

// expected-error@+1 {{'func.func' op must take an image and return logits and a pair per router}}
func.func @run(%x: tensor<1x8x8xf32>) {
  return
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
moe.param @b : tensor<16xf32>
moe.param @c : tensor<1xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x1xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %b = moe.get @b : tensor<16xf32>
  %c = moe.get @c : tensor<1xf32>
  %0 = moe.patch_embed %x, %w, %b : tensor<1x8x8xf32>, tensor<16x1x8x8xf32>, tensor<16xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{'moe.head' op cannot be lowered: a weight is no moe.get}}
  %1 = moe.head %0 weight(%0, %c) : tensor<1x16xf32>, tensor<1x16xf32>, tensor<1xf32> -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
moe.param @b : tensor<16xf32>
moe.param @r : tensor<2x16xf32>
// expected-error@+1 {{needs one entry of moe.route_layers for each pair of experts and gates}}
func.func @run(%x: tensor<1x8x8xf32>) -> (tensor<1x16xf32>, tensor<1xindex>, tensor<1xf32>) {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %b = moe.get @b : tensor<16xf32>
  %r = moe.get @r : tensor<2x16xf32>
  %0 = moe.patch_embed %x, %w, %b : tensor<1x8x8xf32>, tensor<16x1x8x8xf32>, tensor<16xf32> -> tensor<1x16xf32>
  %e, %g = moe.router %0 weight(%r) : tensor<1x16xf32>, tensor<2x16xf32> -> tensor<1xindex>, tensor<1xf32>
  return %0, %e, %g : tensor<1x16xf32>, tensor<1xindex>, tensor<1xf32>
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
moe.param @b : tensor<16xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %b = moe.get @b : tensor<16xf32>
  %0 = moe.patch_embed %x, %w, %b : tensor<1x8x8xf32>, tensor<16x1x8x8xf32>, tensor<16xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{'arith.mulf' op cannot be lowered to linalg}}
  %1 = arith.mulf %0, %0 : tensor<1x16xf32>
  return %1 : tensor<1x16xf32>
}
