// Attention without the optional bias: what is printed can be parsed.
// RUN: moe-opt %s | moe-opt --mlir-print-op-generic | FileCheck %s

// CHECK: "moe.attention"(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}})
// CHECK-SAME: first_query = 3 : i64
// CHECK-SAME: heads = 2 : i64
// CHECK-SAME: scale = 2.500000e-01 : f64
// CHECK-SAME: (tensor<5x64xf32>, tensor<192x64xf32>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
func.func @attention(%x: tensor<5x64xf32>, %w: tensor<192x64xf32>,
                     %pw: tensor<64x64xf32>, %pb: tensor<64xf32>) -> tensor<2x64xf32> {
  %0 = "moe.attention"(%x, %w, %pw, %pb) {heads = 2 : i64, scale = 0.25 : f64, first_query = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 1, 1, 0>}
      : (tensor<5x64xf32>, tensor<192x64xf32>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
  return %0 : tensor<2x64xf32>
}
