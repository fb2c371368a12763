// RUN: moe-opt %s --moe-plan-workspace --allow-unregistered-dialect --split-input-file | FileCheck %s

// The first two live at the same time; the third takes the place of the first.
// 5 floats take 64 bytes.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %{{.*}}: memref<1x8x8xf32>, %{{.*}}: memref<10xf32>, %[[SPACE:.*]]: memref<128xi8>)
// CHECK-NOT: routes_offset
// CHECK: %[[O0:.*]] = arith.constant 0 : index
// CHECK: %[[A:.*]] = memref.view %[[SPACE]][%[[O0]]][] : memref<128xi8> to memref<16xf32>
// CHECK: %[[O1:.*]] = arith.constant 64 : index
// CHECK: %[[B:.*]] = memref.view %[[SPACE]][%[[O1]]][] : memref<128xi8> to memref<5xf32>
// CHECK: "test.copy"(%[[A]], %[[B]])
// CHECK: %[[O2:.*]] = arith.constant 0 : index
// CHECK: %[[C:.*]] = memref.view %[[SPACE]][%[[O2]]][] : memref<128xi8> to memref<16xf32>
// CHECK: "test.copy"(%[[B]], %[[C]])
// CHECK-NOT: memref.alloc
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %a = memref.alloc() : memref<16xf32>
  "test.write"(%a) : (memref<16xf32>) -> ()
  %b = memref.alloc() : memref<5xf32>
  "test.copy"(%a, %b) : (memref<16xf32>, memref<5xf32>) -> ()
  %c = memref.alloc() : memref<16xf32>
  "test.copy"(%b, %c) : (memref<5xf32>, memref<16xf32>) -> ()
  return
}

// -----

// A view of a buffer keeps it alive.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[SPACE:[a-z0-9]+]]: memref<128xi8>)
// CHECK-DAG: arith.constant 0 : index
// CHECK-DAG: arith.constant 64 : index
// CHECK: "test.copy"
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %a = memref.alloc() : memref<16xf32>
  %v = memref.subview %a[8] [8] [1] : memref<16xf32> to memref<8xf32, strided<[1], offset: 8>>
  %b = memref.alloc() : memref<16xf32>
  "test.copy"(%v, %b) : (memref<8xf32, strided<[1], offset: 8>>, memref<16xf32>) -> ()
  return
}

// -----

// Read in a loop: needed until the loop's end, so that a buffer that is born
// later in the loop's body is not put on top of it.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<128xi8>)
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %a = memref.alloc() : memref<16xf32>
  scf.for %i = %c0 to %c4 step %c1 {
    "test.read"(%a) : (memref<16xf32>) -> ()
    %b = memref.alloc() : memref<16xf32>
    "test.write"(%b) : (memref<16xf32>) -> ()
  }
  return
}

// -----

// Both live in the loop only, one after the other.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<64xi8>)
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  scf.for %i = %c0 to %c4 step %c1 {
    %a = memref.alloc() : memref<16xf32>
    "test.write"(%a) : (memref<16xf32>) -> ()
    %b = memref.alloc() : memref<16xf32>
    "test.write"(%b) : (memref<16xf32>) -> ()
  }
  return
}

// -----

// The routes come first and are an argument no longer.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: %{{.*}}: memref<1x8x8xf32>, %{{.*}}: memref<10xf32>, %[[SPACE:.*]]: memref<128xi8>)
// CHECK-SAME: moe.routes_offset = 0 : i64
// CHECK: %[[O0:.*]] = arith.constant 0 : index
// CHECK: %[[R:.*]] = memref.view %[[SPACE]][%[[O0]]][] : memref<128xi8> to memref<2x4xi32>
// CHECK: %[[O1:.*]] = arith.constant 64 : index
// CHECK: %[[A:.*]] = memref.view %[[SPACE]][%[[O1]]][] : memref<128xi8> to memref<8xindex>
// CHECK: "test.copy"(%[[A]], %[[R]])
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>, %routes: memref<2x4xi32>) {
  %a = memref.alloc() : memref<8xindex>
  "test.copy"(%a, %routes) : (memref<8xindex>, memref<2x4xi32>) -> ()
  return
}

// -----

// Never empty; other functions are left alone.
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<64xi8>)
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  return
}
// CHECK-LABEL: func.func @other()
// CHECK: memref.alloc
func.func @other() {
  %a = memref.alloc() : memref<16xf32>
  "test.write"(%a) : (memref<16xf32>) -> ()
  return
}
