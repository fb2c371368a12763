// Valid IR that the importer does not write: lowered or refused, no crash.
// RUN: not moe-opt %s --convert-moe-to-linalg --split-input-file 2>&1 | FileCheck %s
// CHECK-NOT: Stack dump
// CHECK: error:
// CHECK-NOT: Stack dump

// A parameter as tokens.
moe.param @p : tensor<1x8xf32>
func.func @run(%i: tensor<1x8x8xf32>) -> tensor<1x8xf32> {
  %0 = moe.get @p : tensor<1x8xf32>
  %1 = moe.layer_norm %0 eps 0.0 : tensor<1x8xf32>
  return %1 : tensor<1x8xf32>
}

// -----

// Neither an image nor logits.
func.func @run(%i: f32) -> f32 {
  return %i : f32
}

// -----

// Experts that nobody reads.
moe.param @w : tensor<8x1x8x8xf32>
moe.param @b : tensor<8xf32>
moe.param @r : tensor<2x8xf32>
func.func @run(%i: tensor<1x8x8xf32>) -> tensor<1x8xf32> {
  %w = moe.get @w : tensor<8x1x8x8xf32>
  %b = moe.get @b : tensor<8xf32>
  %x = moe.patch_embed %i, %w, %b : tensor<1x8x8xf32>, tensor<8x1x8x8xf32>, tensor<8xf32> -> tensor<1x8xf32>
  %r = moe.get @r : tensor<2x8xf32>
  %e, %g = moe.router %x weight(%r) : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<1xindex>, tensor<1xf32>
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<1x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<1x8xf32>, %k: index):
    moe.yield %t : tensor<1x8xf32>
  }
  return %x : tensor<1x8xf32>
}
