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

// Sizes that are known at run time only.
// CHECK-LABEL: func.func @dynamic(
// CHECK-SAME: %[[X:.*]]: memref<?x3xf32, strided<[16, 1]>>
// CHECK: %[[N:.*]] = memref.dim %[[X]], %c0
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[N]]
// CHECK-NOT: memref.copy
// CHECK: return
func.func @dynamic(%x: memref<?x3xf32, strided<[16, 1]>>, %y: memref<?x3xf32>) {
  memref.copy %x, %y : memref<?x3xf32, strided<[16, 1]>> to memref<?x3xf32>
  return
}

// CHECK-LABEL: func.func @unranked(
// CHECK: memref.copy
func.func @unranked(%x: memref<*xf32>, %y: memref<2x3xf32, strided<[16, 1]>>) {
  memref.copy %x, %y : memref<*xf32> to memref<2x3xf32, strided<[16, 1]>>
  return
}
