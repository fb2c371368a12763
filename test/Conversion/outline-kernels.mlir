// RUN: moe-opt %s --moe-outline-kernels | FileCheck %s

// Two nests that differ in their buffers only become one function, a third that
// computes something else another.
// CHECK-LABEL: func.func @run
// CHECK: call @kernel_0(%{{.*}}, %[[A:.*]]) :
// CHECK: call @kernel_0(
// CHECK: call @kernel_1(
// CHECK: func.func private @kernel_0(
// CHECK: arith.addf
// CHECK: func.func private @kernel_1(
// CHECK: arith.mulf
// CHECK-NOT: @kernel_2
func.func @run(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>) -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  scf.for %i = %c0 to %c16 step %c1 {
    %0 = memref.load %a[%i] : memref<16xf32>
    %1 = arith.addf %0, %0 : f32
    memref.store %1, %b[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c16 step %c1 {
    %0 = memref.load %b[%i] : memref<16xf32>
    %1 = arith.addf %0, %0 : f32
    memref.store %1, %c[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c16 step %c1 {
    %0 = memref.load %c[%i] : memref<16xf32>
    %1 = arith.mulf %0, %0 : f32
    memref.store %1, %a[%i] : memref<16xf32>
  }
  %r = arith.constant 0 : i32
  return %r : i32
}
