// moe.pair_dot as matrix instructions, one for each pair of columns.
// RUN: moe-opt %s --moe-lower-dots=cpu=armv8.6-a --canonicalize | FileCheck %s
// RUN: not moe-opt %s --moe-lower-dots=cpu=armv8-a+dotprod 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: 'moe.pair_dot' op cannot be lowered for armv8-a+dotprod

// One pair is an instruction as it is.
// CHECK-LABEL: func.func @integers(
// CHECK-SAME: %[[S:.*]]: vector<4xi32>, %[[A:.*]]: vector<16xi8>, %[[B:.*]]: vector<16xi8>)
// CHECK-NEXT: %[[R:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.smmla"(%[[S]], %[[A]], %[[B]])
// CHECK-NEXT: return %[[R]]
func.func @integers(%s: vector<4xi32>, %a: vector<16xi8>, %b: vector<16xi8>) -> vector<4xi32> {
  %0 = moe.pair_dot %s, %a, %b : vector<4xi32>, vector<16xi8>, vector<16xi8>
  return %0 : vector<4xi32>
}

// Of several, each takes its own columns.
// CHECK-LABEL: func.func @floats(
// CHECK-SAME: %[[S:.*]]: vector<32xf32>, %[[A:.*]]: vector<8xbf16>, %[[B:.*]]: vector<64xbf16>)
// CHECK: %[[S0:.*]] = vector.shuffle %[[S]], %[[S]] [0, 1, 2, 3]
// CHECK: %[[B0:.*]] = vector.shuffle %[[B]], %[[B]] [0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.bfmmla"(%[[S0]], %[[A]], %[[B0]])
// CHECK: vector.shuffle %[[B]], %[[B]] [8, 9, 10, 11, 12, 13, 14, 15]
// CHECK-COUNT-7: llvm.call_intrinsic "llvm.aarch64.neon.bfmmla"(%{{.*}}) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
func.func @floats(%s: vector<32xf32>, %a: vector<8xbf16>, %b: vector<64xbf16>) -> vector<32xf32> {
  %0 = moe.pair_dot %s, %a, %b : vector<32xf32>, vector<8xbf16>, vector<64xbf16>
  return %0 : vector<32xf32>
}
