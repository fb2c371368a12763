// RUN: moe-opt %s --split-input-file --pass-pipeline="builtin.module(func.func(moe-add-pause))" | FileCheck %s

moe.param @w : tensor<16xf32> at 0
moe.param @e0 : tensor<16xf32> in "blocks.1.expert.0" at 0
moe.param @e1 : tensor<16xf32> in "blocks.1.expert.1" at 0
moe.param_table @e [@e0, @e1] : tensor<16xf32>

// The pause is in front of the first weight of an expert. A number from before it
// goes through memory; constants, buffers and places of weights do not.
// CHECK-LABEL: func.func @run(
// CHECK: %[[X:.*]] = memref.alloc() : memref<16xf32>
// CHECK: %[[W:.*]] = moe.weights @w
// CHECK: %[[I:.*]] = arith.index_cast
// CHECK: %[[PLACE:.*]] = memref.alloc() : memref<index>
// CHECK: memref.store %[[I]], %[[PLACE]][]
// CHECK-NEXT: moe.pause
// CHECK-NEXT: %[[AGAIN:.*]] = memref.load %[[PLACE]][]
// CHECK-NEXT: %[[E:.*]] = moe.weights @e[%[[AGAIN]]]
// CHECK-NEXT: memref.copy %[[E]], %[[X]]
// CHECK-NEXT: memref.copy %[[W]], %[[X]]
func.func @run(%image: memref<1x1x1xf32>, %logits: memref<16xf32>, %routes: memref<1x4xi32>) -> i32 {
  %c0 = arith.constant 0 : index
  %ok = arith.constant 0 : i32
  %x = memref.alloc() : memref<16xf32>
  %w = moe.weights @w : memref<16xf32>
  memref.copy %w, %x : memref<16xf32> to memref<16xf32>
  %chosen = memref.load %routes[%c0, %c0] : memref<1x4xi32>
  %i = arith.index_cast %chosen : i32 to index
  %e = moe.weights @e[%i] : memref<16xf32>
  memref.copy %e, %x : memref<16xf32> to memref<16xf32>
  memref.copy %w, %x : memref<16xf32> to memref<16xf32>
  memref.copy %x, %logits : memref<16xf32> to memref<16xf32>
  return %ok : i32
}

// -----

moe.param @e0 : tensor<16xf32> in "blocks.1.expert.0" at 0

// A single expert of its own section, in a branch.
// CHECK-LABEL: func.func @run(
// CHECK: moe.pause
// CHECK-NEXT: scf.if
func.func @run(%image: memref<1x1x1xf32>, %logits: memref<16xf32>, %yes: i1) -> i32 {
  %ok = arith.constant 0 : i32
  scf.if %yes {
    %e = moe.weights @e0 : memref<16xf32>
    memref.copy %e, %logits : memref<16xf32> to memref<16xf32>
  }
  return %ok : i32
}

// -----

moe.param @e0 : tensor<16xf32> in "blocks.1.expert.0" at 0

// A vector cannot be kept, a token's own route is not known for a whole image, and
// without experts there is nothing to stop for.
// CHECK-LABEL: func.func @run(
// CHECK-NOT: moe.pause
func.func @run(%image: memref<1x1x16xf32>, %logits: memref<16xf32>) -> i32 {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %ok = arith.constant 0 : i32
  %v = vector.transfer_read %image[%c0, %c0, %c0], %zero {in_bounds = [true]} : memref<1x1x16xf32>, vector<16xf32>
  %e = moe.weights @e0 : memref<16xf32>
  memref.copy %e, %logits : memref<16xf32> to memref<16xf32>
  vector.transfer_write %v, %logits[%c0] {in_bounds = [true]} : vector<16xf32>, memref<16xf32>
  return %ok : i32
}

// -----

moe.param @e0 : tensor<16xf32> in "blocks.1.expert.0" at 0

// CHECK-LABEL: func.func @run(
// CHECK-NOT: moe.pause
func.func @run(%image: memref<1x1x1xf32>, %logits: memref<16xf32>) -> i32 attributes {moe.token_routes} {
  %ok = arith.constant 0 : i32
  %e = moe.weights @e0 : memref<16xf32>
  memref.copy %e, %logits : memref<16xf32> to memref<16xf32>
  return %ok : i32
}

// -----

moe.param @w : tensor<16xf32> at 0

// CHECK-LABEL: func.func @run(
// CHECK-NOT: moe.pause
func.func @run(%image: memref<1x1x1xf32>, %logits: memref<16xf32>) -> i32 {
  %ok = arith.constant 0 : i32
  %w = moe.weights @w : memref<16xf32>
  memref.copy %w, %logits : memref<16xf32> to memref<16xf32>
  return %ok : i32
}
