// Ops of ViT variants: each error of the verifiers.
// RUN: moe-opt %s --split-input-file --verify-diagnostics

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op prefix of 2 tokens needs an offset with a row per token}}
  %0 = moe.patch_embed %i, %w prefix 2 : tensor<3x8x8xf32>, tensor<16x3x4x4xf32> -> tensor<6x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %t: tensor<2x1x16xf32>) {
  // expected-error@+1 {{'moe.class_token' op expected token of shape [1, 1, 16], found 'tensor<2x1x16xf32>'}}
  %0 = moe.class_token %x, %t : tensor<4x16xf32>, tensor<2x1x16xf32> -> tensor<6x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %t: tensor<1x3x16xf32>) {
  // expected-error@+1 {{'moe.class_token' op expected result of shape [7, 16], found 'tensor<5x16xf32>'}}
  %0 = moe.class_token %x, %t : tensor<4x16xf32>, tensor<1x3x16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{'moe.layer_scale' op expected gamma of shape [16], found 'tensor<4xf32>'}}
  %0 = moe.layer_scale %x, %g : tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

moe.param @w : tensor<2x3x4xf32>
moe.param @g : tensor<2xf32>
moe.param @q : tensor<2x3x4xf32> = {
  %w = moe.get @w : tensor<2x3x4xf32>
  %g = moe.get @g : tensor<2xf32>
  // expected-error@+1 {{'moe.scale_outputs' op expected a vector or a matrix, found 'tensor<2x3x4xf32>'}}
  %0 = moe.scale_outputs %w, %g : tensor<2x3x4xf32>, tensor<2xf32>
  moe.yield %0 : tensor<2x3x4xf32>
}

// -----

moe.param @w : tensor<2x3xf32>
moe.param @g : tensor<3xf32>
moe.param @q : tensor<2x3xf32> = {
  %w = moe.get @w : tensor<2x3xf32>
  %g = moe.get @g : tensor<3xf32>
  // expected-error@+1 {{'moe.scale_outputs' op expected factors of shape [2], found 'tensor<3xf32>'}}
  %0 = moe.scale_outputs %w, %g : tensor<2x3xf32>, tensor<3xf32>
  moe.yield %0 : tensor<2x3xf32>
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+2 {{expected 4 or 5 operand types, or 4 more with norms, found 6}}
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) norms(%pb, %pb) eps 0.0 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %pw: tensor<16x16xf32>, %pb: tensor<16xf32>, %n: tensor<8xf32>) {
  // expected-error@+1 {{'moe.attention' op norms and eps come together}}
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) norms(%n, %n, %n, %n) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op norms and eps come together}}
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) eps 1.0e-3 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %pw: tensor<16x16xf32>, %pb: tensor<16xf32>, %n: tensor<8xf32>) {
  // expected-error@+1 {{'moe.attention' op expected keys' scale of shape [8], found 'tensor<16xf32>'}}
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) norms(%n, %n, %pb, %n) eps 0.0 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<8xf32>, tensor<8xf32>, tensor<16xf32>, tensor<8xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %n: tensor<8xf32>) {
  // expected-error@+1 {{'moe.attend' op expected 4 norms or none, found 2}}
  %0 = moe.attend %x, %x, %x norms(%n, %n) eps 0.0 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>, tensor<8xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %n: tensor<8xf32>) {
  // expected-error@+1 {{'moe.attend' op eps must be finite and not negative, found -1}}
  %0 = moe.attend %x, %x, %x norms(%n, %n, %n, %n) eps -1.0 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  return
}
