// RUN: moe-opt %s --moe-place-weights --split-input-file --verify-diagnostics

// Two entries in one section cannot lie at the same offset.
moe.param @e0 : tensor<16xf32>
// expected-error@+1 {{'moe.param' op lies at offset 64 of its section, others of table "t" at 0}}
moe.param @e1 : tensor<16xf32>
moe.param_table @t [@e0, @e1] : tensor<16xf32>
func.func @run(%e: index) {
  %0 = moe.weights @t[%e] : memref<16xf32>
  return
}

// -----

// One expert has more before it.
moe.param @before : tensor<32xf32> in "expert.0"
moe.param @e0 : tensor<16xf32> in "expert.0"
// expected-error@+1 {{'moe.param' op lies at offset 0 of its section, others of table "t" at 128}}
moe.param @e1 : tensor<16xf32> in "expert.1"
moe.param_table @t [@e0, @e1] : tensor<16xf32>
func.func @run(%e: index) {
  %0 = moe.weights @before : memref<32xf32>
  %1 = moe.weights @t[%e] : memref<16xf32>
  return
}
