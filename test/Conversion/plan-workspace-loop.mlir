// RUN: moe-opt %s --pass-pipeline='builtin.module(func.func(moe-plan-workspace))' | FileCheck %s

// A buffer that a loop reads stays until the loop's end: what the loop
// allocates after the read must not take its place.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<128xi8>) -> i32
// CHECK: memref.view %{{.*}}[%c0{{.*}}][] : memref<128xi8> to memref<16xf32>
// CHECK: scf.for
// CHECK: %[[B:.*]] = arith.constant 64 : index
// CHECK: memref.view %{{.*}}[%[[B]]][] : memref<128xi8> to memref<16xf32>
func.func @run(%image: memref<16xf32>, %logits: memref<16xf32>) -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %0 = memref.alloc() : memref<16xf32>
  memref.copy %image, %0 : memref<16xf32> to memref<16xf32>
  scf.for %j = %c0 to %c2 step %c1 {
    memref.copy %0, %logits : memref<16xf32> to memref<16xf32>
    %1 = memref.alloc() : memref<16xf32>
    memref.copy %image, %1 : memref<16xf32> to memref<16xf32>
    memref.copy %1, %logits : memref<16xf32> to memref<16xf32>
  }
  %r = arith.constant 0 : i32
  return %r : i32
}
