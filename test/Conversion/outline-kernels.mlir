// RUN: moe-opt %s --moe-outline-kernels | FileCheck %s
// RUN: moe-opt %s --moe-outline-kernels | FileCheck %s --check-prefix=OTHER

moe.param @w : tensor<16xf32> at 0
moe.param @v : tensor<16xf32> at 64

// Alike but for their buffers: one function, called twice. Another constant or
// another size is another function; constants go along.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[A:.*]]: memref<16xf32>, %[[B:.*]]: memref<16xf32>, %[[C:.*]]: memref<8xf32>)
// CHECK: %[[W:.*]] = moe.weights @w
// CHECK: %[[V:.*]] = moe.weights @v
// CHECK-NOT: scf.for
// CHECK: call @[[ONE:kernel_[0-9]+]](%[[W]], %[[A]])
// CHECK-NEXT: call @[[ONE]](%[[V]], %[[B]])
// CHECK-NEXT: call @[[TWO:kernel_[0-9]+]](%[[A]])
// CHECK-NEXT: call @[[THREE:kernel_[0-9]+]](%[[B]])
// CHECK-NEXT: call @[[FOUR:kernel_[0-9]+]](%[[C]])
// A loop around weights stays; the one within moves.
// CHECK: scf.for
// CHECK: moe.weights @w
// CHECK-NEXT: call @[[ONE]](
// CHECK: return
// CHECK: func.func private @[[ONE]](%[[X:.*]]: memref<16xf32>, %[[Y:.*]]: memref<16xf32>)
// CHECK: arith.constant
// CHECK: scf.for
// CHECK: memref.load %[[X]]
// CHECK: memref.store %{{.*}}, %[[Y]]
// CHECK: func.func private @[[TWO]](%{{.*}}: memref<16xf32>)
// CHECK: arith.constant 2.000000e+00
// CHECK: func.func private @[[THREE]](%{{.*}}: memref<16xf32>)
// CHECK: arith.constant 3.000000e+00
// CHECK: func.func private @[[FOUR]](%{{.*}}: memref<8xf32>)
// CHECK-NOT: func.func private
func.func @run(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %two = arith.constant 2.0 : f32
  %three = arith.constant 3.0 : f32
  %w = moe.weights @w : memref<16xf32>
  %v = moe.weights @v : memref<16xf32>
  scf.for %i = %c0 to %c16 step %c1 {
    %0 = memref.load %w[%i] : memref<16xf32>
    memref.store %0, %a[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c16 step %c1 {
    %0 = memref.load %v[%i] : memref<16xf32>
    memref.store %0, %b[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c16 step %c1 {
    memref.store %two, %a[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c16 step %c1 {
    memref.store %three, %b[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c8 step %c1 {
    memref.store %two, %c[%i] : memref<8xf32>
  }
  scf.for %j = %c0 to %c8 step %c1 {
    %x = moe.weights @w : memref<16xf32>
    scf.for %i = %c0 to %c16 step %c1 {
      %0 = memref.load %x[%i] : memref<16xf32>
      memref.store %0, %a[%i] : memref<16xf32>
    }
  }
  return
}

// Only the run function is taken apart.
// OTHER-LABEL: func.func @other(
// OTHER: scf.for
func.func @other(%a: memref<16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %two = arith.constant 2.0 : f32
  scf.for %i = %c0 to %c16 step %c1 {
    memref.store %two, %a[%i] : memref<16xf32>
  }
  return
}
