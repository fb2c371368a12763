// RUN: moe-opt %s --moe-plan-workspace --allow-unregistered-dialect --split-input-file --verify-diagnostics

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %n = arith.constant 4 : index
  // expected-error@+1 {{'memref.alloc' op cannot be planned: expected a static shape}}
  %a = memref.alloc(%n) : memref<?xf32>
  "test.write"(%a) : (memref<?xf32>) -> ()
  return
}

// -----

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  // expected-error@+1 {{cannot be planned: expected a static shape of numbers in plain memory}}
  %a = memref.alloc() : memref<4xvector<4xf32>>
  "test.write"(%a) : (memref<4xvector<4xf32>>) -> ()
  return
}

// -----

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  // expected-error@+1 {{cannot be planned: expected a static shape of numbers in plain memory}}
  %a = memref.alloc() : memref<4xf32, 1>
  "test.write"(%a) : (memref<4xf32, 1>) -> ()
  return
}

// -----

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  // expected-error@+1 {{cannot be planned: expected a static shape}}
  %a = memref.alloc() : memref<4294967296x4294967296xf32>
  "test.write"(%a) : (memref<4294967296x4294967296xf32>) -> ()
  return
}

// -----

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %a = memref.alloc() : memref<144115188075855872xf32>
  %b = memref.alloc() : memref<144115188075855872xf32>
  // expected-error@+1 {{cannot be planned: too large}}
  %c = memref.alloc() : memref<144115188075855872xf32>
  "test.write"(%a, %b, %c) : (memref<144115188075855872xf32>, memref<144115188075855872xf32>, memref<144115188075855872xf32>) -> ()
  return
}

// -----

// expected-error@+1 {{expected memory for the routes as the third argument, found 'index'}}
func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>, %routes: index) {
  return
}
