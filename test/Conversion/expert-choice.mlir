// Experts that choose their tokens.
// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s
// RUN: moe-opt %s --moe-to-linalg --moe-to-vector=cpu=x86-64-v4 | FileCheck %s --check-prefix=VECTOR
// RUN: moe-opt %s --moe-to-linalg --moe-to-vector=cpu=x86-64-v4 --moe-bufferize | FileCheck %s --check-prefix=MEMORY

module @tiny {
  moe.param @patch : tensor<16x1x2x2xf32>
  moe.param @offset : tensor<9x16xf32>
  moe.param @router : tensor<2x16xf32>
  moe.param @router.bias : tensor<2xf32>
  moe.param @head : tensor<10x16xf32>
  moe.param @bias : tensor<10xf32>

  // CHECK-LABEL: func.func @run(
  // exp(l - max), then what is compared, as bits.
  // CHECK: math.exp
  // CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : f32
  // CHECK: %[[KEY:.*]] = arith.divf %{{.*}}, %{{.*}} : f32
  // CHECK-NEXT: arith.bitcast %[[KEY]] : f32 to i32
  // Bit by bit: how many of the nine are below, for all experts at once; the
  // bit is set if these are fewer than three.
  // CHECK: %[[LIMIT:.*]] = scf.for %{{.*}} = %c0{{[_0-9]*}} to %c31{{[_0-9]*}} step %{{.*}} iter_args(%{{.*}}) -> (tensor<1x16xi32>) {
  // CHECK: arith.shli
  // CHECK: linalg.generic {{.*}} iterator_types = ["reduction", "parallel", "parallel"]} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<9x1x16xi32>, tensor<1x16xi32>, i32)
  // CHECK: arith.cmpi slt
  // CHECK: %[[PLACES:.*]] = arith.constant 3 : i32
  // CHECK: arith.cmpi slt, %{{.*}}, %[[PLACES]] : i32
  // CHECK: scf.yield
  // Those at the limit that there is room for.
  // CHECK: linalg.generic {{.*}} iterator_types = ["reduction", "parallel", "parallel"]} ins(%{{.*}}, %[[LIMIT]] : tensor<9x1x16xi32>, tensor<1x16xi32>)
  // Each expert's tokens in their order; a fourth column catches the others.
  // CHECK: scf.for %[[E:[a-z0-9]+]] = {{.*}} -> (tensor<2x4xindex>, tensor<2x4xf32>, tensor<2xindex>) {
  // CHECK: scf.for %[[T:[a-z0-9]+]] = {{.*}} iter_args(%[[TAKEN:.*]] = %{{.*}}, %{{.*}} = %{{.*}}, %[[PLACE:.*]] = %{{.*}}, %[[LEFT:.*]] = %{{.*}}) -> (tensor<2x4xindex>, tensor<2x4xf32>, index, i32) {
  // CHECK: %[[LESS:.*]] = arith.cmpi slt
  // CHECK: %[[EQUAL:.*]] = arith.cmpi eq
  // CHECK: %[[SOME:.*]] = arith.cmpi sgt, %[[LEFT]]
  // CHECK: %[[JOINS:.*]] = arith.andi %[[EQUAL]], %[[SOME]]
  // CHECK: arith.ori %[[LESS]], %[[JOINS]]
  // CHECK: tensor.insert %[[T]] into %[[TAKEN]][%[[E]], %[[PLACE]]]
  // CHECK: tensor.extract_slice {{.*}} : tensor<2x4xindex> to tensor<2x3xindex>
  // CHECK-NOT: moe.expert_choice

  // Counted in lanes.
  // VECTOR: scf.for {{.*}} -> (tensor<1x16xi32>)
  // VECTOR: arith.cmpi slt, %{{.*}}, %{{.*}} : vector<16xi32>
  // VECTOR-NEXT: arith.extui %{{.*}} : vector<16xi1> to vector<16xi32>
  // VECTOR-NEXT: arith.addi %{{.*}} : vector<16xi32>

  // In place: no buffer is copied from round to round.
  // MEMORY-NOT: memref.alloc
  // MEMORY-NOT: memref.copy
  // MEMORY: call @kernel_{{[0-9]+}}({{.*}} memref<2x4xindex>, memref<2x4xf32>, memref<2xindex>)
  func.func @run(%image: tensor<1x6x6xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>, moe.token_routes} {
    %p = moe.get @patch : tensor<16x1x2x2xf32>
    %o = moe.get @offset : tensor<9x16xf32>
    %x = moe.patch_embed %image, %p, %o : tensor<1x6x6xf32>, tensor<16x1x2x2xf32>, tensor<9x16xf32> -> tensor<9x16xf32>
    %r = moe.get @router : tensor<2x16xf32>
    %rb = moe.get @router.bias : tensor<2xf32>
    %t, %g, %n, %m = moe.expert_choice %x weight(%r, %rb) : tensor<9x16xf32>, tensor<2x16xf32>, tensor<2xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
    %y = moe.token_experts %x took(%t, %g, %n) : tensor<9x16xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
    ^bb0(%h: tensor<3x16xf32>):
      moe.yield %h : tensor<3x16xf32>
    }, {
    ^bb0(%h: tensor<3x16xf32>):
      %0 = arith.addf %h, %h : tensor<3x16xf32>
      moe.yield %0 : tensor<3x16xf32>
    }
    %s = arith.addf %x, %y : tensor<9x16xf32>
    %c = moe.slice_tokens %s from 0 : tensor<9x16xf32> -> tensor<1x16xf32>
    %w = moe.get @head : tensor<10x16xf32>
    %b = moe.get @bias : tensor<10xf32>
    %l = moe.head %c weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
    return %l, %n, %m : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
  }
}
