// A LayerNorm's scale and shift go into the matrix products that read it.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s
// RUN: moe-opt %s --moe-fold-constants --split-input-file \
// RUN:   | FileCheck %s --check-prefix=BIAS

moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @w1 : tensor<16x8xf32>
moe.param @b1 : tensor<16xf32>
moe.param @w2 : tensor<8x16xf32>
moe.param @b2 : tensor<8xf32>
// CHECK: moe.param @w1.after.g : tensor<16x8xf32> = {
// CHECK:   %[[W:.*]] = moe.get @w1 :
// CHECK:   %[[G:.*]] = moe.get @g :
// CHECK:   %[[R:.*]] = moe.scale_columns %[[W]], %[[G]]
// CHECK:   moe.yield %[[R]]
// The shift meets the weight as it was, before its columns are scaled.
// CHECK: moe.param @b1.after.g : tensor<16xf32> = {
// CHECK:   %[[B:.*]] = moe.get @b1 :
// CHECK:   %[[W:.*]] = moe.get @w1 :
// CHECK:   %[[S:.*]] = moe.get @s :
// CHECK:   %[[R:.*]] = moe.absorb_shift %[[W]], %[[S]] plus %[[B]]
// CHECK:   moe.yield %[[R]]
// CHECK-NOT: @w2.after
// CHECK-LABEL: func.func @mlp(
// CHECK-NOT: moe.get @g
// CHECK-NOT: moe.get @s
// CHECK: %[[N:.*]] = moe.layer_norm %{{[a-z0-9]+}} eps 1.250000e-01 : tensor<5x8xf32>
// CHECK-DAG: %[[W1:.*]] = moe.get @w1.after.g :
// CHECK-DAG: %[[B1:.*]] = moe.get @b1.after.g :
// CHECK-DAG: %[[W2:.*]] = moe.get @w2 :
// CHECK-DAG: %[[B2:.*]] = moe.get @b2 :
// CHECK: moe.mlp %[[N]] fc1(%[[W1]], %[[B1]]) fc2(%[[W2]], %[[B2]])
func.func @mlp(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.125 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w1 = moe.get @w1 : tensor<16x8xf32>
  %b1 = moe.get @b1 : tensor<16xf32>
  %w2 = moe.get @w2 : tensor<8x16xf32>
  %b2 = moe.get @b2 : tensor<8xf32>
  %0 = moe.mlp %n fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
  return %0 : tensor<5x8xf32>
}

// -----

// Router and experts read the same norm, as blocks with a router of their own
// do. The router gains a bias; each expert's parameters stay in its section.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @router : tensor<2x8xf32>
moe.param @e0.w1 : tensor<16x8xf32> in "expert.0"
moe.param @e0.b1 : tensor<16xf32> in "expert.0"
moe.param @e0.w2 : tensor<8x16xf32> in "expert.0"
moe.param @e0.b2 : tensor<8xf32> in "expert.0"
moe.param @e1.w1 : tensor<16x8xf32> in "expert.1"
moe.param @e1.b1 : tensor<16xf32> in "expert.1"
moe.param @e1.w2 : tensor<8x16xf32> in "expert.1"
moe.param @e1.b2 : tensor<8xf32> in "expert.1"
// CHECK: moe.param @router.after.g : tensor<2x8xf32> = {
// BIAS: moe.param @router.after.g.bias : tensor<2xf32> = {
// BIAS:   %[[W:.*]] = moe.get @router :
// BIAS:   %[[S:.*]] = moe.get @s :
// BIAS:   moe.absorb_shift %[[W]], %[[S]] : tensor<2x8xf32>, tensor<8xf32> -> tensor<2xf32>
// CHECK: moe.param @e0.w1.after.g : tensor<16x8xf32> in "expert.0" = {
// CHECK: moe.param @e0.b1.after.g : tensor<16xf32> in "expert.0" = {
// CHECK: moe.param @e1.w1.after.g : tensor<16x8xf32> in "expert.1" = {
// CHECK: moe.param @e1.b1.after.g : tensor<16xf32> in "expert.1" = {
// CHECK-LABEL: func.func @router_and_experts(
// CHECK: %[[N:.*]] = moe.layer_norm %{{[a-z0-9]+}} eps
// CHECK: %[[P:.*]] = moe.pool %[[N]] from 1 count 4
// CHECK-DAG: %[[W:.*]] = moe.get @router.after.g :
// CHECK-DAG: %[[B:.*]] = moe.get @router.after.g.bias :
// CHECK: moe.router %[[P]] weight(%[[W]], %[[B]]) normalize
// CHECK: moe.experts %[[N]]
// CHECK: ^bb0(%[[T:.*]]: tensor<5x8xf32>):
// CHECK-DAG: %[[W:.*]] = moe.get @e0.w1.after.g :
// CHECK-DAG: %[[B:.*]] = moe.get @e0.b1.after.g :
// CHECK: moe.mlp %[[T]] fc1(%[[W]], %[[B]])
// CHECK: ^bb0(%[[T:.*]]: tensor<5x8xf32>):
// CHECK-DAG: %[[W:.*]] = moe.get @e1.w1.after.g :
// CHECK-DAG: %[[B:.*]] = moe.get @e1.b1.after.g :
// CHECK: moe.mlp %[[T]] fc1(%[[W]], %[[B]])
func.func @router_and_experts(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %p = moe.pool %n from 1 count 4 : tensor<5x8xf32> -> tensor<1x8xf32>
  %w = moe.get @router : tensor<2x8xf32>
  %e, %gates = moe.router %p weight(%w) normalize : tensor<1x8xf32>, tensor<2x8xf32> -> tensor<2xindex>, tensor<2xf32>
  %0 = moe.experts %n routed(%e, %gates) : tensor<5x8xf32>, tensor<2xindex>, tensor<2xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w1 = moe.get @e0.w1 : tensor<16x8xf32>
    %b1 = moe.get @e0.b1 : tensor<16xf32>
    %w2 = moe.get @e0.w2 : tensor<8x16xf32>
    %b2 = moe.get @e0.b2 : tensor<8xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %w1 = moe.get @e1.w1 : tensor<16x8xf32>
    %b1 = moe.get @e1.b1 : tensor<16xf32>
    %w2 = moe.get @e1.w2 : tensor<8x16xf32>
    %b2 = moe.get @e1.b2 : tensor<8xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}

// -----

// One router, after two norms: a weight of its own for each.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @h : tensor<8xf32>
moe.param @w : tensor<2x8xf32>
moe.param @b : tensor<2xf32>
// CHECK-DAG: moe.param @w.after.g :
// CHECK-DAG: moe.param @w.after.h :
// CHECK-DAG: moe.param @b.after.g :
// CHECK-DAG: moe.param @b.after.h :
// CHECK-LABEL: func.func @shared_router(
// CHECK-DAG: %[[W:.*]] = moe.get @w.after.g :
// CHECK-DAG: %[[B:.*]] = moe.get @b.after.g :
// CHECK: moe.router %{{.*}} weight(%[[W]], %[[B]])
// CHECK-DAG: %[[W:.*]] = moe.get @w.after.h :
// CHECK-DAG: %[[B:.*]] = moe.get @b.after.h :
// CHECK: moe.router %{{.*}} weight(%[[W]], %[[B]])
func.func @shared_router(%x: tensor<1x8xf32>) -> (tensor<1xindex>, tensor<1xindex>) {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %h = moe.get @h : tensor<8xf32>
  %w = moe.get @w : tensor<2x8xf32>
  %b = moe.get @b : tensor<2xf32>
  %0 = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %e, %eg = moe.router %0 weight(%w, %b) : tensor<1x8xf32>, tensor<2x8xf32>, tensor<2xf32> -> tensor<1xindex>, tensor<1xf32>
  %1 = moe.layer_norm %x affine(%h, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %f, %fg = moe.router %1 weight(%w, %b) : tensor<1x8xf32>, tensor<2x8xf32>, tensor<2xf32> -> tensor<1xindex>, tensor<1xf32>
  return %e, %f : tensor<1xindex>, tensor<1xindex>
}

// -----

// Through a slice, and a pool of that, into the head.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @w : tensor<4x8xf32>
moe.param @b : tensor<4xf32>
// CHECK: moe.param @w.after.g :
// CHECK: moe.param @b.after.g :
// CHECK-LABEL: func.func @head(
// CHECK: %[[N:.*]] = moe.layer_norm %{{[a-z0-9]+}} eps
// CHECK: %[[S:.*]] = moe.slice_tokens %[[N]] from 1
// CHECK: %[[P:.*]] = moe.pool %[[S]] from 0 count 4
// CHECK-DAG: %[[W:.*]] = moe.get @w.after.g :
// CHECK-DAG: %[[B:.*]] = moe.get @b.after.g :
// CHECK: moe.head %[[P]] weight(%[[W]], %[[B]])
func.func @head(%x: tensor<5x8xf32>) -> tensor<1x4xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %1 = moe.slice_tokens %n from 1 : tensor<5x8xf32> -> tensor<4x8xf32>
  %2 = moe.pool %1 from 0 count 4 : tensor<4x8xf32> -> tensor<1x8xf32>
  %w = moe.get @w : tensor<4x8xf32>
  %b = moe.get @b : tensor<4xf32>
  %3 = moe.head %2 weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %3 : tensor<1x4xf32>
}

// -----

// Not folded if anything else reads the norm: the answer, a sum, a region that
// yields it, a weight that is no parameter.
moe.param @g : tensor<8xf32>
moe.param @s : tensor<8xf32>
moe.param @w : tensor<4x8xf32>
moe.param @b : tensor<4xf32>
// CHECK-NOT: after
// CHECK-LABEL: func.func @returned(
// CHECK: moe.layer_norm %{{.*}} affine(
func.func @returned(%x: tensor<1x8xf32>) -> (tensor<1x4xf32>, tensor<1x8xf32>) {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @w : tensor<4x8xf32>
  %b = moe.get @b : tensor<4xf32>
  %0 = moe.head %n weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0, %n : tensor<1x4xf32>, tensor<1x8xf32>
}
// CHECK-LABEL: func.func @summed_after_slice(
// CHECK: moe.layer_norm %{{.*}} affine(
func.func @summed_after_slice(%x: tensor<5x8xf32>, %y: tensor<1x8xf32>) -> (tensor<5x4xf32>, tensor<1x8xf32>) {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @w : tensor<4x8xf32>
  %b = moe.get @b : tensor<4xf32>
  %0 = moe.head %n weight(%w, %b) : tensor<5x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<5x4xf32>
  %1 = moe.slice_tokens %n from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  %2 = arith.addf %1, %y : tensor<1x8xf32>
  return %0, %2 : tensor<5x4xf32>, tensor<1x8xf32>
}
// CHECK-LABEL: func.func @yielded(
// CHECK: moe.layer_norm %{{.*}} affine(
func.func @yielded(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %gates: tensor<1xf32>) -> tensor<5x8xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %0 = moe.experts %n routed(%e, %gates) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    moe.yield %t : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
// CHECK-LABEL: func.func @weight_is_an_argument(
// CHECK: moe.layer_norm %{{.*}} affine(
func.func @weight_is_an_argument(%x: tensor<1x8xf32>, %w: tensor<4x8xf32>) -> tensor<1x4xf32> {
  %g = moe.get @g : tensor<8xf32>
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %b = moe.get @b : tensor<4xf32>
  %0 = moe.head %n weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}
// CHECK-LABEL: func.func @scale_is_an_argument(
// CHECK: moe.layer_norm %{{.*}} affine(
func.func @scale_is_an_argument(%x: tensor<1x8xf32>, %g: tensor<8xf32>) -> tensor<1x4xf32> {
  %s = moe.get @s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<1x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @w : tensor<4x8xf32>
  %b = moe.get @b : tensor<4xf32>
  %0 = moe.head %n weight(%w, %b) : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}
