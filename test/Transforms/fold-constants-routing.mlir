// LayerNorm's scale and shift before routers other than top-k.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s

// Into the weight of experts that choose their tokens, and a bias of their own.
// CHECK: moe.param @router.after.norm.weight.bias : tensor<2xf32> = {
// CHECK: moe.param @router.after.norm.weight : tensor<2x8xf32> = {
moe.param @norm.weight : tensor<8xf32>
moe.param @norm.bias : tensor<8xf32>
moe.param @router : tensor<2x8xf32>
// CHECK-LABEL: func.func @choice(
func.func @choice(%x: tensor<6x8xf32>) -> (tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>) {
  %g = moe.get @norm.weight : tensor<8xf32>
  %b = moe.get @norm.bias : tensor<8xf32>
  // CHECK: %[[H:.*]] = moe.layer_norm %{{[a-z0-9]+}} eps
  %h = moe.layer_norm %x affine(%g, %b) eps 0.0 : tensor<6x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @router : tensor<2x8xf32>
  // CHECK-DAG: %[[W:.*]] = moe.get @router.after.norm.weight :
  // CHECK-DAG: %[[B:.*]] = moe.get @router.after.norm.weight.bias :
  // CHECK: moe.expert_choice %[[H]] weight(%[[W]], %[[B]])
  %t, %gates, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
  return %t, %gates, %n, %m : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
}

// -----

// A soft router divides by the tokens' lengths: they stay as they are.
moe.param @norm.weight : tensor<8xf32>
moe.param @norm.bias : tensor<8xf32>
moe.param @mu : tensor<8x2x3xf32>
moe.param @scale : tensor<1xf32>
// CHECK-LABEL: func.func @soft(
func.func @soft(%x: tensor<6x8xf32>) -> tensor<6x6xf32> {
  %g = moe.get @norm.weight : tensor<8xf32>
  %b = moe.get @norm.bias : tensor<8xf32>
  // CHECK: moe.layer_norm %{{.*}} affine(
  %h = moe.layer_norm %x affine(%g, %b) eps 0.0 : tensor<6x8xf32>, tensor<8xf32>, tensor<8xf32>
  %mu = moe.get @mu : tensor<8x2x3xf32>
  %s = moe.get @scale : tensor<1xf32>
  %l = moe.slot_logits %h mu(%mu) scale(%s) : tensor<6x8xf32>, tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x6xf32>
  return %l : tensor<6x6xf32>
}

// -----

// What is read as gates stays as it is, though experts read it as tokens too.
moe.param @norm.weight : tensor<8xf32>
moe.param @norm.bias : tensor<8xf32>
moe.param @w : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
// CHECK-LABEL: func.func @gates(
func.func @gates(%x: tensor<1x8xf32>, %t: tensor<1x8xindex>, %n: tensor<1xindex>) -> tensor<1x8xf32> {
  %g = moe.get @norm.weight : tensor<8xf32>
  %b = moe.get @norm.bias : tensor<8xf32>
  // CHECK: moe.layer_norm %{{.*}} affine(
  %h = moe.layer_norm %x affine(%g, %b) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %0 = moe.token_experts %x took(%t, %h, %n) : tensor<1x8xf32>, tensor<1x8xindex>, tensor<1x8xf32>, tensor<1xindex> {
  ^bb0(%group: tensor<8x8xf32>):
    %w = moe.get @w : tensor<8x8xf32>
    %c = moe.get @b : tensor<8xf32>
    %y = moe.mlp %group fc1(%w, %c) fc2(%w, %c) gelu : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<8x8xf32>
  }
  return %0 : tensor<1x8xf32>
}
