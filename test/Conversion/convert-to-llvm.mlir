// RUN: moe-opt %s --convert-moe-to-llvm | FileCheck %s

// One section per expert, an array of their addresses, and offsets into them.
// CHECK-DAG: llvm.mlir.global external hidden constant @tiny_w_shared() {{.*}}dso_local
// CHECK-DAG: llvm.mlir.global external hidden constant @tiny_w_e0()
// CHECK-DAG: llvm.mlir.global external hidden constant @tiny_w_e1()
// CHECK-DAG: llvm.mlir.global internal constant @tiny_w_e0_addresses() {{.*}} !llvm.array<2 x ptr>
module @tiny {
  moe.param @w : tensor<4xf32> in "shared" at 128
  moe.param @a : tensor<4xf32> in "e0" at 64
  moe.param @b : tensor<4xf32> in "e1" at 64
  moe.param_table @t [@a, @b] : tensor<4xf32>

  // CHECK-LABEL: llvm.func @run(%{{.*}}: i64, %{{.*}}: !llvm.ptr)
  func.func @run(%e: index, %out: memref<4xf32>) {
    %c0 = arith.constant 0 : index
    // CHECK: llvm.mlir.addressof @tiny_w_shared
    // CHECK: llvm.mlir.constant(128 : i64)
    // CHECK: llvm.getelementptr
    %w = moe.weights @w : memref<4xf32>
    // CHECK: llvm.mlir.addressof @tiny_w_e0_addresses
    // CHECK: llvm.load {{.*}} -> !llvm.ptr
    // CHECK: llvm.mlir.constant(64 : i64)
    %t = moe.weights @t[%e] : memref<4xf32>
    %0 = memref.load %w[%c0] : memref<4xf32>
    %1 = memref.load %t[%c0] : memref<4xf32>
    %2 = arith.addf %0, %1 : f32
    memref.store %2, %out[%c0] : memref<4xf32>
    return
  }
}
