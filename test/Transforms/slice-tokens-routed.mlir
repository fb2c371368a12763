// Experts run for the tokens that are needed. All tokens are routed still: they
// compete for the places.
// RUN: moe-opt %s --split-input-file --moe-slice-tokens | FileCheck %s

// CHECK-LABEL: func.func @class_token(
// CHECK: %[[H:.*]] = moe.layer_norm %{{.*}} : tensor<6x8xf32>
// CHECK: %[[T:.*]], %[[G:.*]], %[[N:.*]], %[[M:.*]] = moe.token_router %[[H]] {{.*}} : tensor<6x8xf32>
// CHECK-DAG: %[[T1:.*]], %[[G1:.*]], %[[N1:.*]] = moe.slice_taken %[[T]], %[[G]], %[[N]] from 0 count 1 : {{.*}} -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
// CHECK-DAG: %[[H1:.*]] = moe.slice_tokens %[[H]] from 0 : tensor<6x8xf32> -> tensor<1x8xf32>
// CHECK: moe.token_experts %[[H1]] took(%[[T1]], %[[G1]], %[[N1]]) :
// CHECK: ^bb0(%{{.*}}: tensor<1x8xf32>):
// CHECK: moe.layer_norm {{.*}} : tensor<1x8xf32>
// CHECK: }, {
// CHECK: ^bb0(%{{.*}}: tensor<1x8xf32>):
// CHECK: return %{{.*}}, %[[N]], %[[M]]
func.func @class_token(%x: tensor<6x8xf32>, %w: tensor<2x8xf32>) -> (tensor<1x8xf32>, tensor<2xindex>, tensor<2xf32>) {
  %h = moe.layer_norm %x eps 0.0 : tensor<6x8xf32>
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 2
      : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
  %y = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%a: tensor<3x8xf32>):
    %0 = moe.layer_norm %a eps 0.0 : tensor<3x8xf32>
    moe.yield %0 : tensor<3x8xf32>
  }, {
  ^bb0(%a: tensor<3x8xf32>):
    moe.yield %a : tensor<3x8xf32>
  }
  %s = arith.addf %x, %y : tensor<6x8xf32>
  %c = moe.slice_tokens %s from 0 : tensor<6x8xf32> -> tensor<1x8xf32>
  return %c, %n, %m : tensor<1x8xf32>, tensor<2xindex>, tensor<2xf32>
}

// -----

// More tokens than an expert takes: its group stays as large.
// CHECK-LABEL: func.func @patches(
// CHECK: moe.slice_taken {{.*}} from 1 count 5 : {{.*}} -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>
// CHECK: moe.token_experts {{.*}} indexed 2 : tensor<5x8xf32>
// CHECK: ^bb0(%{{.*}}: tensor<3x8xf32>, %{{.*}}: index):
func.func @patches(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) -> tensor<1x8xf32> {
  %t, %g, %n, %m = moe.token_router %h weight(%w) top_k 1
      : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
  %y = moe.token_experts %h took(%t, %g, %n) indexed 2 : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%a: tensor<3x8xf32>, %e: index):
    moe.yield %a : tensor<3x8xf32>
  }
  %c = moe.pool %y from 1 count 5 : tensor<6x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// A body that looks beyond its own tokens keeps all of them.
// CHECK-LABEL: func.func @captured(
// CHECK-NOT: moe.slice_taken
// CHECK: moe.token_experts {{.*}} : tensor<6x8xf32>
func.func @captured(%h: tensor<6x8xf32>, %o: tensor<3x8xf32>, %t: tensor<1x3xindex>, %g: tensor<1x3xf32>, %n: tensor<1xindex>) -> tensor<1x8xf32> {
  %y = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<1x3xindex>, tensor<1x3xf32>, tensor<1xindex> {
  ^bb0(%a: tensor<3x8xf32>):
    %0 = arith.addf %a, %o : tensor<3x8xf32>
    moe.yield %0 : tensor<3x8xf32>
  }
  %c = moe.slice_tokens %y from 0 : tensor<6x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}
