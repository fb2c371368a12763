// Offsets and sections of what the code reads; the rest goes.
// RUN: moe-opt %s --moe-place-weights | FileCheck %s

// 9 floats, then the next multiple of 64 bytes; in the order of the code.
// CHECK: moe.param @second : tensor<16xf32> in "shared" at 64
moe.param @second : tensor<16xf32>
// CHECK: moe.param @first : tensor<9xf32> in "shared" at 0
moe.param @first : tensor<9xf32>

// Each expert's section starts anew.
// CHECK: moe.param @e0.w : tensor<17xf32> in "expert.0" at 0
moe.param @e0.w : tensor<17xf32> in "expert.0"
// CHECK: moe.param @e0.b : tensor<3xf32> in "expert.0" at 128
moe.param @e0.b : tensor<3xf32> in "expert.0"
// CHECK: moe.param @e1.w : tensor<17xf32> in "expert.1" at 0
moe.param @e1.w : tensor<17xf32> in "expert.1"
// CHECK: moe.param @e1.b : tensor<3xf32> in "expert.1" at 128
moe.param @e1.b : tensor<3xf32> in "expert.1"
moe.param_table @w [@e0.w, @e1.w] : tensor<17xf32>
moe.param_table @b [@e0.b, @e1.b] : tensor<3xf32>

// Read once more: the place stays.
// CHECK: moe.param @third : tensor<16xf32> in "shared" at 128
moe.param @third : tensor<16xf32>

// A recipe's ingredients stay, without a place.
// CHECK: moe.param @ingredient : tensor<16xf32>{{$}}
moe.param @ingredient : tensor<16xf32>
// CHECK: moe.param @derived : tensor<16xf32> in "shared" at 192 = {
moe.param @derived : tensor<16xf32> = {
  %0 = moe.get @ingredient : tensor<16xf32>
  %1 = moe.scale_rows %0 count 16 by 2.0 : tensor<16xf32>
  moe.yield %1 : tensor<16xf32>
}

// Nothing reads these: table, parameters, a recipe and what only it needs.
// CHECK-NOT: @unused
moe.param @unused.0 : tensor<16xf32>
moe.param @unused.1 : tensor<16xf32>
moe.param_table @unused.table [@unused.0, @unused.1] : tensor<16xf32>
moe.param @unused.ingredient : tensor<16xf32>
moe.param @unused.derived : tensor<16xf32> = {
  %0 = moe.get @unused.ingredient : tensor<16xf32>
  moe.yield %0 : tensor<16xf32>
}

// CHECK-LABEL: func.func @run(
func.func @run(%e: index) {
  %0 = moe.weights @first : memref<9xf32>
  %1 = moe.weights @second : memref<16xf32>
  %2 = moe.weights @w[%e] : memref<17xf32>
  %3 = moe.weights @third : memref<16xf32>
  %4 = moe.weights @first : memref<9xf32>
  %5 = moe.weights @b[%e] : memref<3xf32>
  %6 = moe.weights @derived : memref<16xf32>
  return
}
