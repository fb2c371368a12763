// RUN: moe-opt %s --moe-plan-workspace --allow-unregistered-dialect --verify-diagnostics

func.func @run(%image: memref<1x8x8xf32>, %logits: memref<10xf32>) {
  %n = arith.constant 4 : index
  // expected-error@+1 {{'memref.alloc' op cannot be planned: expected a static shape}}
  %a = memref.alloc(%n) : memref<?xf32>
  "test.write"(%a) : (memref<?xf32>) -> ()
  return
}
