// Each token's experts: who takes whom, and each expert's work on its group.
// RUN: moe-opt %s --moe-merge-experts --convert-moe-to-linalg | FileCheck %s
// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s --check-prefix=SWITCH
// RUN: moe-opt %s --moe-merge-experts --moe-to-linalg --moe-to-vector=cpu=x86-64-v3 --moe-bufferize | FileCheck %s --check-prefix=MEMORY

module @tiny {
  moe.param @patch : tensor<16x1x2x2xf32>
  moe.param @offset : tensor<4x16xf32>
  moe.param @router : tensor<2x16xf32>
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
  // CHECK-SAME: %{{.*}}, %{{.*}}, %[[ROUTES:.*]]: memref<2x4xi32>)
  // Choices, in tensors of [token, choice].
  // CHECK: scf.for {{.*}} -> (tensor<4x2xindex>, tensor<4x2xf32>, tensor<4xf32>)
  // The order of priority, then one round for each choice; a fourth column
  // catches who comes too late.
  // CHECK: -> (tensor<4xindex>)
  // CHECK: scf.for {{.*}} -> (tensor<2x4xindex>, tensor<2x4xf32>, tensor<2xindex>)
  // CHECK: arith.minsi
  // CHECK: tensor.extract_slice {{.*}} : tensor<2x4xindex> to tensor<2x3xindex>
  // The routes count tokens.
  // CHECK: memref.store %{{.*}}, %[[ROUTES]]
  // Each expert's group: its tokens' rows, as many as there are.
  // An expert without tokens does nothing.
  // CHECK: scf.for %[[E:[a-z0-9]+]] = %{{.*}} -> (tensor<4x1x16xf32>)
  // CHECK: %[[N:.*]] = tensor.extract %{{.*}}[%[[E]]] : tensor<2xindex>
  // CHECK: %[[ANY:.*]] = arith.cmpi sgt, %[[N]]
  // CHECK: scf.if %[[ANY]] -> (tensor<4x1x16xf32>)
  // CHECK: bufferization.alloc_tensor() : tensor<3x1x16xf32>
  // CHECK: scf.for %[[I:[a-z0-9]+]] = %{{.*}} to %[[N]]
  // CHECK: %[[TOKEN:.*]] = tensor.extract %{{.*}}[%[[E]], %[[I]]] : tensor<2x3xindex>
  // CHECK: tensor.extract_slice %{{.*}}[%[[TOKEN]], 0, 0] [1, 1, 16]
  // CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [%[[N]], 1, 16] [1, 1, 1] : tensor<3x1x16xf32> to tensor<?x1x16xf32>
  // CHECK: moe.weights @e0.w1.table.packed[%[[E]]]
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<2x16x16xf32>)
  // Back to the tokens, with their gates.
  // CHECK: scf.for %[[I2:[a-z0-9]+]] = %{{.*}} to %[[N]]
  // CHECK: tensor.extract %{{.*}}[%[[E]], %[[I2]]] : tensor<2x3xf32>
  // CHECK: tensor.insert_slice
  // CHECK-NOT: moe.token

  // SWITCH: scf.index_switch
  // SWITCH: moe.weights @e0.w1.packed
  // SWITCH: moe.weights @e1.w1.packed

  // One kernel a product, for any number of rows: it makes the view itself.
  // MEMORY: func.func private @kernel_{{[0-9]+}}({{.*}}memref<3x1x16xf32>, {{.*}}index
  // MEMORY: memref.subview {{.*}} : memref<3x1x16xf32> to memref<?x1x16xf32
  // MEMORY-NOT: memref.alloc
  func.func @run(%image: tensor<1x4x4xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>, moe.token_routes} {
    %p = moe.get @patch : tensor<16x1x2x2xf32>
    %o = moe.get @offset : tensor<4x16xf32>
    %x = moe.patch_embed %image, %p, %o : tensor<1x4x4xf32>, tensor<16x1x2x2xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
    %r = moe.get @router : tensor<2x16xf32>
    %t, %g, %n, %m = moe.token_router %x weight(%r) top_k 2 priority : tensor<4x16xf32>, tensor<2x16xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
    %y = moe.token_experts %x took(%t, %g, %n) : tensor<4x16xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
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
    %s = arith.addf %x, %y : tensor<4x16xf32>
    %c = moe.slice_tokens %s from 0 : tensor<4x16xf32> -> tensor<1x16xf32>
    %w = moe.get @head : tensor<10x16xf32>
    %b = moe.get @bias : tensor<10xf32>
    %l = moe.head %c weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
    return %l, %n, %m : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
  }
}
