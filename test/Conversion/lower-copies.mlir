// RUN: moe-opt %s --moe-lower-copies | FileCheck %s

// CHECK-LABEL: func.func @strided(
// CHECK-SAME: %[[X:.*]]: memref<2x3xf32, strided<[16, 1], offset: 4>>, %[[Y:.*]]: memref<2x3xf32>)
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %c2
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %c3
// CHECK: %[[V:.*]] = memref.load %[[X]][%[[I]], %[[J]]]
// CHECK: memref.store %[[V]], %[[Y]][%[[I]], %[[J]]]
// CHECK-NOT: memref.copy
// CHECK: return
func.func @strided(%x: memref<2x3xf32, strided<[16, 1], offset: 4>>, %y: memref<2x3xf32>) {
  memref.copy %x, %y : memref<2x3xf32, strided<[16, 1], offset: 4>> to memref<2x3xf32>
  return
}

// CHECK-LABEL: func.func @strided_target(
// CHECK-NOT: memref.copy
// CHECK: memref.store
func.func @strided_target(%x: memref<2x3xf32>, %y: memref<2x3xf32, strided<[3, 1], offset: 6>>) {
  memref.copy %x, %y : memref<2x3xf32> to memref<2x3xf32, strided<[3, 1], offset: 6>>
  return
}

// LLVM's own memcpy serves.
// CHECK-LABEL: func.func @contiguous(
// CHECK-NOT: scf.for
// CHECK: memref.copy
func.func @contiguous(%x: memref<2x3xf32>, %y: memref<2x3xf32>) {
  memref.copy %x, %y : memref<2x3xf32> to memref<2x3xf32>
  return
}
