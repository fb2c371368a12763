// A model with two experts: signature, packed weights, routes, logits.
// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s
// RUN: moe-opt %s --moe-merge-experts --convert-moe-to-linalg \
// RUN:   | FileCheck %s --check-prefix=INDEXED

module @m {
moe.param @patch.w : tensor<20x1x4x4xf32>
moe.param @patch.b : tensor<20xf32>
moe.param @router.w : tensor<2x20xf32>
moe.param @head.w : tensor<10x20xf32>
moe.param @head.b : tensor<10xf32>
moe.param @e0.w1 : tensor<24x20xf32> in "expert.0"
moe.param @e0.b1 : tensor<24xf32> in "expert.0"
moe.param @e0.w2 : tensor<20x24xf32> in "expert.0"
moe.param @e0.b2 : tensor<20xf32> in "expert.0"
moe.param @e1.w1 : tensor<24x20xf32> in "expert.1"
moe.param @e1.b1 : tensor<24xf32> in "expert.1"
moe.param @e1.w2 : tensor<20x24xf32> in "expert.1"
moe.param @e1.b2 : tensor<20xf32> in "expert.1"

// 20 channels take two panels of 16 lanes. The image's channels need no
// padding; those of a layer before do.
// CHECK-DAG: moe.param @patch.w.packed : tensor<2x16x16xf32> = {
// CHECK-DAG: moe.pack_panels %{{.*}} groups(20, 0) : tensor<20x1x4x4xf32> -> tensor<2x16x16xf32>
// CHECK-DAG: moe.param @patch.b.lanes : tensor<2x16xf32> = {
// CHECK-DAG: moe.pad_channels %{{.*}} group 20 : tensor<20xf32> -> tensor<2x16xf32>
// CHECK-DAG: moe.param @head.w.packed : tensor<1x32x16xf32> = {
// CHECK-DAG: moe.pack_panels %{{.*}} groups(10, 20) : tensor<10x20xf32> -> tensor<1x32x16xf32>
// Experts' packed weights stay in their sections.
// CHECK-DAG: moe.param @e0.w1.packed : tensor<2x32x16xf32> in "expert.0" = {
// CHECK-DAG: moe.param @e1.w2.packed : tensor<2x32x16xf32> in "expert.1" = {
// INDEXED-DAG: moe.param_table @[[T:.*w1.*packed]] [@e0.w1.packed, @e1.w1.packed] : tensor<2x32x16xf32>

// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[IMAGE:.*]]: memref<1x8x8xf32>, %[[LOGITS:.*]]: memref<10xf32>, %[[ROUTES:.*]]: memref<2x4xi32>) -> i32
// CHECK-NOT: moe.get
// CHECK: bufferization.to_tensor %[[IMAGE]] restrict
// CHECK: %[[W:.*]] = moe.weights @patch.w.packed : memref<2x16x16xf32>
// CHECK: bufferization.to_tensor %[[W]] restrict
// Block 7's two choices are written as soon as they are known.
// CHECK: scf.for %[[J:.*]] = %c0{{.*}} to %c2{{.*}} step
// CHECK: %[[ROW:.*]] = arith.addi %[[J]], %c0
// CHECK: %[[CHOICE:.*]] = tensor.extract %{{.*}}[%[[J]]] : tensor<2xindex>
// CHECK: %[[GATE:.*]] = tensor.extract %{{.*}}[%[[J]]] : tensor<2xf32>
// CHECK: %[[EXPERT:.*]] = arith.index_cast %[[CHOICE]]
// CHECK: %[[ALL:.*]] = arith.constant 1 : i32
// CHECK: %[[LAYER:.*]] = arith.constant 7 : i32
// CHECK: %[[BITS:.*]] = arith.bitcast %[[GATE]]
// CHECK: memref.store %[[LAYER]], %[[ROUTES]][%[[ROW]], %c0
// CHECK: memref.store %[[EXPERT]], %[[ROUTES]][%[[ROW]], %c1
// CHECK: memref.store %[[BITS]], %[[ROUTES]][%[[ROW]], %c2
// CHECK: memref.store %[[ALL]], %[[ROUTES]][%[[ROW]], %c3
// CHECK: %[[WHICH:.*]] = tensor.extract %{{.*}} : tensor<2xindex>
// CHECK: scf.index_switch %[[WHICH]]
// CHECK-NEXT: case 0 {
// CHECK: moe.weights @e0.w1.packed
// CHECK: moe.weights @e0.b2.lanes
// CHECK: default {
// CHECK: moe.weights @e1.w1.packed
// CHECK: moe.weights @e1.b2.lanes
// CHECK-NOT: memref.store
// CHECK: bufferization.materialize_in_destination %{{.*}} in writable %[[LOGITS]]
// CHECK: %[[OK:.*]] = arith.constant 0 : i32
// CHECK: return %[[OK]] : i32
// CHECK-NOT: moe.experts

// INDEXED-LABEL: func.func @run(
// INDEXED-NOT: scf.index_switch
// INDEXED-COUNT-4: memref.store
// INDEXED: %[[WHICH:.*]] = tensor.extract %{{.*}} : tensor<2xindex>
// INDEXED: moe.weights @[[T]][%[[WHICH]]] : memref<2x32x16xf32>
func.func @run(%image: tensor<1x8x8xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>)
    attributes {moe.route_layers = array<i64: 7>} {
  %w = moe.get @patch.w : tensor<20x1x4x4xf32>
  %b = moe.get @patch.b : tensor<20xf32>
  %x = moe.patch_embed %image, %w, %b : tensor<1x8x8xf32>, tensor<20x1x4x4xf32>, tensor<20xf32> -> tensor<4x20xf32>
  %p = moe.pool %x from 0 count 4 : tensor<4x20xf32> -> tensor<1x20xf32>
  %rw = moe.get @router.w : tensor<2x20xf32>
  %e, %g = moe.router %p weight(%rw) : tensor<1x20xf32>, tensor<2x20xf32> -> tensor<2xindex>, tensor<2xf32>
  %y = moe.experts %x routed(%e, %g) : tensor<4x20xf32>, tensor<2xindex>, tensor<2xf32> {
  ^bb0(%t: tensor<4x20xf32>):
    %w1 = moe.get @e0.w1 : tensor<24x20xf32>
    %b1 = moe.get @e0.b1 : tensor<24xf32>
    %w2 = moe.get @e0.w2 : tensor<20x24xf32>
    %b2 = moe.get @e0.b2 : tensor<20xf32>
    %m = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<4x20xf32>, tensor<24x20xf32>, tensor<24xf32>, tensor<20x24xf32>, tensor<20xf32>
    moe.yield %m : tensor<4x20xf32>
  }, {
  ^bb0(%t: tensor<4x20xf32>):
    %w1 = moe.get @e1.w1 : tensor<24x20xf32>
    %b1 = moe.get @e1.b1 : tensor<24xf32>
    %w2 = moe.get @e1.w2 : tensor<20x24xf32>
    %b2 = moe.get @e1.b2 : tensor<20xf32>
    %m = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<4x20xf32>, tensor<24x20xf32>, tensor<24xf32>, tensor<20x24xf32>, tensor<20xf32>
    moe.yield %m : tensor<4x20xf32>
  }
  %s = arith.addf %x, %y : tensor<4x20xf32>
  %q = moe.pool %s from 0 count 4 : tensor<4x20xf32> -> tensor<1x20xf32>
  %hw = moe.get @head.w : tensor<10x20xf32>
  %hb = moe.get @head.b : tensor<10xf32>
  %l = moe.head %q weight(%hw, %hb) : tensor<1x20xf32>, tensor<10x20xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return %l, %e, %g : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
}
}
