// A loop whose iterations are independent and that is much work takes its bounds
// as arguments, so that threads can share it.
// RUN: moe-opt %s --moe-outline-kernels | FileCheck %s

// CHECK-LABEL: func.func @run(
// CHECK: %[[N:.*]] = arith.constant 40000 : index
// CHECK: call @kernel_0(%c0, %[[N]], %{{.*}}) : (index, index, memref<40000xf32>) -> ()
// Little work, and work in order.
// CHECK: call @kernel_1(%{{[a-z0-9]+}}) : (memref<8xf32>) -> ()
// CHECK: call @kernel_2(%{{[a-z0-9]+}}) : (memref<40000xf32>) -> ()
// CHECK: func.func private @kernel_0(%[[FIRST:.*]]: index, %[[LAST:.*]]: index, %{{.*}}: memref<40000xf32>) attributes {passthrough = {{\[\[}}"moe-parallel-step", "2"]]}
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]] step %c2
// CHECK: func.func private @kernel_1(%{{[a-z0-9]+}}: memref<8xf32>) {
// CHECK: func.func private @kernel_2(%{{[a-z0-9]+}}: memref<40000xf32>) {
func.func @run(%a: memref<40000xf32>, %b: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %n = arith.constant 40000 : index
  %x = arith.constant 2.0 : f32
  scf.for %i = %c0 to %n step %c2 {
    %0 = memref.load %a[%i] : memref<40000xf32>
    %1 = arith.addf %0, %x : f32
    %2 = arith.mulf %1, %x : f32
    %3 = arith.addf %2, %x : f32
    %4 = arith.mulf %3, %x : f32
    memref.store %4, %a[%i] : memref<40000xf32>
  } {moe.parallel}
  scf.for %i = %c0 to %c8 step %c1 {
    memref.store %x, %b[%i] : memref<8xf32>
  } {moe.parallel}
  scf.for %i = %c0 to %n step %c2 {
    %0 = memref.load %a[%c0] : memref<40000xf32>
    %1 = arith.addf %0, %x : f32
    %2 = arith.mulf %1, %x : f32
    %3 = arith.addf %2, %x : f32
    %4 = arith.mulf %3, %x : f32
    memref.store %4, %a[%c0] : memref<40000xf32>
  }
  return
}
