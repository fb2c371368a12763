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

// -----

// Gates are not tokens, whatever their shape.
moe.param @w : tensor<16x1x8x8xf32>
moe.param @r : tensor<1x16xf32>
moe.param @h : tensor<1x1xf32>
moe.param @b : tensor<1xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x1xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %r = moe.get @r : tensor<1x16xf32>
  %h = moe.get @h : tensor<1x1xf32>
  %b = moe.get @b : tensor<1xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x8x8xf32>, tensor<16x1x8x8xf32> -> tensor<1x16xf32>
  %t, %g, %n, %m = moe.token_router %0 weight(%r) top_k 1 : tensor<1x16xf32>, tensor<1x16xf32> -> tensor<1x1xindex>, tensor<1x1xf32>, tensor<1xindex>, tensor<1xf32>
  // expected-error@+1 {{cannot be lowered: operand 0 is a router's gates, not tokens}}
  %1 = moe.head %g weight(%h, %b) : tensor<1x1xf32>, tensor<1x1xf32>, tensor<1xf32> -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
moe.param @v : tensor<16x16xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %v = moe.get @v : tensor<16x16xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x8x8xf32>, tensor<16x1x8x8xf32> -> tensor<1x16xf32>
  %1 = moe.linear %0 weight(%v) groups(4, 16) : tensor<1x16xf32>, tensor<16x16xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{cannot be lowered: operand 0 comes in other groups of channels}}
  return %1 : tensor<1x16xf32>
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
moe.param @v : tensor<16x16xf32>
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %v = moe.get @v : tensor<16x16xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x8x8xf32>, tensor<16x1x8x8xf32> -> tensor<1x16xf32>
  %1 = moe.linear %0 weight(%v) groups(4, 16) : tensor<1x16xf32>, tensor<16x16xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{cannot be lowered: its operands come in different groups}}
  %2 = arith.addf %0, %1 : tensor<1x16xf32>
  return %2 : tensor<1x16xf32>
}

// -----

moe.param @w : tensor<1x1x1x1xf32>
func.func @run(%x: tensor<1x1x33554432xf32>) -> tensor<1x1xf32> {
  %w = moe.get @w : tensor<1x1x1x1xf32>
  // expected-error@+1 {{cannot be lowered: a dimension of more than 16777216}}
  %0 = moe.patch_embed %x, %w : tensor<1x1x33554432xf32>, tensor<1x1x1x1xf32> -> tensor<33554432x1xf32>
  %1 = moe.slice_tokens %0 from 0 : tensor<33554432x1xf32> -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

moe.param @w : tensor<16x1x8x8xf32>
// expected-error@+1 {{is used, but its type changes}}
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x8x8xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x8x8xf32>, tensor<16x1x8x8xf32> -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}
func.func @caller(%x: tensor<1x8x8xf32>) -> tensor<1x16xf32> {
  %0 = call @run(%x) : (tensor<1x8x8xf32>) -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}

// -----

// Attention among tokens whose number is known at run time only.
moe.param @w : tensor<16x1x2x2xf32>
moe.param @r : tensor<1x16xf32>
moe.param @qkv : tensor<48x16xf32>
moe.param @proj : tensor<16x16xf32>
moe.param @b : tensor<16xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<16x1x2x2xf32>
  %r = moe.get @r : tensor<1x16xf32>
  %0 = moe.patch_embed %x, %w : tensor<1x4x4xf32>, tensor<16x1x2x2xf32> -> tensor<4x16xf32>
  %t, %g, %n, %m = moe.token_router %0 weight(%r) top_k 1 : tensor<4x16xf32>, tensor<1x16xf32> -> tensor<1x4xindex>, tensor<1x4xf32>, tensor<1xindex>, tensor<1xf32>
  %1 = moe.token_experts %0 took(%t, %g, %n) : tensor<4x16xf32>, tensor<1x4xindex>, tensor<1x4xf32>, tensor<1xindex> {
  ^bb0(%group: tensor<4x16xf32>):
    %qkv = moe.get @qkv : tensor<48x16xf32>
    %proj = moe.get @proj : tensor<16x16xf32>
    %b = moe.get @b : tensor<16xf32>
    // expected-error@+1 {{cannot be lowered: operand 0 has as many tokens as are known at run time only}}
    %y = moe.attention %group qkv(%qkv) proj(%proj, %b) heads 2 scale 1.0 : tensor<4x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
    moe.yield %y : tensor<4x16xf32>
  }
  %2 = moe.slice_tokens %1 from 0 : tensor<4x16xf32> -> tensor<1x16xf32>
  return %2 : tensor<1x16xf32>
}
