// Where one token is kept, an expert that took it works on it in place: as many
// rows as a compiler can know of.
// RUN: moe-opt %s --moe-merge-experts --convert-moe-to-linalg | FileCheck %s

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
  // The lists of those that are kept: token 1 becomes token 0.
  // CHECK: scf.for %[[E:[a-z0-9]+]] = %{{.*}} -> (tensor<2x2xindex>, tensor<2x2xf32>, tensor<2xindex>)
  // CHECK: %[[COUNT:.*]] = tensor.extract %{{.*}}[%[[E]]] : tensor<2xindex>
  // CHECK: scf.for %[[I:[a-z0-9]+]] = %{{.*}} to %[[COUNT]]
  // CHECK: %[[TOKEN:.*]] = tensor.extract %{{.*}}[%[[E]], %[[I]]] : tensor<2x3xindex>
  // CHECK: %[[NEW:.*]] = arith.subi %[[TOKEN]], %c1{{.*}} : index
  // CHECK: arith.cmpi ult, %[[NEW]], %c1
  // CHECK: tensor.insert %[[NEW]]
  // CHECK: scf.for %[[E2:[a-z0-9]+]] = %{{.*}} -> (tensor<1x1x16xf32>)
  // CHECK: scf.if %{{.*}} -> (tensor<1x1x16xf32>)
  // CHECK: moe.weights @e0.w1.table.packed[%[[E2]]]
  // CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x16xf32>, tensor<2x16x16xf32>)
  // CHECK-NOT: tensor<?x
  // CHECK: return
  func.func @run(%image: tensor<1x4x4xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>, moe.token_routes} {
    %p = moe.get @patch : tensor<16x1x2x2xf32>
    %o = moe.get @offset : tensor<4x16xf32>
    %x = moe.patch_embed %image, %p, %o : tensor<1x4x4xf32>, tensor<16x1x2x2xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
    %r = moe.get @router : tensor<2x16xf32>
    %t, %g, %n, %m = moe.token_router %x weight(%r) top_k 2 priority : tensor<4x16xf32>, tensor<2x16xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
    %x1 = moe.slice_tokens %x from 1 : tensor<4x16xf32> -> tensor<1x16xf32>
    %t1, %g1, %n1 = moe.slice_taken %t, %g, %n from 1 count 1 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
    %y = moe.token_experts %x1 took(%t1, %g1, %n1) : tensor<1x16xf32>, tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex> {
    ^bb0(%h: tensor<1x16xf32>):
      %0 = moe.get @e0.w1 : tensor<32x16xf32>
      %1 = moe.get @e0.b1 : tensor<32xf32>
      %2 = moe.get @e0.w2 : tensor<16x32xf32>
      %3 = moe.get @e0.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<1x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<1x16xf32>
    }, {
    ^bb0(%h: tensor<1x16xf32>):
      %0 = moe.get @e1.w1 : tensor<32x16xf32>
      %1 = moe.get @e1.b1 : tensor<32xf32>
      %2 = moe.get @e1.w2 : tensor<16x32xf32>
      %3 = moe.get @e1.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<1x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<1x16xf32>
    }
    %c = arith.addf %x1, %y : tensor<1x16xf32>
    %w = moe.get @head : tensor<10x16xf32>
    %b = moe.get @bias : tensor<10xf32>
    %l = moe.head %c weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
    return %l, %n, %m : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
  }
}
