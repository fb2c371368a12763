// Values of every element type start at a multiple of 64 bytes and take as many
// bytes as they are.
// RUN: moe-opt %s --moe-place-weights | FileCheck %s

// An ingredient has no place.
// CHECK: moe.param @w : tensor<5x13xf32>{{$}}
moe.param @w : tensor<5x13xf32>
// 65 values of one, two and four bytes.
// CHECK: moe.param @w.int8 : tensor<5x13xi8> in "shared" at 0 = {
moe.param @w.int8 : tensor<5x13xi8> = {
  %0 = moe.get @w : tensor<5x13xf32>
  %1 = moe.quantize_rows %0 : tensor<5x13xf32> -> tensor<5x13xi8>
  moe.yield %1 : tensor<5x13xi8>
}
// CHECK: moe.param @w.bf16 : tensor<5x13xbf16> in "shared" at 128 = {
moe.param @w.bf16 : tensor<5x13xbf16> = {
  %0 = moe.get @w : tensor<5x13xf32>
  %1 = moe.round %0 : tensor<5x13xf32> -> tensor<5x13xbf16>
  moe.yield %1 : tensor<5x13xbf16>
}
// CHECK: moe.param @w.sums : tensor<17xi32> in "shared" at 320 = {
moe.param @wide : tensor<17x2xf32>
moe.param @w.sums : tensor<17xi32> = {
  %0 = moe.get @wide : tensor<17x2xf32>
  %1 = moe.quantize_rows %0 : tensor<17x2xf32> -> tensor<17x2xi8>
  %2 = moe.row_sums %1 by 1 : tensor<17x2xi8> -> tensor<17xi32>
  moe.yield %2 : tensor<17xi32>
}
// CHECK: moe.param @last : tensor<1xf32> in "shared" at 448
moe.param @last : tensor<1xf32>

// One that has a place keeps it; what follows comes after its bytes.
// CHECK: moe.param @placed : tensor<40x2xbf16> in "own" at 64 = {
moe.param @before : tensor<40x2xf32>
moe.param @placed : tensor<40x2xbf16> in "own" at 64 = {
  %0 = moe.get @before : tensor<40x2xf32>
  %1 = moe.round %0 : tensor<40x2xf32> -> tensor<40x2xbf16>
  moe.yield %1 : tensor<40x2xbf16>
}
// CHECK: moe.param @after : tensor<1xf32> in "own" at 256
moe.param @after : tensor<1xf32> in "own"

// Experts' sections of int8.
// CHECK: moe.param @e0.int8 : tensor<4x16xi8> in "expert.0" at 0 = {
// CHECK: moe.param @e0.scales : tensor<4xf32> in "expert.0" at 64 = {
// CHECK: moe.param @e1.int8 : tensor<4x16xi8> in "expert.1" at 0 = {
// CHECK: moe.param @e1.scales : tensor<4xf32> in "expert.1" at 64 = {
moe.param @e0 : tensor<4x16xf32> in "expert.0"
moe.param @e0.int8 : tensor<4x16xi8> in "expert.0" = {
  %0 = moe.get @e0 : tensor<4x16xf32>
  %1 = moe.quantize_rows %0 : tensor<4x16xf32> -> tensor<4x16xi8>
  moe.yield %1 : tensor<4x16xi8>
}
moe.param @e0.scales : tensor<4xf32> in "expert.0" = {
  %0 = moe.get @e0 : tensor<4x16xf32>
  %1 = moe.row_scales %0 by 1.0 : tensor<4x16xf32> -> tensor<4xf32>
  moe.yield %1 : tensor<4xf32>
}
moe.param @e1 : tensor<4x16xf32> in "expert.1"
moe.param @e1.int8 : tensor<4x16xi8> in "expert.1" = {
  %0 = moe.get @e1 : tensor<4x16xf32>
  %1 = moe.quantize_rows %0 : tensor<4x16xf32> -> tensor<4x16xi8>
  moe.yield %1 : tensor<4x16xi8>
}
moe.param @e1.scales : tensor<4xf32> in "expert.1" = {
  %0 = moe.get @e1 : tensor<4x16xf32>
  %1 = moe.row_scales %0 by 1.0 : tensor<4x16xf32> -> tensor<4xf32>
  moe.yield %1 : tensor<4xf32>
}
moe.param_table @int8 [@e0.int8, @e1.int8] : tensor<4x16xi8>
moe.param_table @scales [@e0.scales, @e1.scales] : tensor<4xf32>

func.func @run(%e: index) {
  %0 = moe.weights @w.int8 : memref<5x13xi8>
  %1 = moe.weights @w.bf16 : memref<5x13xbf16>
  %2 = moe.weights @w.sums : memref<17xi32>
  %3 = moe.weights @last : memref<1xf32>
  %4 = moe.weights @placed : memref<40x2xbf16>
  %5 = moe.weights @after : memref<1xf32>
  %6 = moe.weights @int8[%e] : memref<4x16xi8>
  %7 = moe.weights @scales[%e] : memref<4xf32>
  return
}
