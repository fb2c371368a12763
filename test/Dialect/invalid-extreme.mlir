// Dimensions of zero and numbers near the end of 64 bits: an error, no crash.
// RUN: moe-opt %s --split-input-file --verify-diagnostics

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x0x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x0x4xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x0xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x4x0xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

// expected-error@+1 {{attribute 'type' failed to satisfy constraint}}
moe.param @p : tensor<0x8xf32>

// -----

func.func @f(%x: tensor<5x8xf32>) {
  // expected-error@+1 {{are not within the 5 tokens}}
  %0 = moe.slice_tokens %x from 9223372036854775807 : tensor<5x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x8xf32>) {
  // expected-error@+1 {{are not within the 5 tokens}}
  %0 = moe.pool %x from 1 count 9223372036854775807 : tensor<5x8xf32> -> tensor<1x8xf32>
  return
}
