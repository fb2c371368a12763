// Every message of the verifiers of lower precision.
// RUN: moe-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

// expected-error@+1 {{'moe.param' op expected f32 without a recipe, found 'tensor<4x8xbf16>'}}
moe.param @p : tensor<4x8xbf16>

// -----

// expected-error@+1 {{'moe.param' op expected f32 without a recipe, found 'tensor<4x8xi8>'}}
moe.param @p : tensor<4x8xi8>

// -----

// expected-error@+1 {{'moe.param' op expected f32 without a recipe, found 'tensor<4x8xi32>'}}
moe.param @p : tensor<4x8xi32>

// -----

// expected-error@+1 {{type attribute of statically shaped tensor of f32, bf16, i8 or i32}}
moe.param @p : tensor<4x8xf16>

// -----

// expected-error@+1 {{type attribute of statically shaped tensor of f32, bf16, i8 or i32}}
moe.param @p : tensor<0x8xbf16>

// -----

moe.param @p : tensor<4x8xf32>
// expected-error@+1 {{'moe.param' op recipe must yield a 'tensor<4x8xi8>'}}
moe.param @q : tensor<4x8xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %1 = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  moe.yield %1 : tensor<4x8xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x8xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %1 = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  moe.yield %1 : tensor<4x8xbf16>
}
// expected-error@+1 {{'moe.param_table' op @p has type 'tensor<4x8xf32>', the table's is 'tensor<4x8xbf16>'}}
moe.param_table @t [@q, @p] : tensor<4x8xbf16>

// -----

moe.param @p : tensor<4x8xf32>
func.func @f() {
  // expected-error@+1 {{'moe.weights' op @p has type 'tensor<4x8xf32>', the result's is 'tensor<4x8xi8>'}}
  %0 = moe.weights @p : memref<4x8xi8>
  return
}

// -----

moe.param @p : tensor<4x8xf32>
func.func @f() {
  // expected-error@+1 {{'moe.get' op @p has type 'tensor<4x8xf32>', the result's is 'tensor<4x8xbf16>'}}
  %0 = moe.get @p : tensor<4x8xbf16>
  return
}

// -----

// A recipe holds weight expressions, not what is done to activations.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x8xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.quantize' op is no weight expression, in the recipe of "q"}}
  %1 = moe.quantize %0 scale 1.0 offset 0 : tensor<4x8xf32> -> tensor<4x8xi8>
  moe.yield %1 : tensor<4x8xi8>
}

// -----

func.func @f(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{'moe.round' op expects parent op 'moe.param'}}
  %0 = moe.round %w : tensor<4x8xf32> -> tensor<4x8xbf16>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op a patch of 3x4 does not divide the image of 8x12}}
  %0 = moe.patches %i size 3, 4 : tensor<3x8x12xf32> -> tensor<6x36xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op a patch of 4x5 does not divide the image of 8x12}}
  %0 = moe.patches %i size 4, 5 : tensor<3x8x12xf32> -> tensor<6x36xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op a patch of 0x4 does not divide the image of 8x12}}
  %0 = moe.patches %i size 0, 4 : tensor<3x8x12xf32> -> tensor<6x36xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op a patch of 4x-4 does not divide the image of 8x12}}
  %0 = moe.patches %i size 4, -4 : tensor<3x8x12xf32> -> tensor<6x36xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op a patch of 9223372036854775807x4 does not divide the image of 8x12}}
  %0 = moe.patches %i size 9223372036854775807, 4 : tensor<3x8x12xf32> -> tensor<6x36xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op expected result of shape [6, 48], found 'tensor<48x6xbf16>'}}
  %0 = moe.patches %i size 4, 4 : tensor<3x8x12xf32> -> tensor<48x6xbf16>
  return
}

// -----

func.func @f(%i: tensor<3x8x12xf32>) {
  // expected-error@+1 {{'moe.patches' op result #0 must be 2-D tensor of f32 or bf16 with a static shape}}
  %0 = moe.patches %i size 4, 4 : tensor<3x8x12xf32> -> tensor<6x48xi8>
  return
}

// -----

func.func @f(%p: tensor<4x8xf32>, %t: tensor<4x8xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op expected table of shape [5, 8], found 'tensor<4x8xf32>'}}
  %0 = moe.place_tokens %p, %t prefix 1 : tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%p: tensor<4x8xf32>, %t: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op expected table of shape [5, 8], found 'tensor<5x16xf32>'}}
  %0 = moe.place_tokens %p, %t prefix 1 : tensor<4x8xf32>, tensor<5x16xf32>
  return
}

// -----

func.func @f(%p: tensor<4x8xf32>, %t: tensor<4x8xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op prefix -1 is not within the 4 rows of the table}}
  %0 = moe.place_tokens %p, %t prefix -1 : tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

// The table would have the right number of rows.
func.func @f(%p: tensor<4x8xf32>, %t: tensor<3x8xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op prefix -1 is not within the 3 rows of the table}}
  %0 = moe.place_tokens %p, %t prefix -1 : tensor<4x8xf32>, tensor<3x8xf32>
  return
}

// -----

func.func @f(%p: tensor<4x8xf32>, %t: tensor<4x8xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op prefix -9223372036854775808 is not within the 4 rows of the table}}
  %0 = moe.place_tokens %p, %t prefix -9223372036854775808 : tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @f(%p: tensor<4x8xf32>, %t: tensor<4x8xf32>) {
  // expected-error@+1 {{'moe.place_tokens' op prefix 9223372036854775807 is not within the 4 rows of the table}}
  %0 = moe.place_tokens %p, %t prefix 9223372036854775807 : tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x16xf32>) {
  // expected-error@+1 {{'moe.linear' op expected weight of shape [20, 12], found 'tensor<20x16xf32>'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x16xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xf32>) {
  // expected-error@+1 {{'moe.linear' op expected result of shape [5, 20], found 'tensor<4x20xf32>'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xf32> -> tensor<4x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op expected result of shape [5, 20], found 'tensor<5x24xi32>'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x24xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xf32>) {
  // expected-error@+1 {{'moe.linear' op multiplies 'bf16' by 'f32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op multiplies 'f32' by 'bf16'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

// Only weights may be i8 alone.
func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xf32>) {
  // expected-error@+1 {{'moe.linear' op multiplies 'i8' by 'f32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op multiplies 'bf16' by 'i8'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xi8> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op cannot sum products of 'f32' in 'i32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xi8> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op offset 128 of 'f32', expected 0, or 128 of i8}}
  %0 = moe.linear %x offset 128 weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xi8> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op multiplies 'i8' by 'bf16'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xbf16> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op cannot sum products of 'i8' in 'f32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op cannot sum products of 'bf16' in 'i32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xf32>) {
  // expected-error@+1 {{'moe.linear' op cannot sum products of 'f32' in 'i32'}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xf32> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xi8>, %b: tensor<20xf32>) {
  // expected-error@+1 {{'moe.linear' op has a bias in spite of its integers}}
  %0 = moe.linear %x weight(%w) bias(%b) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8>, tensor<20xf32> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>, %b: tensor<12xf32>) {
  // expected-error@+1 {{'moe.linear' op expected bias of shape [20], found 'tensor<12xf32>'}}
  %0 = moe.linear %x weight(%w) bias(%b) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16>, tensor<12xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op offset 127 of 'i8', expected 0, or 128 of i8}}
  %0 = moe.linear %x offset 127 weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi8>, %w: tensor<20x12xi8>) {
  // expected-error@+1 {{'moe.linear' op offset -128 of 'i8', expected 0, or 128 of i8}}
  %0 = moe.linear %x offset -128 weight(%w) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op offset 128 of 'bf16', expected 0, or 128 of i8}}
  %0 = moe.linear %x offset 128 weight(%w) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>, %w: tensor<20x12xf32>) {
  // expected-error@+1 {{'moe.linear' op offset 128 of 'f32', expected 0, or 128 of i8}}
  %0 = moe.linear %x offset 128 weight(%w) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xf32> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 3 and 12 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(3, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 0 and 12 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(0, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of -20 and 12 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(-20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 20 and 5 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(20, 5) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 20 and 0 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(20, 0) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 20 and -12 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(20, -12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op groups of 9223372036854775807 and 12 do not divide 20 outputs and 12 inputs}}
  %0 = moe.linear %x weight(%w) groups(9223372036854775807, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xi32>, %w: tensor<20x12xi32>) {
  // expected-error@+1 {{'moe.linear' op operand #0 must be 2-D tensor of f32, bf16 or i8 with a static shape}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xi32>, tensor<20x12xi32> -> tensor<5x20xi32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op result #0 must be 2-D tensor of f32 or i32 with a static shape}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xbf16>
  return
}

// -----

func.func @f(%x: tensor<?x12xbf16>, %w: tensor<20x12xbf16>) {
  // expected-error@+1 {{'moe.linear' op operand #0 must be 2-D tensor of f32, bf16 or i8 with a static shape}}
  %0 = moe.linear %x weight(%w) groups(20, 12) : tensor<?x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op expected result of shape [5, 12], found 'tensor<12x5xi8>'}}
  %q, %s = moe.quantize %x offset 0 : tensor<5x12xf32> -> tensor<12x5xi8>, tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op offset must be 0 or 128, found 127}}
  %q, %s = moe.quantize %x offset 127 : tensor<5x12xf32> -> tensor<5x12xi8>, tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op offset must be 0 or 128, found -128}}
  %q = moe.quantize %x scale 1.0 offset -128 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op needs scales as a result, or one as an attribute}}
  %q = moe.quantize %x offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op needs scales as a result, or one as an attribute}}
  %q, %s = moe.quantize %x scale 1.0 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>, tensor<5xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op expected scales of shape [5], found 'tensor<12xf32>'}}
  %q, %s = moe.quantize %x offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>, tensor<12xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 0.0 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale -0.0 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale -1.0 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

// Infinity.
func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 0x7FF0000000000000 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

// Not a number.
func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 0x7FF8000000000000 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

// Too large for f32.
func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 1.0e39 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

// Too small for f32.
func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 1.0e-46 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

// Its inverse is too large for f32.
func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op scale must be positive and finite, and so its inverse}}
  %q = moe.quantize %x scale 2.9e-39 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// -----

func.func @f(%x: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.quantize' op result #0 must be 2-D tensor of i8 with a static shape}}
  %q = moe.quantize %x scale 1.0 offset 0 : tensor<5x12xf32> -> tensor<5x12xi32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<5xf32>) {
  // expected-error@+1 {{'moe.dequantize' op expected columns of shape [20], found 'tensor<5xf32>'}}
  %0 = moe.dequantize %a columns(%v) group 20 : (tensor<5x20xi32>, tensor<5xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %s: tensor<20xf32>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op expected rows of shape [5], found 'tensor<20xf32>'}}
  %0 = moe.dequantize %a rows(%s) columns(%v) group 20 : (tensor<5x20xi32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<20xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'moe.dequantize' op expected bias of shape [20], found 'tensor<5xf32>'}}
  %0 = moe.dequantize %a columns(%v) bias(%b) group 20 : (tensor<5x20xi32>, tensor<20xf32>, tensor<5xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op a group of 3 does not divide 20}}
  %0 = moe.dequantize %a columns(%v) group 3 : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op a group of 0 does not divide 20}}
  %0 = moe.dequantize %a columns(%v) group 0 : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op a group of -20 does not divide 20}}
  %0 = moe.dequantize %a columns(%v) group -20 : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi32>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op expected result of shape [5, 20], found 'tensor<20x5xf32>'}}
  %0 = moe.dequantize %a columns(%v) group 20 : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<20x5xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xi8>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op operand #0 must be 2-D tensor of f32 or i32 with a static shape}}
  %0 = moe.dequantize %a columns(%v) group 20 : (tensor<5x20xi8>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%a: tensor<5x20xbf16>, %v: tensor<20xf32>) {
  // expected-error@+1 {{'moe.dequantize' op operand #0 must be 2-D tensor of f32 or i32 with a static shape}}
  %0 = moe.dequantize %a columns(%v) group 20 : (tensor<5x20xbf16>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// -----

func.func @f(%s: tensor<5xf32>, %t: tensor<12xf32>) {
  // expected-error@+1 {{'moe.collect' op expected result of shape [1, 17], found 'tensor<17x1xf32>'}}
  %0 = moe.collect %s, %t : tensor<5xf32>, tensor<12xf32> -> tensor<17x1xf32>
  return
}

// -----

func.func @f(%s: tensor<5xf32>, %t: tensor<12xf32>) {
  // expected-error@+1 {{'moe.collect' op expected result of shape [1, 17], found 'tensor<1x12xf32>'}}
  %0 = moe.collect %s, %t : tensor<5xf32>, tensor<12xf32> -> tensor<1x12xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{'moe.collect' op expected result of shape [1, 0], found 'tensor<1x1xf32>'}}
  %0 = "moe.collect"() : () -> tensor<1x1xf32>
  return
}

// -----

func.func @f(%s: tensor<5x1xf32>) {
  // expected-error@+1 {{'moe.collect' op operand #0 must be variadic of 1-D tensor of f32 with a static shape}}
  %0 = moe.collect %s : tensor<5x1xf32> -> tensor<1x5xf32>
  return
}

// -----

func.func @f(%s: tensor<5xf32>) {
  // expected-error@+1 {{'moe.collect' op result #0 must be 2-D tensor of f32 with a static shape}}
  %0 = moe.collect %s : tensor<5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x16xf32>, %v: tensor<5x16xf32>) {
  // expected-error@+1 {{'moe.attend' op expected keys of shape [5, 12], found 'tensor<5x16xf32>'}}
  %0 = moe.attend %q, %k, %v heads 3 scale 1.0 : tensor<2x12xf32>, tensor<5x16xf32>, tensor<5x16xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<4x12xf32>) {
  // expected-error@+1 {{'moe.attend' op expected values of shape [5, 12], found 'tensor<4x12xf32>'}}
  %0 = moe.attend %q, %k, %v heads 3 scale 1.0 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<4x12xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x24xf32>) {
  // expected-error@+1 {{'moe.attend' op expected values of shape [5, 12], found 'tensor<5x24xf32>'}}
  %0 = moe.attend %q, %k, %v heads 3 scale 1.0 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x24xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.attend' op 5 heads do not divide the width 12}}
  %0 = moe.attend %q, %k, %v heads 5 scale 1.0 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.attend' op 0 heads do not divide the width 12}}
  %0 = moe.attend %q, %k, %v heads 0 scale 1.0 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// -----

func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.attend' op -3 heads do not divide the width 12}}
  %0 = moe.attend %q, %k, %v heads -3 scale 1.0 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// -----

// Infinity.
func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.attend' op scale must be finite}}
  %0 = moe.attend %q, %k, %v heads 3 scale 0x7FF0000000000000 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// -----

// Not a number.
func.func @f(%q: tensor<2x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // expected-error@+1 {{'moe.attend' op scale must be finite}}
  %0 = moe.attend %q, %k, %v heads 3 scale 0x7FF8000000000000 : tensor<2x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// -----

func.func @f(%x: tensor<5x12xbf16>) {
  // expected-error@+1 {{'moe.activate' op operand #0 must be tensor of f32 with a static shape and at least two dimensions}}
  %0 = moe.activate %x gelu : tensor<5x12xbf16>
  return
}

// -----

func.func @f(%s: vector<16xf32>, %a: vector<64xi8>) {
  // expected-error@+1 {{'moe.dot' op cannot sum products of 'vector<64xi8>' in 'vector<16xf32>'}}
  %0 = moe.dot %s, %a, %a : vector<16xf32>, vector<64xi8>
  return
}

// -----

func.func @f(%s: vector<16xi32>, %a: vector<32xbf16>) {
  // expected-error@+1 {{'moe.dot' op cannot sum products of 'vector<32xbf16>' in 'vector<16xi32>'}}
  %0 = moe.dot %s, %a, %a : vector<16xi32>, vector<32xbf16>
  return
}

// -----

func.func @f(%s: vector<16xf32>, %a: vector<32xbf16>) {
  // expected-error@+1 {{'moe.dot' op cannot sum products of 'vector<32xbf16>' in 'vector<16xf32>'}}
  %0 = moe.dot %s, %a, %a unsigned : vector<16xf32>, vector<32xbf16>
  return
}

// -----

func.func @f(%s: vector<16xf32>, %a: vector<64xbf16>) {
  // expected-error@+1 {{'moe.dot' op expected 2 inputs for each of 'vector<16xf32>', found 'vector<64xbf16>'}}
  %0 = moe.dot %s, %a, %a : vector<16xf32>, vector<64xbf16>
  return
}

// -----

func.func @f(%s: vector<16xf32>, %a: vector<16xbf16>) {
  // expected-error@+1 {{'moe.dot' op expected 2 inputs for each of 'vector<16xf32>', found 'vector<16xbf16>'}}
  %0 = moe.dot %s, %a, %a : vector<16xf32>, vector<16xbf16>
  return
}

// -----

func.func @f(%s: vector<16xi32>, %a: vector<32xi8>) {
  // expected-error@+1 {{'moe.dot' op expected 4 inputs for each of 'vector<16xi32>', found 'vector<32xi8>'}}
  %0 = moe.dot %s, %a, %a unsigned : vector<16xi32>, vector<32xi8>
  return
}

// -----

func.func @f(%s: vector<16xf32>, %a: vector<32xf32>) {
  // expected-error@+1 {{'moe.dot' op operand #1 must be fixed-length vector of bfloat16 type or 8-bit signless integer values of ranks 1}}
  %0 = moe.dot %s, %a, %a : vector<16xf32>, vector<32xf32>
  return
}

// -----

func.func @f(%s: vector<2x8xf32>, %a: vector<32xbf16>) {
  // expected-error@+1 {{'moe.dot' op operand #0 must be fixed-length vector of 32-bit float or 32-bit signless integer values of ranks 1}}
  %0 = moe.dot %s, %a, %a : vector<2x8xf32>, vector<32xbf16>
  return
}

// -----

func.func @f(%s: vector<[16]xf32>, %a: vector<32xbf16>) {
  // expected-error@+1 {{'moe.dot' op operand #0 must be fixed-length vector of 32-bit float or 32-bit signless integer values of ranks 1}}
  %0 = moe.dot %s, %a, %a : vector<[16]xf32>, vector<32xbf16>
  return
}

// -----

func.func @f(%s: vector<16xi32>, %a: vector<[64]xi8>) {
  // expected-error@+1 {{'moe.dot' op operand #1 must be fixed-length vector of bfloat16 type or 8-bit signless integer values of ranks 1}}
  %0 = moe.dot %s, %a, %a : vector<16xi32>, vector<[64]xi8>
  return
}

// -----

//===----------------------------------------------------------------------===//
// Weight expressions
//===----------------------------------------------------------------------===//

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<8x4xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.round' op expected result of shape [4, 8], found 'tensor<8x4xbf16>'}}
  %r = moe.round %0 : tensor<4x8xf32> -> tensor<8x4xbf16>
  moe.yield %r : tensor<8x4xbf16>
}

// -----

moe.param @p : tensor<4x3x2x2xf32>
moe.param @q : tensor<12x4xbf16> = {
  %0 = moe.get @p : tensor<4x3x2x2xf32>
  // expected-error@+1 {{'moe.round' op expected result of shape [4, 12], found 'tensor<12x4xbf16>'}}
  %r = moe.round %0 : tensor<4x3x2x2xf32> -> tensor<12x4xbf16>
  moe.yield %r : tensor<12x4xbf16>
}

// -----

moe.param @p : tensor<8xf32>
moe.param @q : tensor<8x1xbf16> = {
  %0 = moe.get @p : tensor<8xf32>
  // expected-error@+1 {{'moe.round' op operand #0 must be tensor of f32 with a static shape and at least two dimensions}}
  %r = moe.round %0 : tensor<8xf32> -> tensor<8x1xbf16>
  moe.yield %r : tensor<8x1xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x8xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.round' op result #0 must be 2-D tensor of bf16 with a static shape}}
  %r = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xi8>
  moe.yield %r : tensor<4x8xi8>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 0.0 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by -1.0 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// Infinity.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 0x7FF0000000000000 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// Not a number.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 0x7FF8000000000000 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// Too large for f32.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 1.0e39 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// Too small for f32.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 1.0e-46 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// Its inverse is too large for f32.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op factor must be positive and finite, and so its inverse}}
  %r = moe.row_scales %0 by 2.9e-39 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<8xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_scales' op expected result of shape [4], found 'tensor<8xf32>'}}
  %r = moe.row_scales %0 by 1.0 : tensor<4x8xf32> -> tensor<8xf32>
  moe.yield %r : tensor<8xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x4xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.quantize_rows' op expected result of shape [4, 8], found 'tensor<4x4xi8>'}}
  %r = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x4xi8>
  moe.yield %r : tensor<4x4xi8>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x8xi32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.quantize_rows' op result #0 must be 2-D tensor of i8 with a static shape}}
  %r = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x8xi32>
  moe.yield %r : tensor<4x8xi32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<8xi32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x8xi8>
  // expected-error@+1 {{'moe.row_sums' op expected result of shape [4], found 'tensor<8xi32>'}}
  %r = moe.row_sums %b by 1 : tensor<4x8xi8> -> tensor<8xi32>
  moe.yield %r : tensor<8xi32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x8xi8>
  // expected-error@+1 {{'moe.row_sums' op result #0 must be 1-D tensor of i32 with a static shape}}
  %r = moe.row_sums %b by 1 : tensor<4x8xi8> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xi32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.row_sums' op operand #0 must be 2-D tensor of i8 with a static shape}}
  %r = moe.row_sums %0 by 1 : tensor<4x8xf32> -> tensor<4xi32>
  moe.yield %r : tensor<4xi32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x8x16xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.pack_panels' op changes the element type from 'tensor<4x8xf32>' to 'tensor<1x8x16xbf16>'}}
  %r = moe.pack_panels %0 groups(4, 0) : tensor<4x8xf32> -> tensor<1x8x16xbf16>
  moe.yield %r : tensor<1x8x16xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op changes the element type from 'tensor<4x8xbf16>' to 'tensor<1x4x32xf32>'}}
  %r = moe.pack_panels %b groups(4, 0) interleave 2 : tensor<4x8xbf16> -> tensor<1x4x32xf32>
  moe.yield %r : tensor<1x4x32xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op cannot interleave 8 inputs by 0}}
  %r = moe.pack_panels %b groups(4, 0) interleave 0 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op cannot interleave 8 inputs by -2}}
  %r = moe.pack_panels %b groups(4, 0) interleave -2 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op cannot interleave 8 inputs by 3}}
  %r = moe.pack_panels %b groups(4, 0) interleave 3 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op cannot interleave 8 inputs by 16}}
  %r = moe.pack_panels %b groups(4, 0) interleave 16 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op cannot interleave 8 inputs by 9223372036854775807}}
  %r = moe.pack_panels %b groups(4, 0) interleave 9223372036854775807 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

// The padded inputs are what is interleaved.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x4x32xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pack_panels' op expected result of shape [1, 8, 32], found 'tensor<1x4x32xbf16>'}}
  %r = moe.pack_panels %b groups(4, 8) interleave 2 : tensor<4x8xbf16> -> tensor<1x4x32xbf16>
  moe.yield %r : tensor<1x4x32xbf16>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<1x8x16xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x8xi8>
  // expected-error@+1 {{'moe.pack_panels' op expected result of shape [1, 2, 64], found 'tensor<1x8x16xi8>'}}
  %r = moe.pack_panels %b groups(4, 0) interleave 4 : tensor<4x8xi8> -> tensor<1x8x16xi8>
  moe.yield %r : tensor<1x8x16xi8>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x1x16xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.pad_channels' op changes the element type from 'tensor<4x8xbf16>' to 'tensor<4x1x16xf32>'}}
  %r = moe.pad_channels %b group 8 : tensor<4x8xbf16> -> tensor<4x1x16xf32>
  moe.yield %r : tensor<4x1x16xf32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x1x16xi8> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.quantize_rows %0 : tensor<4x8xf32> -> tensor<4x8xi8>
  // expected-error@+1 {{'moe.pad_channels' op expected result of shape [4, 2, 16], found 'tensor<4x1x16xi8>'}}
  %r = moe.pad_channels %b group 4 : tensor<4x8xi8> -> tensor<4x1x16xi8>
  moe.yield %r : tensor<4x1x16xi8>
}

// -----

moe.param @p : tensor<1x4x8xf32>
moe.param @q : tensor<1x4x8xf32> = {
  %0 = moe.get @p : tensor<1x4x8xf32>
  // expected-error@+1 {{'moe.slice_rows' op expected a vector or a matrix, found 'tensor<1x4x8xf32>'}}
  %r = moe.slice_rows %0 from 0 : tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  moe.yield %r : tensor<1x4x8xf32>
}

// -----

moe.param @p : tensor<f32>
moe.param @q : tensor<f32> = {
  %0 = moe.get @p : tensor<f32>
  // expected-error@+1 {{'moe.slice_rows' op expected a vector or a matrix, found 'tensor<f32>'}}
  %r = moe.slice_rows %0 from 0 : tensor<f32> -> tensor<f32>
  moe.yield %r : tensor<f32>
}

// -----

moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<4x8xf32>
  // expected-error@+1 {{'moe.slice_rows' op changes the width from 'tensor<4x8xf32>' to 'tensor<4xf32>'}}
  %r = moe.slice_rows %0 from 0 : tensor<4x8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p : tensor<8xf32>
moe.param @q : tensor<4x1xf32> = {
  %0 = moe.get @p : tensor<8xf32>
  // expected-error@+1 {{'moe.slice_rows' op changes the width from 'tensor<8xf32>' to 'tensor<4x1xf32>'}}
  %r = moe.slice_rows %0 from 0 : tensor<8xf32> -> tensor<4x1xf32>
  moe.yield %r : tensor<4x1xf32>
}

// -----

moe.param @p : tensor<8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<8xf32>
  // expected-error@+1 {{'moe.slice_rows' op rows 5 to 8 are not within the 8 rows}}
  %r = moe.slice_rows %0 from 5 : tensor<8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

moe.param @p : tensor<8xf32>
moe.param @q : tensor<4xf32> = {
  %0 = moe.get @p : tensor<8xf32>
  // expected-error@+1 {{'moe.slice_rows' op rows -1 to 2 are not within the 8 rows}}
  %r = moe.slice_rows %0 from -1 : tensor<8xf32> -> tensor<4xf32>
  moe.yield %r : tensor<4xf32>
}

// -----

// What comes before rounding is f32.
moe.param @p : tensor<4x8xf32>
moe.param @q : tensor<4x8xbf16> = {
  %0 = moe.get @p : tensor<4x8xf32>
  %b = moe.round %0 : tensor<4x8xf32> -> tensor<4x8xbf16>
  // expected-error@+1 {{'moe.scale_columns' op operand #0 must be 2-D tensor of f32 with a static shape}}
  %r = moe.scale_columns %b, %b : tensor<4x8xbf16>, tensor<4x8xbf16>
  moe.yield %r : tensor<4x8xbf16>
}
