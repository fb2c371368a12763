// RUN: moe-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @slice_of_all_rows(
// CHECK-SAME: %[[X:.*]]: tensor
// CHECK-NEXT: return %[[X]]
func.func @slice_of_all_rows(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %0 = moe.slice_tokens %x from 0 : tensor<5x8xf32> -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// CHECK-LABEL: func.func @slice_of_slice(
// CHECK-SAME: %[[X:.*]]: tensor
// CHECK-NEXT: %[[S:.*]] = moe.slice_tokens %[[X]] from 6 : tensor<9x8xf32> -> tensor<2x8xf32>
// CHECK-NEXT: return %[[S]]
func.func @slice_of_slice(%x: tensor<9x8xf32>) -> tensor<2x8xf32> {
  %0 = moe.slice_tokens %x from 1 : tensor<9x8xf32> -> tensor<8x8xf32>
  %1 = moe.slice_tokens %0 from 2 : tensor<8x8xf32> -> tensor<6x8xf32>
  %2 = moe.slice_tokens %1 from 3 : tensor<6x8xf32> -> tensor<2x8xf32>
  return %2 : tensor<2x8xf32>
}

// The inner slice has another reader: it stays, and the outer one no longer
// needs it.
// CHECK-LABEL: func.func @inner_slice_stays(
// CHECK-SAME: %[[X:.*]]: tensor
// CHECK-DAG: %[[I:.*]] = moe.slice_tokens %[[X]] from 1 : tensor<9x8xf32> -> tensor<4x8xf32>
// CHECK-DAG: %[[O:.*]] = moe.slice_tokens %[[X]] from 3 : tensor<9x8xf32> -> tensor<1x8xf32>
// CHECK: return %[[I]], %[[O]]
func.func @inner_slice_stays(%x: tensor<9x8xf32>) -> (tensor<4x8xf32>, tensor<1x8xf32>) {
  %0 = moe.slice_tokens %x from 1 : tensor<9x8xf32> -> tensor<4x8xf32>
  %1 = moe.slice_tokens %0 from 2 : tensor<4x8xf32> -> tensor<1x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<1x8xf32>
}

// CHECK-LABEL: func.func @pool_of_one_row(
// CHECK-SAME: %[[X:.*]]: tensor
// CHECK-NEXT: %[[S:.*]] = moe.slice_tokens %[[X]] from 4 : tensor<9x8xf32> -> tensor<1x8xf32>
// CHECK-NEXT: return %[[S]]
func.func @pool_of_one_row(%x: tensor<9x8xf32>) -> tensor<1x8xf32> {
  %0 = moe.pool %x from 4 count 1 : tensor<9x8xf32> -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @pool_of_the_only_row(
// CHECK-SAME: %[[X:.*]]: tensor
// CHECK-NEXT: return %[[X]]
func.func @pool_of_the_only_row(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %0 = moe.pool %x from 0 count 1 : tensor<1x8xf32> -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @pool_of_two_rows(
// CHECK-NEXT: moe.pool %{{.*}} from 4 count 2
func.func @pool_of_two_rows(%x: tensor<9x8xf32>) -> tensor<1x8xf32> {
  %0 = moe.pool %x from 4 count 2 : tensor<9x8xf32> -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}

// Layers are pure: without a reader they go, experts with their regions.
moe.param @w : tensor<2x8xf32>
// CHECK-LABEL: func.func @dead_layers(
// CHECK-NEXT: return
func.func @dead_layers(%x: tensor<1x8xf32>) {
  %n = moe.layer_norm %x eps 0.0 : tensor<1x8xf32>
  %w = moe.get @w : tensor<2x8xf32>
  %e, %g = moe.router %n weight(%w)
      : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<1xindex>, tensor<1xf32>
  %0 = moe.experts %n routed(%e, %g) indexed 2 : tensor<1x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<1x8xf32>, %i: index):
    moe.yield %t : tensor<1x8xf32>
  }
  return
}
