// Tables that start in the same section and then differ: an array each.
// RUN: moe-opt %s --convert-moe-to-llvm | FileCheck %s

// CHECK-DAG: llvm.mlir.global internal constant @{{.*}} : !llvm.array<2 x ptr> {
// CHECK-DAG: llvm.mlir.global internal constant @{{.*}} : !llvm.array<3 x ptr> {
// CHECK-DAG: @model_w_e2
moe.param @a0 : tensor<16xf32> in "e0" at 0
moe.param @a1 : tensor<16xf32> in "e1" at 0
moe.param @a2 : tensor<16xf32> in "e2" at 0
moe.param_table @t [@a0, @a1] : tensor<16xf32>
moe.param_table @u [@a0, @a2, @a1] : tensor<16xf32>
func.func @run(%e: index) -> f32 {
  %c0 = arith.constant 0 : index
  %0 = moe.weights @t[%e] : memref<16xf32>
  %1 = moe.weights @u[%e] : memref<16xf32>
  %2 = memref.load %0[%c0] : memref<16xf32>
  %3 = memref.load %1[%c0] : memref<16xf32>
  %4 = arith.addf %2, %3 : f32
  return %4 : f32
}
