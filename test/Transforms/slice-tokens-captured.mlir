// An expert that adds something other than its own tokens: the slice stays
// below it, or slices that too. Either way the result is valid.
// RUN: moe-opt %s --moe-slice-tokens | FileCheck %s

moe.param @p : tensor<5x8xf32>

// CHECK-LABEL: func.func @captured(
// CHECK: moe.experts
func.func @captured(%x: tensor<5x8xf32>, %c: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<1x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %a = arith.addf %t, %c : tensor<5x8xf32>
    moe.yield %a : tensor<5x8xf32>
  }
  %1 = moe.slice_tokens %0 from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %1 : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @parameter(
// CHECK: moe.experts
func.func @parameter(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<1x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %p = moe.get @p : tensor<5x8xf32>
    %a = arith.addf %t, %p : tensor<5x8xf32>
    moe.yield %a : tensor<5x8xf32>
  }
  %1 = moe.slice_tokens %0 from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %1 : tensor<1x8xf32>
}
