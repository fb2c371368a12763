// RUN: moe-opt %s --split-input-file --moe-mark-parts | FileCheck %s

module attributes {moe.parts = [{name = "norm"}, {name = "fc1"}, {name = "fc2"}, {name = "sum"}]} {
moe.param @e0 : tensor<4xf32> in "blocks.1.expert.0" at 0
moe.param @e1 : tensor<4xf32> in "blocks.1.expert.1" at 0
moe.param_table @e [@e0, @e1] : tensor<4xf32>

// A mark in front of each part's first op that does something; the loop over two
// parts has marks inside, with the expert that it is about. What comes after the
// loop is marked again.
// CHECK-LABEL: func.func @run(
// CHECK: arith.addi
// CHECK-NEXT: moe.mark 0{{$}}
// CHECK-NEXT: memref.copy
// CHECK-NEXT: memref.copy
// CHECK: scf.for %[[I:.*]] =
// CHECK: %[[E:.*]] = moe.weights @e[%[[I]]]
// CHECK-NEXT: moe.mark 1 expert %[[I]]
// CHECK-NEXT: memref.copy %[[E]]
// CHECK-NEXT: moe.mark 2{{$}}
// CHECK-NEXT: memref.copy
// CHECK-NEXT: }
// CHECK-NEXT: moe.mark 2{{$}}
// CHECK-NEXT: memref.copy
// A section of one expert tells which.
// CHECK: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-NEXT: moe.mark 1 expert %[[ONE]]
// CHECK-NEXT: memref.copy
// CHECK-NEXT: moe.mark -1
// CHECK-NEXT: return
func.func @run(%x: memref<4xf32>, %y: memref<4xf32>) -> i32 {
  %ok = arith.constant 0 : i32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = arith.addi %c1, %c1 : index loc("norm")
  memref.copy %x, %y : memref<4xf32> to memref<4xf32> loc("norm")
  memref.copy %y, %x : memref<4xf32> to memref<4xf32> loc("norm")
  scf.for %i = %c0 to %c2 step %c1 {
    %e = moe.weights @e[%i] : memref<4xf32>
    memref.copy %e, %y : memref<4xf32> to memref<4xf32> loc("fc1")
    memref.copy %x, %y : memref<4xf32> to memref<4xf32> loc("fc2")
  }
  memref.copy %x, %y : memref<4xf32> to memref<4xf32> loc("fc2")
  memref.copy %x, %y : memref<4xf32> to memref<4xf32> loc("of no part")
  %one = moe.weights @e1 : memref<4xf32>
  memref.copy %one, %y : memref<4xf32> to memref<4xf32> loc("fc1")
  return %ok : i32
}
}

// -----

// Without a list there are no marks.
// CHECK-LABEL: func.func @run(
// CHECK-NOT: moe.mark
func.func @run(%x: memref<4xf32>, %y: memref<4xf32>) -> i32 {
  %ok = arith.constant 0 : i32
  memref.copy %x, %y : memref<4xf32> to memref<4xf32> loc("norm")
  return %ok : i32
}
