// Addresses of weights: a section's symbol and an offset; for experts, the
// section from a table.
// RUN: moe-opt %s --convert-moe-to-llvm | FileCheck %s
// RUN: moe-opt %s --convert-moe-to-llvm | FileCheck %s --check-prefix=SECTIONS

module @"my-model" {
// CHECK-DAG: llvm.mlir.global external hidden constant @my_model_w_shared() {{{.*}}alignment = 64 : i64, dso_local} : !llvm.array<0 x i8>
// CHECK-DAG: llvm.mlir.global external hidden constant @my_model_w_blocks_1_expert_0()
// CHECK-DAG: llvm.mlir.global external hidden constant @my_model_w_blocks_1_expert_1()
// CHECK-DAG: llvm.mlir.global internal constant @[[TABLE:my_model_w_blocks_1_expert_0_addresses]]() {{.*}} : !llvm.array<2 x ptr> {
// SECTIONS: llvm.mlir.global internal constant @my_model_w_blocks_1_expert_0_addresses() {{.*}} : !llvm.array<2 x ptr> {
// SECTIONS: %[[A:.*]] = llvm.mlir.addressof @my_model_w_blocks_1_expert_0 :
// SECTIONS: %[[FIRST:.*]] = llvm.insertvalue %[[A]], %{{.*}}[0]
// SECTIONS: %[[B:.*]] = llvm.mlir.addressof @my_model_w_blocks_1_expert_1 :
// SECTIONS: %[[BOTH:.*]] = llvm.insertvalue %[[B]], %[[FIRST]][1]
// SECTIONS: llvm.return %[[BOTH]]
// Both tables of the block share it.
// SECTIONS-NOT: _addresses() {
// The parameters stay: they say what the sections hold.
// CHECK: moe.param @plain : tensor<16xf32> in "shared" at 128
moe.param @plain : tensor<16xf32> in "shared" at 128
moe.param @e0.w : tensor<16xf32> in "blocks.1.expert.0" at 0
moe.param @e0.b : tensor<4xf32> in "blocks.1.expert.0" at 64
moe.param @e1.w : tensor<16xf32> in "blocks.1.expert.1" at 0
moe.param @e1.b : tensor<4xf32> in "blocks.1.expert.1" at 64
moe.param_table @w [@e0.w, @e1.w] : tensor<16xf32>
moe.param_table @b [@e0.b, @e1.b] : tensor<4xf32>

// Memory is a bare pointer.
// CHECK-LABEL: llvm.func @run(
// CHECK-SAME: %[[E:.*]]: i64, %{{.*}}: !llvm.ptr) -> f32
// CHECK: %[[BASE:.*]] = llvm.mlir.addressof @my_model_w_shared
// CHECK: %[[OFFSET:.*]] = llvm.mlir.constant(128 : i64)
// CHECK: llvm.getelementptr %[[BASE]][%[[OFFSET]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: %[[T:.*]] = llvm.mlir.addressof @[[TABLE]]
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %[[T]][%[[E]]] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.ptr
// CHECK: %[[BASE:.*]] = llvm.load %[[SLOT]] : !llvm.ptr -> !llvm.ptr
// CHECK: %[[OFFSET:.*]] = llvm.mlir.constant(0 : i64)
// CHECK: llvm.getelementptr %[[BASE]][%[[OFFSET]]]
// CHECK: %[[T:.*]] = llvm.mlir.addressof @[[TABLE]]
// CHECK: %[[OFFSET:.*]] = llvm.mlir.constant(64 : i64)
// CHECK-NOT: moe.weights
func.func @run(%e: index, %out: memref<16xf32>) -> f32 {
  %c0 = arith.constant 0 : index
  %0 = moe.weights @plain : memref<16xf32>
  %1 = moe.weights @w[%e] : memref<16xf32>
  %2 = moe.weights @b[%e] : memref<4xf32>
  %3 = memref.load %0[%c0] : memref<16xf32>
  %4 = memref.load %1[%c0] : memref<16xf32>
  %5 = memref.load %2[%c0] : memref<4xf32>
  %6 = arith.addf %3, %4 : f32
  %7 = arith.addf %6, %5 : f32
  memref.store %7, %out[%c0] : memref<16xf32>
  return %7 : f32
}
}
