// A soft mixture of experts whose answer is wanted for one token only: one row
// of the weights and of their product; what is told of the routing needs all.
// RUN: moe-opt %s --moe-slice-tokens | FileCheck %s

// CHECK-LABEL: func.func @combine(
// CHECK-SAME: %[[L:[a-z0-9]+]]: tensor<5x6xf32>, %[[O:[a-z0-9]+]]: tensor<6x8xf32>
// CHECK: %[[W:.*]] = moe.combine_weights %[[L]] : tensor<5x6xf32>
// CHECK: moe.slot_gates %[[W]] : tensor<5x6xf32>
// CHECK: %[[ROW:.*]] = moe.slice_tokens %[[W]] from 1 : tensor<5x6xf32> -> tensor<1x6xf32>
// CHECK: %[[Y:.*]] = moe.soft_combine %[[ROW]], %[[O]] : tensor<1x6xf32>, tensor<6x8xf32> -> tensor<1x8xf32>
// CHECK: return %[[Y]]
func.func @combine(%l: tensor<5x6xf32>, %o: tensor<6x8xf32>) -> (tensor<1x8xf32>, tensor<2xindex>, tensor<2xf32>) {
  %w = moe.combine_weights %l : tensor<5x6xf32>
  %n, %g = moe.slot_gates %w : tensor<5x6xf32> -> tensor<2xindex>, tensor<2xf32>
  %y = moe.soft_combine %w, %o : tensor<5x6xf32>, tensor<6x8xf32> -> tensor<5x8xf32>
  %s = moe.slice_tokens %y from 1 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %s, %n, %g : tensor<1x8xf32>, tensor<2xindex>, tensor<2xf32>
}
