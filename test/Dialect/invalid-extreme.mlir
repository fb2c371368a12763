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

// -----

func.func @f(%x: tensor<1x9223372036854775807xf32>, %w: tensor<9223372036854775807x9223372036854775807xf32>, %b: tensor<9223372036854775807xf32>) {
  // expected-error@+1 {{must be 2-D tensor of f32 with a static shape}}
  %0 = moe.attention %x qkv(%w) proj(%w, %b) heads 1 scale 1.0 : tensor<1x9223372036854775807xf32>, tensor<9223372036854775807x9223372036854775807xf32>, tensor<9223372036854775807x9223372036854775807xf32>, tensor<9223372036854775807xf32> -> tensor<1x9223372036854775807xf32>
  return
}

// -----

func.func @f(%i: tensor<9223372036854775807x4x4xf32>) {
  // expected-error@+1 {{must be [channels, height, width] tensor of f32 with a static shape}}
  %0 = moe.patches %i size 4, 4 : tensor<9223372036854775807x4x4xf32> -> tensor<1x9223372036854775807xf32>
  return
}

// -----

func.func @f(%i: tensor<1x4x4xf32>, %w: tensor<8x1x2x2xf32>, %o: tensor<4x8xf32>) {
  // expected-error@+1 {{prefix of 9223372036854775807 tokens exceeds the 4 tokens of the result}}
  %0 = moe.patch_embed %i, %w, %o prefix 9223372036854775807 : tensor<1x4x4xf32>, tensor<8x1x2x2xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

// expected-error@+1 {{attribute 'type' failed to satisfy constraint}}
moe.param @p : tensor<4611686018427387904x4xf32>

// -----

// expected-error@+1 {{offset must not exceed 1152921504606846976, found 9223372036854775807}}
moe.param @p : tensor<8xf32> at 9223372036854775807

// -----

func.func @f(%s: vector<4611686018427387904xf32>, %x: vector<8xbf16>) {
  // expected-error@+1 {{expected at most 1024 sums}}
  %0 = moe.dot %s, %x, %x : vector<4611686018427387904xf32>, vector<8xbf16>
  return
}
