// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s

// Experts that differ become a switch in which one case runs; the chosen
// experts and their gates are stored as routes.

moe.param @r : tensor<2x16xf32>
moe.param @a1 : tensor<32x16xf32>
moe.param @a1b : tensor<32xf32>
moe.param @a2 : tensor<16x32xf32>
moe.param @c1 : tensor<64x16xf32>
moe.param @c1b : tensor<64xf32>
moe.param @c2 : tensor<16x64xf32>
moe.param @b : tensor<16xf32>
moe.param @pw : tensor<16x1x2x2xf32>

// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[ROUTES:[a-z0-9]+]]: memref<2x4xi32>) -> i32
func.func @run(%image: tensor<1x2x2xf32>) -> (tensor<1x16xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>} {
  %pw = moe.get @pw : tensor<16x1x2x2xf32>
  %b = moe.get @b : tensor<16xf32>
  %x = moe.patch_embed %image, %pw, %b : tensor<1x2x2xf32>, tensor<16x1x2x2xf32>, tensor<16xf32> -> tensor<1x16xf32>
  %r = moe.get @r : tensor<2x16xf32>
  // CHECK: scf.for
  // CHECK: scf.for
  // CHECK: arith.cmpf olt
  // CHECK: arith.cmpf oeq
  // CHECK: arith.divf
  // CHECK-COUNT-4: memref.store %{{.*}}, %[[ROUTES]]
  %e, %g = moe.router %x weight(%r) normalize : tensor<1x16xf32>, tensor<2x16xf32> -> tensor<2xindex>, tensor<2xf32>
  // CHECK: scf.for %[[J:.*]] = {{.*}} iter_args(%{{.*}} = %{{.*}}) -> (tensor<1x1x16xf32>)
  // CHECK:   %[[E:.*]] = tensor.extract %{{.*}}[%[[J]]] : tensor<2xindex>
  // CHECK:   scf.index_switch %[[E]]
  // CHECK:   case 0
  // CHECK:     moe.weights @a1.packed
  // CHECK:   default
  // CHECK:     moe.weights @c1.packed
  %y = moe.experts %x routed(%e, %g) : tensor<1x16xf32>, tensor<2xindex>, tensor<2xf32> {
  ^bb0(%t: tensor<1x16xf32>):
    %0 = moe.get @a1 : tensor<32x16xf32>
    %1 = moe.get @a1b : tensor<32xf32>
    %2 = moe.get @a2 : tensor<16x32xf32>
    %3 = moe.get @b : tensor<16xf32>
    %4 = moe.mlp %t fc1(%0, %1) fc2(%2, %3) relu : tensor<1x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
    moe.yield %4 : tensor<1x16xf32>
  }, {
  ^bb0(%t: tensor<1x16xf32>):
    %0 = moe.get @c1 : tensor<64x16xf32>
    %1 = moe.get @c1b : tensor<64xf32>
    %2 = moe.get @c2 : tensor<16x64xf32>
    %3 = moe.get @b : tensor<16xf32>
    %4 = moe.mlp %t fc1(%0, %1) fc2(%2, %3) silu : tensor<1x16xf32>, tensor<64x16xf32>, tensor<64xf32>, tensor<16x64xf32>, tensor<16xf32>
    moe.yield %4 : tensor<1x16xf32>
  }
  %s = arith.addf %x, %y : tensor<1x16xf32>
  return %s, %e, %g : tensor<1x16xf32>, tensor<2xindex>, tensor<2xf32>
}
