// What the compiler's own stages do not make.
// RUN: moe-opt %s --moe-outline-kernels --split-input-file --verify-diagnostics | FileCheck %s

// A name that is taken.
// CHECK-LABEL: func.func @run(
// CHECK: call @kernel_1(
// CHECK: func.func private @kernel_1(
func.func private @kernel_0(%x: index)
func.func @run(%a: memref<16xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  scf.for %i = %c0 to %c16 step %c1 {
    memref.store %x, %a[%i] : memref<16xf32>
  }
  return
}

// -----

// A number of iterations near the end of 64 bits, in a loop of that many.
// CHECK-LABEL: func.func @run(
// CHECK: call @kernel_0(
func.func @run(%a: memref<16xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %many = arith.constant 9223372036854775807 : index
  scf.for %i = %c0 to %many step %c1 {
    scf.for %j = %c0 to %many step %c1 {
      memref.store %x, %a[%j] : memref<16xf32>
    }
  } {moe.parallel}
  return
}

// -----

// Memory on the stack whose size is known in the loop only.
// CHECK-LABEL: func.func @run(
// CHECK: func.func private @kernel_0(
// CHECK: scf.for
// CHECK: memref.alloca(
func.func @run(%x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  scf.for %i = %c0 to %c16 step %c1 {
    %a = memref.alloca(%i) : memref<?xf32>
    memref.store %x, %a[%c0] : memref<?xf32>
  }
  return
}

// -----

func.func @run(%a: memref<?xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  // expected-error@+1 {{cannot be outlined: it uses memory of type 'memref<?xf32>', which is no view of memory of a known shape}}
  scf.for %i = %c0 to %c16 step %c1 {
    memref.store %x, %a[%i] : memref<?xf32>
  }
  return
}
