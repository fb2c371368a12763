// Round trip of routers other than top-k.
// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s

// CHECK-LABEL: func.func @expert_choice(
func.func @expert_choice(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>, %b: tensor<2xf32>) {
  // CHECK: moe.expert_choice %{{.*}} weight(%{{[a-z0-9]+}}) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  %t0, %g0, %n0, %m0 = moe.expert_choice %h weight(%w)
      : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  // CHECK: moe.expert_choice %{{.*}} weight(%{{.*}}, %{{.*}}) : tensor<6x8xf32>, tensor<2x8xf32>, tensor<2xf32> -> tensor<2x3xindex>
  %t, %g, %n, %m = moe.expert_choice %h weight(%w, %b)
      : tensor<6x8xf32>, tensor<2x8xf32>, tensor<2xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @soft(
func.func @soft(%h: tensor<6x8xf32>, %mu: tensor<8x2x3xf32>, %s: tensor<1xf32>) -> tensor<6x8xf32> {
  // CHECK: %[[L:.*]] = moe.slot_logits %{{.*}} mu(%{{.*}}) scale(%{{.*}}) : tensor<6x8xf32>, tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x6xf32>
  %l = moe.slot_logits %h mu(%mu) scale(%s)
      : tensor<6x8xf32>, tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x6xf32>
  // CHECK: %[[Z:.*]] = moe.soft_dispatch %{{.*}}, %[[L]] : tensor<6x8xf32>, tensor<6x6xf32> -> tensor<6x8xf32>
  %z = moe.soft_dispatch %h, %l : tensor<6x8xf32>, tensor<6x6xf32> -> tensor<6x8xf32>
  // CHECK: moe.slot_experts %[[Z]] : tensor<6x8xf32> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<3x8xf32>):
  // CHECK: }, {
  %o = moe.slot_experts %z : tensor<6x8xf32> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<3x8xf32>):
    %1 = moe.layer_norm %x eps 1.0e-6 : tensor<3x8xf32>
    moe.yield %1 : tensor<3x8xf32>
  }
  // CHECK: moe.slot_experts %{{.*}} indexed 3 : tensor<6x8xf32> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<2x8xf32>, %{{.*}}: index):
  %p = moe.slot_experts %o indexed 3 : tensor<6x8xf32> {
  ^bb0(%x: tensor<2x8xf32>, %e: index):
    moe.yield %x : tensor<2x8xf32>
  }
  // CHECK: %[[C:.*]] = moe.combine_weights %[[L]] : tensor<6x6xf32>
  %c = moe.combine_weights %l : tensor<6x6xf32>
  // CHECK: moe.slot_gates %[[C]] : tensor<6x6xf32> -> tensor<2xindex>, tensor<2xf32>
  %n, %g = moe.slot_gates %c : tensor<6x6xf32> -> tensor<2xindex>, tensor<2xf32>
  // CHECK: moe.soft_combine %[[C]], %{{.*}} : tensor<6x6xf32>, tensor<6x8xf32> -> tensor<6x8xf32>
  %y = moe.soft_combine %c, %p : tensor<6x6xf32>, tensor<6x8xf32> -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

moe.param @mu : tensor<8x2x3xf32>
moe.param @scale : tensor<1xf32>
// CHECK: moe.param @keys : tensor<6x8xf32> = {
moe.param @keys : tensor<6x8xf32> = {
  %0 = moe.get @mu : tensor<8x2x3xf32>
  %1 = moe.get @scale : tensor<1xf32>
  // CHECK: moe.slot_keys %{{.*}}, %{{.*}} : tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x8xf32>
  %2 = moe.slot_keys %0, %1 : tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x8xf32>
  moe.yield %2 : tensor<6x8xf32>
}
