// Weights are parameters, and only they are.
// RUN: moe-opt %s --convert-moe-to-linalg --split-input-file --verify-diagnostics

func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x1xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{'moe.linear' op cannot be lowered: a weight is no moe.get}}
  %0 = moe.linear %p weight(%p) groups(1, 16) : tensor<1x16xf32>, tensor<1x16xf32> -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// -----

moe.param @w : tensor<16x16xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %q, %s = moe.quantize %p offset 0 : tensor<1x16xf32> -> tensor<1x16xi8>, tensor<1xf32>
  // expected-error@+1 {{'moe.linear' op cannot be lowered: a weight is no moe.get}}
  %0 = moe.linear %q weight(%q) groups(1, 16) : tensor<1x16xi8>, tensor<1x16xi8> -> tensor<1x1xi32>
  return %p : tensor<1x16xf32>
}

// -----

moe.param @w : tensor<1x16xf32>
moe.param @w.int8 : tensor<1x16xi8> = {
  %0 = moe.get @w : tensor<1x16xf32>
  %1 = moe.quantize_rows %0 : tensor<1x16xf32> -> tensor<1x16xi8>
  moe.yield %1 : tensor<1x16xi8>
}
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x1xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %q, %s = moe.quantize %p offset 0 : tensor<1x16xf32> -> tensor<1x16xi8>, tensor<1xf32>
  %w = moe.get @w.int8 : tensor<1x16xi8>
  %a = moe.linear %q weight(%w) groups(1, 16) : tensor<1x16xi8>, tensor<1x16xi8> -> tensor<1x1xi32>
  // expected-error@+1 {{'moe.dequantize' op cannot be lowered: a weight is no moe.get}}
  %0 = moe.dequantize %a rows(%s) columns(%s) group 1 : (tensor<1x1xi32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// -----

moe.param @v : tensor<2xf32>
moe.param @s : tensor<4xf32>
moe.param @w : tensor<2x16xf32>
moe.param @w.int8 : tensor<2x16xi8> = {
  %0 = moe.get @w : tensor<2x16xf32>
  %1 = moe.quantize_rows %0 : tensor<2x16xf32> -> tensor<2x16xi8>
  moe.yield %1 : tensor<2x16xi8>
}
func.func @run(%x: tensor<1x8x8xf32>) -> tensor<1x2xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x8x8xf32> -> tensor<4x16xf32>
  %q = moe.quantize %p scale 1.0 offset 0 : tensor<4x16xf32> -> tensor<4x16xi8>
  %w = moe.get @w.int8 : tensor<2x16xi8>
  %a = moe.linear %q weight(%w) groups(2, 16) : tensor<4x16xi8>, tensor<2x16xi8> -> tensor<4x2xi32>
  %s = moe.get @s : tensor<4xf32>
  %v = moe.get @v : tensor<2xf32>
  // expected-error@+1 {{'moe.dequantize' op cannot be lowered: operand 1 is no result of a layer}}
  %0 = moe.dequantize %a rows(%s) columns(%v) group 2 : (tensor<4x2xi32>, tensor<4xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %1 = moe.slice_tokens %0 from 0 : tensor<4x2xf32> -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// -----

func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  // expected-error@+1 {{'moe.place_tokens' op cannot be lowered: a weight is no moe.get}}
  %0 = moe.place_tokens %p, %p prefix 0 : tensor<1x16xf32>, tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}

// -----

moe.param @w : tensor<1x16xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<1x16xf32>
  // expected-error@+1 {{'arith.truncf' op cannot be lowered: operand 0 is no result of a layer}}
  %0 = arith.truncf %w : tensor<1x16xf32> to tensor<1x16xbf16>
  return %w : tensor<1x16xf32>
}

// -----

moe.param @w : tensor<1x16xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %w = moe.get @w : tensor<1x16xf32>
  // expected-error@+1 {{'moe.quantize' op cannot be lowered: operand 0 is no result of a layer}}
  %0 = moe.quantize %w scale 1.0 offset 0 : tensor<1x16xf32> -> tensor<1x16xi8>
  return %w : tensor<1x16xf32>
}

// -----

// Ten channels each in a panel, read as forty in three panels; and the other way.
moe.param @w : tensor<40x16xf32>
moe.param @v : tensor<20x40xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %x size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %w = moe.get @w : tensor<40x16xf32>
  %y = moe.linear %p weight(%w) groups(10, 16) : tensor<1x16xf32>, tensor<40x16xf32> -> tensor<1x40xf32>
  %v = moe.get @v : tensor<20x40xf32>
  // expected-error@+1 {{'moe.linear' op cannot be lowered: its input comes in other groups}}
  %z = moe.linear %y weight(%v) groups(20, 40) : tensor<1x40xf32>, tensor<20x40xf32> -> tensor<1x20xf32>
  return %z : tensor<1x20xf32>
}

// -----

moe.param @w : tensor<20x40xf32>
moe.param @w.bf16 : tensor<20x40xbf16> = {
  %0 = moe.get @w : tensor<20x40xf32>
  %1 = moe.round %0 : tensor<20x40xf32> -> tensor<20x40xbf16>
  moe.yield %1 : tensor<20x40xbf16>
}
func.func @run(%x: tensor<1x10x4xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %x size 10, 4 : tensor<1x10x4xf32> -> tensor<1x40xbf16>
  %w = moe.get @w.bf16 : tensor<20x40xbf16>
  // expected-error@+1 {{'moe.linear' op cannot be lowered: its input comes in other groups}}
  %y = moe.linear %p weight(%w) groups(20, 10) : tensor<1x40xbf16>, tensor<20x40xbf16> -> tensor<1x20xf32>
  return %y : tensor<1x20xf32>
}

// -----

moe.param @v : tensor<2xf32>
func.func @run(%x: tensor<1x4x4xf32>) -> tensor<1x2xf32> {
  %v = moe.get @v : tensor<2xf32>
  // expected-error@+1 {{'moe.collect' op cannot be lowered: operand 0 is no result of a layer}}
  %c = moe.collect %v : tensor<2xf32> -> tensor<1x2xf32>
  return %c : tensor<1x2xf32>
}
