// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-plan-workspace))' | FileCheck %s

// The routes first, then the buffers: %0 and %2 are never alive together and
// share their place, %1 overlaps both.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[W:[a-z0-9]+]]: memref<192xi8>) -> i32
// CHECK-SAME: moe.routes_offset = 0
// CHECK-NOT: memref.alloc
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: %[[ROUTES:.*]] = memref.view %[[W]][%[[ZERO]]][] : memref<192xi8> to memref<1x4xi32>
// CHECK: %[[A:.*]] = arith.constant 64 : index
// CHECK: memref.view %[[W]][%[[A]]][] : memref<192xi8> to memref<16xf32>
// CHECK: %[[B:.*]] = arith.constant 128 : index
// CHECK: memref.view %[[W]][%[[B]]][] : memref<192xi8> to memref<16xf32>
// CHECK: %[[C:.*]] = arith.constant 64 : index
// CHECK: memref.view %[[W]][%[[C]]][] : memref<192xi8> to memref<16xf32>
func.func @run(%image: memref<16xf32>, %logits: memref<16xf32>, %routes: memref<1x4xi32>) -> i32 {
  %c0 = arith.constant 0 : index
  %i = arith.constant 7 : i32
  memref.store %i, %routes[%c0, %c0] : memref<1x4xi32>
  %0 = memref.alloc() : memref<16xf32>
  memref.copy %image, %0 : memref<16xf32> to memref<16xf32>
  %1 = memref.alloc() : memref<16xf32>
  memref.copy %0, %1 : memref<16xf32> to memref<16xf32>
  %2 = memref.alloc() : memref<16xf32>
  memref.copy %1, %2 : memref<16xf32> to memref<16xf32>
  memref.copy %2, %logits : memref<16xf32> to memref<16xf32>
  %r = arith.constant 0 : i32
  return %r : i32
}
