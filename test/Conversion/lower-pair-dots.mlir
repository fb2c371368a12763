// moe.pair_dot as matrix instructions, one for each pair of columns.
// RUN: moe-opt %s --moe-lower-dots=cpu=armv8.6-a --canonicalize | FileCheck %s
// RUN: not moe-opt %s --moe-lower-dots=cpu=armv8-a+dotprod 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: 'moe.pair_dot' op cannot be lowered for armv8-a+dotprod

// Both steps of columns 0 and 1: words 0 and 16, 1 and 17 of the weights.
// CHECK-LABEL: func.func @integers(
// CHECK-SAME: %[[S:.*]]: vector<32xi32>, %[[A:.*]]: vector<16xi8>, %[[B:.*]]: vector<128xi8>)
// CHECK: %[[W:.*]] = vector.bitcast %[[B]] : vector<128xi8> to vector<32xi32>
// CHECK: %[[W0:.*]] = vector.shuffle %[[W]], %[[W]] [0, 16, 1, 17]
// CHECK: %[[B0:.*]] = vector.bitcast %[[W0]] : vector<4xi32> to vector<16xi8>
// CHECK: %[[S0:.*]] = vector.shuffle %[[S]], %[[S]] [0, 1, 2, 3]
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.smmla"(%[[S0]], %[[A]], %[[B0]])
// CHECK: vector.shuffle %[[W]], %[[W]] [2, 18, 3, 19]
// CHECK: vector.shuffle %[[W]], %[[W]] [14, 30, 15, 31]
func.func @integers(%s: vector<32xi32>, %a: vector<16xi8>, %b: vector<128xi8>) -> vector<32xi32> {
  %0 = moe.pair_dot %s, %a, %b : vector<32xi32>, vector<16xi8>, vector<128xi8>
  return %0 : vector<32xi32>
}

// CHECK-LABEL: func.func @floats(
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.aarch64.neon.bfmmla"(%{{.*}}) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
func.func @floats(%s: vector<32xf32>, %a: vector<8xbf16>, %b: vector<64xbf16>) -> vector<32xf32> {
  %0 = moe.pair_dot %s, %a, %b : vector<32xf32>, vector<8xbf16>, vector<64xbf16>
  return %0 : vector<32xf32>
}
