// RUN: moe-opt %s --convert-moe-to-llvm=expert-files | FileCheck %s

// An expert's section has a number among all experts'; where its file lies is
// asked for. What is shared is an address as ever.
// CHECK-DAG: llvm.mlir.global internal constant @model_w_blocks_1_expert_1_addresses() {{.*}} : !llvm.array<2 x i64>
// CHECK-DAG: llvm.func @moe_expert(i64) -> !llvm.ptr
// CHECK-DAG: llvm.mlir.global external hidden constant @model_w_shared
// CHECK-NOT: @model_w_blocks_1_expert_0
moe.param @shared : tensor<16xf32> at 0
moe.param @e0 : tensor<16xf32> in "blocks.1.expert.0" at 0
moe.param @e1 : tensor<16xf32> in "blocks.1.expert.1" at 0
moe.param @f0 : tensor<16xf32> in "blocks.1.expert.0" at 64
moe.param @f1 : tensor<16xf32> in "blocks.1.expert.1" at 64
moe.param_table @f [@f1, @f0] : tensor<16xf32>

// CHECK-LABEL: llvm.func @run(
// CHECK-SAME: %[[I:.*]]: i64
func.func @run(%i: index) -> (f32, f32, f32) {
  %c0 = arith.constant 0 : index
  // CHECK: llvm.mlir.addressof @model_w_shared
  %s = moe.weights @shared : memref<16xf32>
  // CHECK: %[[ONE:.*]] = llvm.mlir.constant(1 : i64)
  // CHECK: llvm.call @moe_expert(%[[ONE]])
  %e = moe.weights @e1 : memref<16xf32>
  // CHECK: %[[TABLE:.*]] = llvm.mlir.addressof @model_w_blocks_1_expert_1_addresses
  // CHECK: %[[SLOT:.*]] = llvm.getelementptr %[[TABLE]][%[[I]]] : {{.*}}, i64
  // CHECK: %[[NUMBER:.*]] = llvm.load %[[SLOT]] : {{.*}} -> i64
  // CHECK: %[[FILE:.*]] = llvm.call @moe_expert(%[[NUMBER]])
  // CHECK: %[[AT:.*]] = llvm.mlir.constant(64 : i64)
  // CHECK: llvm.getelementptr %[[FILE]][%[[AT]]]
  %f = moe.weights @f[%i] : memref<16xf32>
  %0 = memref.load %s[%c0] : memref<16xf32>
  %1 = memref.load %e[%c0] : memref<16xf32>
  %2 = memref.load %f[%c0] : memref<16xf32>
  return %0, %1, %2 : f32, f32, f32
}
