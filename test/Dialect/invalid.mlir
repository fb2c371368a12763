// Every message of the verifiers.
// RUN: moe-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

// expected-error@+1 {{'moe.param' op offset must not be negative, found -64}}
moe.param @p : tensor<4xf32> at -64

// -----

// expected-error@+1 {{'moe.param' op attribute 'type' failed to satisfy constraint: type attribute of statically shaped tensor of f32, bf16, i8 or i32}}
moe.param @p : tensor<4xf64>

// -----

// expected-error@+1 {{'moe.param' op attribute 'type' failed to satisfy constraint: type attribute of statically shaped tensor of f32, bf16, i8 or i32}}
moe.param @p : tensor<?xf32>

// -----

moe.param @p : tensor<4xf32>
// expected-error@+1 {{'moe.param' op recipe must yield a 'tensor<8xf32>'}}
moe.param @q : tensor<8xf32> = {
  %0 = moe.get @p : tensor<4xf32>
  moe.yield %0 : tensor<4xf32>
}

// -----

// expected-error@+1 {{'moe.param' op expects a non-empty block}}
moe.param @q : tensor<8xf32> = {
^bb0:
}

// -----

moe.param @p : tensor<4xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4xf32>
  // expected-error@+1 {{'arith.addf' op is no weight expression, in the recipe of "q"}}
  %1 = arith.addf %0, %0 : tensor<4xf32>
  moe.yield %1 : tensor<4xf32>
}

// -----

moe.param @p : tensor<4xf32>
moe.param_table @t [@p] : tensor<4xf32>
moe.param @q : tensor<4xf32> = {
  // expected-error@+1 {{'arith.constant' op is no weight expression, in the recipe of "q"}}
  %e = arith.constant 0 : index
  %0 = moe.get @t[%e] : tensor<4xf32>
  moe.yield %0 : tensor<4xf32>
}

// -----

func.func @f() {
  // expected-error@+1 {{'moe.param' op expects parent op 'builtin.module'}}
  moe.param @p : tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'moe.yield' op expects parent op to be one of 'moe.param, moe.experts, moe.token_experts, moe.slot_experts'}}
  moe.yield %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{'moe.param_table' op needs at least one parameter}}
moe.param_table @t [] : tensor<4xf32>

// -----

// expected-error@+1 {{'moe.param_table' op @nowhere is no moe.param}}
moe.param_table @t [@nowhere] : tensor<4xf32>

// -----

func.func private @g()
// expected-error@+1 {{'moe.param_table' op @g is no moe.param}}
moe.param_table @t [@g] : tensor<4xf32>

// -----

moe.param @p : tensor<4xf32>
moe.param @q : tensor<8xf32>
// expected-error@+1 {{'moe.param_table' op @q has type 'tensor<8xf32>', the table's is 'tensor<4xf32>'}}
moe.param_table @t [@p, @q] : tensor<4xf32>

// -----

func.func @f() {
  // expected-error@+1 {{'moe.get' op @nowhere is no moe.param}}
  %0 = moe.get @nowhere : tensor<4xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
func.func @f(%e: index) {
  // expected-error@+1 {{'moe.get' op @p is no moe.param_table}}
  %0 = moe.get @p[%e] : tensor<4xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
moe.param_table @t [@p] : tensor<4xf32>
func.func @f() {
  // expected-error@+1 {{'moe.get' op @t is no moe.param}}
  %0 = moe.get @t : tensor<4xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
func.func @f() {
  // expected-error@+1 {{'moe.get' op @p has type 'tensor<4xf32>', the result's is 'tensor<8xf32>'}}
  %0 = moe.get @p : tensor<8xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
moe.param_table @t [@p] : tensor<4xf32>
func.func @f(%e: index) {
  // expected-error@+1 {{'moe.get' op @t has type 'tensor<4xf32>', the result's is 'tensor<4x1xf32>'}}
  %0 = moe.get @t[%e] : tensor<4x1xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
func.func @f() {
  // expected-error@+1 {{'moe.weights' op expected the default layout, found 'memref<4xf32, strided<[2]>>'}}
  %0 = moe.weights @p : memref<4xf32, strided<[2]>>
  return
}

// -----

moe.param @p : tensor<4xf32>
func.func @f() {
  // expected-error@+1 {{'moe.weights' op @p has type 'tensor<4xf32>', the result's is 'tensor<8xf32>'}}
  %0 = moe.weights @p : memref<8xf32>
  return
}

// -----

moe.param @p : tensor<4xf32>
func.func @f(%e: index) {
  // expected-error@+1 {{'moe.weights' op @p is no moe.param_table}}
  %0 = moe.weights @p[%e] : memref<4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x1x4x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op weight takes 1 channels, but the image has 3}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x1x4x4xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x3x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op a patch of 3x4 does not divide the image of 8x8}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x3x4xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x5xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op a patch of 4x5 does not divide the image of 8x8}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x4x5xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op prefix of 1 tokens needs an offset with a row per token}}
  %0 = moe.patch_embed %i, %w, %o prefix 1 : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<3x16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op prefix of -1 tokens needs an offset with a row per token}}
  %0 = moe.patch_embed %i, %w, %o prefix -1 : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<3x16xf32> -> tensor<3x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op expected result of shape [4, 16], found 'tensor<5x16xf32>'}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<4x16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op expected offset of shape [5, 16], found 'tensor<4x16xf32>'}}
  %0 = moe.patch_embed %i, %w, %o prefix 1 : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<4x16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op expected offset of shape [16], found 'tensor<4xf32>'}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<4xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<1x4x16xf32>) {
  // expected-error@+1 {{'moe.patch_embed' op expected offset of shape [16], found 'tensor<1x4x16xf32>'}}
  %0 = moe.patch_embed %i, %w, %o : tensor<3x8x8xf32>, tensor<16x3x4x4xf32>, tensor<1x4x16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%i: tensor<?x8x8xf32>, %w: tensor<16x3x4x4xf32>, %o: tensor<16xf32>) {
  // expected-error@+1 {{operand #0 must be [channels, height, width] tensor of f32 with a static shape}}
  %0 = moe.patch_embed %i, %w, %o : tensor<?x8x8xf32>, tensor<16x3x4x4xf32>, tensor<16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %t: tensor<1x1x8xf32>) {
  // expected-error@+1 {{'moe.class_token' op expected token of shape [1, 1, 16], found 'tensor<1x1x8xf32>'}}
  %0 = moe.class_token %x, %t : tensor<4x16xf32>, tensor<1x1x8xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %t: tensor<1x1x16xf32>) {
  // expected-error@+1 {{'moe.class_token' op expected result of shape [5, 16], found 'tensor<4x16xf32>'}}
  %0 = moe.class_token %x, %t : tensor<4x16xf32>, tensor<1x1x16xf32> -> tensor<4x16xf32>
  return
}

// -----

func.func @f(%x: tensor<4x16xf32>, %e: tensor<1x5x16xf32>) {
  // expected-error@+1 {{'moe.position' op expected embedding of shape [1, 4, 16], found 'tensor<1x5x16xf32>'}}
  %0 = moe.position %x, %e : tensor<4x16xf32>, tensor<1x5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.slice_tokens' op changes the width from 16 to 8}}
  %0 = moe.slice_tokens %x from 0 : tensor<5x16xf32> -> tensor<5x8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.slice_tokens' op rows 3 to 5 are not within the 5 tokens}}
  %0 = moe.slice_tokens %x from 3 : tensor<5x16xf32> -> tensor<3x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.slice_tokens' op rows -1 to 1 are not within the 5 tokens}}
  %0 = moe.slice_tokens %x from -1 : tensor<5x16xf32> -> tensor<3x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.slice_tokens' op result #0 must be 2-D tensor of f32 with a static shape}}
  %0 = moe.slice_tokens %x from 2 : tensor<5x16xf32> -> tensor<0x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.pool' op expected result of shape [1, 16], found 'tensor<2x16xf32>'}}
  %0 = moe.pool %x from 0 count 2 : tensor<5x16xf32> -> tensor<2x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.pool' op rows 4 to 5 are not within the 5 tokens}}
  %0 = moe.pool %x from 4 count 2 : tensor<5x16xf32> -> tensor<1x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.pool' op rows 1 to 0 are not within the 5 tokens}}
  %0 = moe.pool %x from 1 count 0 : tensor<5x16xf32> -> tensor<1x16xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op eps must be finite and not negative}}
  %0 = moe.layer_norm %x eps -1.0 : tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op eps must be finite and not negative}}
  %0 = moe.layer_norm %x eps 0x7FF0000000000000 : tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op eps must be finite and not negative}}
  %0 = moe.layer_norm %x eps 0x7FF8000000000000 : tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %g: tensor<16xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op scale and shift come together}}
  %0 = "moe.layer_norm"(%x, %g) {eps = 0.0 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<5x16xf32>, tensor<16xf32>) -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %g: tensor<8xf32>, %b: tensor<16xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op expected scale of shape [16], found 'tensor<8xf32>'}}
  %0 = moe.layer_norm %x affine(%g, %b) eps 0.0 : tensor<5x16xf32>, tensor<8xf32>, tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %g: tensor<16xf32>, %b: tensor<8xf32>) {
  // expected-error@+1 {{'moe.layer_norm' op expected shift of shape [16], found 'tensor<8xf32>'}}
  %0 = moe.layer_norm %x affine(%g, %b) eps 0.0 : tensor<5x16xf32>, tensor<16xf32>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<16x48xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op expected qkv weight of shape [48, 16], found 'tensor<16x48xf32>'}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<16x48xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<16xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op expected qkv bias of shape [48], found 'tensor<16xf32>'}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x8xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op expected proj weight of shape [16, 16], found 'tensor<16x8xf32>'}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x8xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<48xf32>) {
  // expected-error@+1 {{'moe.attention' op expected proj bias of shape [16], found 'tensor<48xf32>'}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<48xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op 3 heads do not divide the width 16}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 3 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op 0 heads do not divide the width 16}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 0 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op changes the width from 16 to 8}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op rows 4 to 5 are not within the 5 tokens}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0 queries from 4
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<2x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
             %pw: tensor<16x16xf32>, %pb: tensor<16xf32>) {
  // expected-error@+1 {{'moe.attention' op rows 1 to 5 are not within the 5 tokens}}
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 1.0 queries from 1
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w1: tensor<24x8xf32>, %b1: tensor<24xf32>,
             %w2: tensor<16x24xf32>, %b2: tensor<16xf32>) {
  // expected-error@+1 {{'moe.mlp' op expected fc1 weight of shape [24, 16], found 'tensor<24x8xf32>'}}
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<5x16xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<16x24xf32>, tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w1: tensor<24x16xf32>, %b1: tensor<16xf32>,
             %w2: tensor<16x24xf32>, %b2: tensor<16xf32>) {
  // expected-error@+1 {{'moe.mlp' op expected fc1 bias of shape [24], found 'tensor<16xf32>'}}
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<5x16xf32>, tensor<24x16xf32>, tensor<16xf32>, tensor<16x24xf32>, tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w1: tensor<24x16xf32>, %b1: tensor<24xf32>,
             %w2: tensor<24x16xf32>, %b2: tensor<16xf32>) {
  // expected-error@+1 {{'moe.mlp' op expected fc2 weight of shape [16, 24], found 'tensor<24x16xf32>'}}
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<5x16xf32>, tensor<24x16xf32>, tensor<24xf32>, tensor<24x16xf32>, tensor<16xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w1: tensor<24x16xf32>, %b1: tensor<24xf32>,
             %w2: tensor<16x24xf32>, %b2: tensor<24xf32>) {
  // expected-error@+1 {{'moe.mlp' op expected fc2 bias of shape [16], found 'tensor<24xf32>'}}
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<5x16xf32>, tensor<24x16xf32>, tensor<24xf32>, tensor<16x24xf32>, tensor<24xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<10x8xf32>, %b: tensor<10xf32>) {
  // expected-error@+1 {{'moe.head' op expected weight of shape [10, 16], found 'tensor<10x8xf32>'}}
  %0 = moe.head %x weight(%w, %b) : tensor<1x16xf32>, tensor<10x8xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<10x16xf32>, %b: tensor<9xf32>) {
  // expected-error@+1 {{'moe.head' op expected bias of shape [10], found 'tensor<9xf32>'}}
  %0 = moe.head %x weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<9xf32> -> tensor<1x10xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<10x16xf32>, %b: tensor<10xf32>) {
  // expected-error@+1 {{'moe.head' op expected logits of shape [1, 10], found 'tensor<2x10xf32>'}}
  %0 = moe.head %x weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<2x10xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

func.func @f(%x: tensor<1x16xf32>, %w: tensor<3x8xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.router' op expected weight of shape [3, 16], found 'tensor<3x8xf32>'}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<1x16xf32>, tensor<3x8xf32>, tensor<3xf32> -> tensor<1xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %w: tensor<3x16xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.router' op expected an input of one row, found 'tensor<5x16xf32>'}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<5x16xf32>, tensor<3x16xf32>, tensor<3xf32> -> tensor<1xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<3x16xf32>, %b: tensor<1xf32>) {
  // expected-error@+1 {{'moe.router' op expected bias of shape [3], found 'tensor<1xf32>'}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<1x16xf32>, tensor<3x16xf32>, tensor<1xf32> -> tensor<1xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<3x16xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.router' op expected experts of shape [1], found 'tensor<2xindex>'}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<1x16xf32>, tensor<3x16xf32>, tensor<3xf32> -> tensor<2xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<3x16xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.router' op chooses 4 of 3 experts}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<1x16xf32>, tensor<3x16xf32>, tensor<3xf32> -> tensor<4xindex>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<1x16xf32>, %w: tensor<3x16xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.router' op result #1 must be 1-D tensor of f32 with a static shape}}
  %e, %g = moe.router %x weight(%w, %b)
      : tensor<1x16xf32>, tensor<3x16xf32>, tensor<3xf32> -> tensor<0xindex>, tensor<0xf32>
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<2xf32>) {
  // expected-error@+1 {{'moe.experts' op expected experts of shape [2], found 'tensor<1xindex>'}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<1xindex>, tensor<2xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }, {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op 'indexed' needs one region and a positive number of experts, found 2 regions and 2}}
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    moe.yield %t : tensor<5x16xf32>
  }, {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op 'indexed' needs one region and a positive number of experts, found 1 regions and 0}}
  %0 = moe.experts %x routed(%e, %g) indexed 0 : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<2xindex>, %g: tensor<2xf32>) {
  // expected-error@+1 {{'moe.experts' op runs 2 of 1 experts}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<2xindex>, tensor<2xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<3xindex>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'moe.experts' op runs 3 of 2 experts}}
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<5x16xf32>, tensor<3xindex>, tensor<3xf32> {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<0xindex>, %g: tensor<0xf32>) {
  // expected-error@+1 {{'moe.experts' op operand #2 must be 1-D tensor of f32 with a static shape}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<0xindex>, tensor<0xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op region 1 must take ('tensor<5x16xf32>')}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }, {
  ^bb0(%t: tensor<4x16xf32>):
    moe.yield %x : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op region 0 must take ('tensor<5x16xf32>', 'index')}}
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op region 0 must take ('tensor<5x16xf32>')}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    moe.yield %t : tensor<5x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op region 0 must yield a 'tensor<5x16xf32>'}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    %s = moe.slice_tokens %t from 0 : tensor<5x16xf32> -> tensor<4x16xf32>
    moe.yield %s : tensor<4x16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) {
  // expected-error@+1 {{'moe.experts' op expects a non-empty block}}
  %0 = moe.experts %x routed(%e, %g) : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>):
    moe.yield %t : tensor<5x16xf32>
  }, {
  ^bb0(%t: tensor<5x16xf32>):
  }
  return
}

// -----

//===----------------------------------------------------------------------===//
// Weight expressions
//===----------------------------------------------------------------------===//

func.func @f(%w: tensor<4x8xf32>, %g: tensor<8xf32>) {
  // expected-error@+1 {{'moe.scale_columns' op expects parent op 'moe.param'}}
  %0 = moe.scale_columns %w, %g : tensor<4x8xf32>, tensor<8xf32>
  return
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @p1 : tensor<4xf32>
moe.param @q : tensor<4x8xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  %1 = moe.get @p1 : tensor<4xf32>
  // expected-error@+1 {{'moe.scale_columns' op expected factors of shape [8], found 'tensor<4xf32>'}}
  %r = moe.scale_columns %0, %1 : tensor<4x8xf32>, tensor<4xf32>
  moe.yield %r : tensor<4x8xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @p1 : tensor<4xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  %1 = moe.get @p1 : tensor<4xf32>
  // expected-error@+1 {{'moe.absorb_shift' op expected shift of shape [8], found 'tensor<4xf32>'}}
  %r = moe.absorb_shift %0, %1 : tensor<4x8xf32>, tensor<4xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @p1 : tensor<8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  %1 = moe.get @p1 : tensor<8xf32>
  // expected-error@+1 {{'moe.absorb_shift' op expected bias of shape [4], found 'tensor<8xf32>'}}
  %r = moe.absorb_shift %0, %1 plus %1 : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @p1 : tensor<8xf32>
moe.param @q : tensor<8xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  %1 = moe.get @p1 : tensor<8xf32>
  // expected-error@+1 {{'moe.absorb_shift' op expected result of shape [4], found 'tensor<8xf32>'}}
  %r = moe.absorb_shift %0, %1 : tensor<4x8xf32>, tensor<8xf32> -> tensor<8xf32>
  moe.yield %r : tensor<8xf32>
}

// -----

moe.param @p0 : tensor<1x4x8xf32>
moe.param @q : tensor<1x4x8xf32> = {
  %0 = moe.get @p0 : tensor<1x4x8xf32>
  // expected-error@+1 {{'moe.scale_rows' op expected a vector or a matrix, found 'tensor<1x4x8xf32>'}}
  %r = moe.scale_rows %0 count 1 by 2.0 : tensor<1x4x8xf32>
  moe.yield %r : tensor<1x4x8xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @q : tensor<4x8xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  // expected-error@+1 {{'moe.scale_rows' op count 5 is not within the 4 rows}}
  %r = moe.scale_rows %0 count 5 by 2.0 : tensor<4x8xf32>
  moe.yield %r : tensor<4x8xf32>
}

// -----

moe.param @p0 : tensor<4xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p0 : tensor<4xf32>
  // expected-error@+1 {{'moe.scale_rows' op count -1 is not within the 4 rows}}
  %r = moe.scale_rows %0 count -1 by 2.0 : tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @q : tensor<3x8xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  // expected-error@+1 {{'moe.slice_rows' op rows 2 to 4 are not within the 4 rows}}
  %r = moe.slice_rows %0 from 2 : tensor<4x8xf32> -> tensor<3x8xf32>
  moe.yield %r : tensor<3x8xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @q : tensor<2x6xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  // expected-error@+1 {{'moe.slice_rows' op changes the width from 'tensor<4x8xf32>' to 'tensor<2x6xf32>'}}
  %r = moe.slice_rows %0 from 0 : tensor<4x8xf32> -> tensor<2x6xf32>
  moe.yield %r : tensor<2x6xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @q : tensor<8x3xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  // expected-error@+1 {{'moe.transpose_blocks' op blocks of 3 rows do not divide 4}}
  %r = moe.transpose_blocks %0 : tensor<4x8xf32> -> tensor<8x3xf32>
  moe.yield %r : tensor<8x3xf32>
}

// -----

moe.param @p0 : tensor<4x8xf32>
moe.param @q : tensor<8x2xf32> = {
  %0 = moe.get @p0 : tensor<4x8xf32>
  // expected-error@+1 {{'moe.transpose_blocks' op expected result of shape [16, 2], found 'tensor<8x2xf32>'}}
  %r = moe.transpose_blocks %0 : tensor<4x8xf32> -> tensor<8x2xf32>
  moe.yield %r : tensor<8x2xf32>
}

// -----

moe.param @p0 : tensor<4xf32>
moe.param @p1 : tensor<1x5x8xf32>
moe.param @q : tensor<5x8xf32> = {
  %0 = moe.get @p0 : tensor<4xf32>
  %1 = moe.get @p1 : tensor<1x5x8xf32>
  // expected-error@+1 {{'moe.token_table' op expected bias of shape [8], found 'tensor<4xf32>'}}
  %r = moe.token_table %1 bias(%0) : (tensor<1x5x8xf32>, tensor<4xf32>) -> tensor<5x8xf32>
  moe.yield %r : tensor<5x8xf32>
}

// -----

moe.param @p1 : tensor<1x5x4xf32>
moe.param @q : tensor<6x8xf32> = {
  %1 = moe.get @p1 : tensor<1x5x4xf32>
  // expected-error@+1 {{'moe.token_table' op expected position of shape [1, 5, 8], found 'tensor<1x5x4xf32>'}}
  %r = moe.token_table %1 : (tensor<1x5x4xf32>) -> tensor<6x8xf32>
  moe.yield %r : tensor<6x8xf32>
}

// -----

moe.param @p1 : tensor<1x5x8xf32>
moe.param @q : tensor<4x8xf32> = {
  %1 = moe.get @p1 : tensor<1x5x8xf32>
  // expected-error@+1 {{'moe.token_table' op has 4 rows, too few for 5 positions and 0 tokens}}
  %r = moe.token_table %1 : (tensor<1x5x8xf32>) -> tensor<4x8xf32>
  moe.yield %r : tensor<4x8xf32>
}

// -----

moe.param @p1 : tensor<1x5x8xf32>
moe.param @p2 : tensor<1x3x8xf32>
moe.param @q : tensor<5x8xf32> = {
  %1 = moe.get @p1 : tensor<1x5x8xf32>
  %2 = moe.get @p2 : tensor<1x3x8xf32>
  // expected-error@+1 {{'moe.token_table' op has 5 rows, too few for 5 positions and 6 tokens}}
  %r = moe.token_table %1 tokens(%2, %2) : (tensor<1x5x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<5x8xf32>
  moe.yield %r : tensor<5x8xf32>
}

// -----

moe.param @p1 : tensor<1x5x8xf32>
moe.param @p2 : tensor<1x1x4xf32>
moe.param @q : tensor<5x8xf32> = {
  %1 = moe.get @p1 : tensor<1x5x8xf32>
  %2 = moe.get @p2 : tensor<1x1x4xf32>
  // expected-error@+1 {{'moe.token_table' op expected token of shape [1, 1, 8], found 'tensor<1x1x4xf32>'}}
  %r = moe.token_table %1 tokens(%2) : (tensor<1x5x8xf32>, tensor<1x1x4xf32>) -> tensor<5x8xf32>
  moe.yield %r : tensor<5x8xf32>
}

// -----

moe.param @p0 : tensor<8xf32>
moe.param @q : tensor<1x1x16xf32> = {
  %0 = moe.get @p0 : tensor<8xf32>
  // expected-error@+1 {{'moe.pack_panels' op expected a matrix, found 'tensor<8xf32>'}}
  %r = moe.pack_panels %0 groups(8, 0) : tensor<8xf32> -> tensor<1x1x16xf32>
  moe.yield %r : tensor<1x1x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op output group 4 does not divide 10}}
  %r = moe.pack_panels %0 groups(4, 0) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op output group 0 does not divide 10}}
  %r = moe.pack_panels %0 groups(0, 0) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op input group 3 does not divide 8}}
  %r = moe.pack_panels %0 groups(10, 3) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op input group -8 does not divide 8}}
  %r = moe.pack_panels %0 groups(10, -8) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op expected result of shape [1, 16, 16], found 'tensor<1x8x16xf32>'}}
  %r = moe.pack_panels %0 groups(10, 8) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10x8xf32>
moe.param @q : tensor<1x8x16xf32> = {
  %0 = moe.get @p0 : tensor<10x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op expected result of shape [2, 8, 16], found 'tensor<1x8x16xf32>'}}
  %r = moe.pack_panels %0 groups(5, 0) : tensor<10x8xf32> -> tensor<1x8x16xf32>
  moe.yield %r : tensor<1x8x16xf32>
}

// -----

moe.param @p0 : tensor<10xf32>
moe.param @q : tensor<1x16xf32> = {
  %0 = moe.get @p0 : tensor<10xf32>
  // expected-error@+1 {{'moe.pad_channels' op channel group 3 does not divide 10}}
  %r = moe.pad_channels %0 group 3 : tensor<10xf32> -> tensor<1x16xf32>
  moe.yield %r : tensor<1x16xf32>
}

// -----

moe.param @p0 : tensor<10xf32>
moe.param @q : tensor<1x16xf32> = {
  %0 = moe.get @p0 : tensor<10xf32>
  // expected-error@+1 {{'moe.pad_channels' op channel group 0 does not divide 10}}
  %r = moe.pad_channels %0 group 0 : tensor<10xf32> -> tensor<1x16xf32>
  moe.yield %r : tensor<1x16xf32>
}

// -----

moe.param @p0 : tensor<10xf32>
moe.param @q : tensor<1x16xf32> = {
  %0 = moe.get @p0 : tensor<10xf32>
  // expected-error@+1 {{'moe.pad_channels' op expected result of shape [2, 16], found 'tensor<1x16xf32>'}}
  %r = moe.pad_channels %0 group 5 : tensor<10xf32> -> tensor<1x16xf32>
  moe.yield %r : tensor<1x16xf32>
}

// -----

moe.param @p0 : tensor<5x40xf32>
moe.param @q : tensor<5x2x16xf32> = {
  %0 = moe.get @p0 : tensor<5x40xf32>
  // expected-error@+1 {{'moe.pad_channels' op expected result of shape [5, 3, 16], found 'tensor<5x2x16xf32>'}}
  %r = moe.pad_channels %0 group 40 : tensor<5x40xf32> -> tensor<5x2x16xf32>
  moe.yield %r : tensor<5x2x16xf32>
}

// -----

moe.param @p : tensor<f32>
moe.param @q : tensor<1x16xf32> = {
  %0 = moe.get @p : tensor<f32>
  // expected-error@+1 {{'moe.pad_channels' op expected at least one dimension, found 'tensor<f32>'}}
  %r = moe.pad_channels %0 group 1 : tensor<f32> -> tensor<1x16xf32>
  moe.yield %r : tensor<1x16xf32>
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x4xf32>) {
  // expected-error@+1 {{expected weight of shape [2, 8], found 'tensor<2x4xf32>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x4xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{chooses 3 of 2 experts}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 3 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{chooses 0 of 2 experts}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 0 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{an expert cannot take 7 of 6 tokens}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x7xindex>, tensor<2x7xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected gates of shape [2, 6], found 'tensor<3x6xf32>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<3x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected taken tokens of shape [2, 6], found 'tensor<2x5xindex>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x5xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected counts of shape [2], found 'tensor<3xindex>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<3xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected mean gates of shape [2], found 'tensor<1xf32>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{expected bias of shape [2], found 'tensor<3xf32>'}}
  %t, %g, %n, %m = moe.token_router %h weight(%w, %b) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32>, tensor<3xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x4xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected taken tokens of shape [2, 3], found 'tensor<2x4xindex>'}}
  %0 = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x4xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<3xindex>) {
  // expected-error@+1 {{expected counts of shape [2], found 'tensor<3xindex>'}}
  %0 = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<3xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected 2 regions, found 1}}
  %0 = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{region 1 must take ('tensor<3x8xf32>')}}
  %0 = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<6x8xf32>):
    moe.yield %x : tensor<6x8xf32>
  }
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{'indexed' says 3 experts, the gates are of 2}}
  %0 = moe.token_experts %h took(%t, %g, %n) indexed 3 : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>, %e: index):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{region 0 must take ('tensor<3x8xf32>', 'index')}}
  %0 = moe.token_experts %h took(%t, %g, %n) indexed 2 : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}
