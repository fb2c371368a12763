// Soft mixtures of experts.
// RUN: moe-opt %s --moe-merge-experts --convert-moe-to-linalg | FileCheck %s
// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s --check-prefix=SWITCH
// RUN: moe-opt %s --moe-merge-experts --moe-to-linalg --moe-to-vector=cpu=x86-64-v3 --moe-bufferize | FileCheck %s --check-prefix=MEMORY

module @tiny {
  moe.param @patch : tensor<16x1x2x2xf32>
  moe.param @offset : tensor<9x16xf32>
  // The weight: normalised, scaled and packed when the binary is written.
  // CHECK: moe.param @mu.keys : tensor<1x16x16xf32> = {
  // CHECK: %[[MU:.*]] = moe.get @mu : tensor<16x2x3xf32>
  // CHECK: %[[S:.*]] = moe.get @scale : tensor<1xf32>
  // CHECK: %[[K:.*]] = moe.slot_keys %[[MU]], %[[S]] : {{.*}} -> tensor<6x16xf32>
  // CHECK: moe.pack_panels %[[K]] groups(6, 16)
  moe.param @mu : tensor<16x2x3xf32>
  moe.param @scale : tensor<1xf32>
  moe.param @e0.w1 : tensor<32x16xf32> in "e0"
  moe.param @e0.b1 : tensor<32xf32> in "e0"
  moe.param @e0.w2 : tensor<16x32xf32> in "e0"
  moe.param @e0.b2 : tensor<16xf32> in "e0"
  moe.param @e1.w1 : tensor<32x16xf32> in "e1"
  moe.param @e1.b1 : tensor<32xf32> in "e1"
  moe.param @e1.w2 : tensor<16x32xf32> in "e1"
  moe.param @e1.b2 : tensor<16xf32> in "e1"
  moe.param @head : tensor<10x16xf32>
  moe.param @bias : tensor<10xf32>

  // CHECK-LABEL: func.func @run(
  // The logits: a product, and one by the root of the squares' sum.
  // CHECK: moe.weights @mu.keys : memref<1x16x16xf32>
  // CHECK: arith.constant 9.99999997E-7
  // CHECK: math.rsqrt
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<9x16xf32>, tensor<1x16x16xf32>)
  // Dispatch: a row for each slot, tokens in lanes; seven are none.
  // CHECK: tensor.extract_slice {{.*}} : tensor<9x16xf32> to tensor<9x6xf32>
  // CHECK: arith.constant dense<{{.*}}> : tensor<1x16xf32>
  // CHECK: math.exp
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<6x9xf32>, tensor<9x1x16xf32>)
  // Each expert on its three.
  // CHECK: scf.for %[[E:[a-z0-9]+]] = %{{.*}} iter_args(%[[ALL:.*]] = %{{.*}}) -> (tensor<6x1x16xf32>) {
  // CHECK: %[[FIRST:.*]] = arith.muli %[[E]], %{{.*}}
  // CHECK: tensor.extract_slice %{{.*}}[%[[FIRST]], 0, 0] [3, 1, 16] [1, 1, 1]
  // CHECK: moe.weights @e0.w1.table.packed[%[[E]]]
  // CHECK: tensor.insert_slice %{{.*}} into %[[ALL]][%[[FIRST]], 0, 0] [3, 1, 16] [1, 1, 1]
  // Combine: over the slots, then the product.
  // CHECK: math.exp
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<9x6xf32>, tensor<6x1x16xf32>)
  // CHECK-NOT: moe.s{{lot|oft}}

  // SWITCH: scf.index_switch
  // SWITCH: moe.weights @e0.w1.packed
  // SWITCH: moe.weights @e1.w1.packed

  // Kernels get the place of an expert's slots as a number.
  // MEMORY-NOT: memref.alloc
  // MEMORY: func.func private @kernel_{{[0-9]+}}({{.*}}%[[SLOTS:[a-z0-9]+]]: memref<6x1x16xf32>, %[[PLACE:[a-z0-9]+]]: index) {
  // MEMORY: memref.subview %[[SLOTS]][%[[PLACE]], 0, 0] [3, 1, 16] [1, 1, 1]
  func.func @run(%image: tensor<1x6x6xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>, moe.token_routes} {
    %p = moe.get @patch : tensor<16x1x2x2xf32>
    %o = moe.get @offset : tensor<9x16xf32>
    %x = moe.patch_embed %image, %p, %o : tensor<1x6x6xf32>, tensor<16x1x2x2xf32>, tensor<9x16xf32> -> tensor<9x16xf32>
    %mu = moe.get @mu : tensor<16x2x3xf32>
    %scale = moe.get @scale : tensor<1xf32>
    %logits = moe.slot_logits %x mu(%mu) scale(%scale) : tensor<9x16xf32>, tensor<16x2x3xf32>, tensor<1xf32> -> tensor<9x6xf32>
    %z = moe.soft_dispatch %x, %logits : tensor<9x16xf32>, tensor<9x6xf32> -> tensor<6x16xf32>
    %out = moe.slot_experts %z : tensor<6x16xf32> {
    ^bb0(%h: tensor<3x16xf32>):
      %0 = moe.get @e0.w1 : tensor<32x16xf32>
      %1 = moe.get @e0.b1 : tensor<32xf32>
      %2 = moe.get @e0.w2 : tensor<16x32xf32>
      %3 = moe.get @e0.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<3x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<3x16xf32>
    }, {
    ^bb0(%h: tensor<3x16xf32>):
      %0 = moe.get @e1.w1 : tensor<32x16xf32>
      %1 = moe.get @e1.b1 : tensor<32xf32>
      %2 = moe.get @e1.w2 : tensor<16x32xf32>
      %3 = moe.get @e1.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<3x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<3x16xf32>
    }
    %weights = moe.combine_weights %logits : tensor<9x6xf32>
    %n, %m = moe.slot_gates %weights : tensor<9x6xf32> -> tensor<2xindex>, tensor<2xf32>
    %y = moe.soft_combine %weights, %out : tensor<9x6xf32>, tensor<6x16xf32> -> tensor<9x16xf32>
    %s = arith.addf %x, %y : tensor<9x16xf32>
    %c = moe.slice_tokens %s from 0 : tensor<9x16xf32> -> tensor<1x16xf32>
    %w = moe.get @head : tensor<10x16xf32>
    %b = moe.get @bias : tensor<10xf32>
    %l = moe.head %c weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
    return %l, %n, %m : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
  }
}
