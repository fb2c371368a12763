// RUN: moe-opt %s -split-input-file -verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @pairs
// CHECK: moe.pair_dot %{{.*}}, %{{.*}}, %{{.*}} : vector<32xf32>, vector<8xbf16>, vector<64xbf16>
// CHECK: moe.pair_dot %{{.*}}, %{{.*}}, %{{.*}} : vector<32xi32>, vector<16xi8>, vector<128xi8>
func.func @pairs(%s: vector<32xf32>, %a: vector<8xbf16>, %b: vector<64xbf16>,
                 %t: vector<32xi32>, %c: vector<16xi8>, %d: vector<128xi8>) -> (vector<32xf32>, vector<32xi32>) {
  %0 = moe.pair_dot %s, %a, %b : vector<32xf32>, vector<8xbf16>, vector<64xbf16>
  %1 = moe.pair_dot %t, %c, %d : vector<32xi32>, vector<16xi8>, vector<128xi8>
  return %0, %1 : vector<32xf32>, vector<32xi32>
}

// -----

func.func @sums(%s: vector<32xi32>, %a: vector<8xbf16>, %b: vector<64xbf16>) {
  // expected-error@+1 {{'moe.pair_dot' op cannot sum products of 'vector<8xbf16>' and 'vector<64xbf16>' in 'vector<32xi32>'}}
  %0 = moe.pair_dot %s, %a, %b : vector<32xi32>, vector<8xbf16>, vector<64xbf16>
  return
}

// -----

func.func @inputs(%s: vector<32xf32>, %a: vector<4xbf16>, %b: vector<64xbf16>) {
  // expected-error@+1 {{'moe.pair_dot' op expected 8 inputs and 4 weights for each two of 'vector<32xf32>', found 'vector<4xbf16>' and 'vector<64xbf16>'}}
  %0 = moe.pair_dot %s, %a, %b : vector<32xf32>, vector<4xbf16>, vector<64xbf16>
  return
}

// -----

func.func @weights(%s: vector<32xf32>, %a: vector<8xbf16>, %b: vector<32xbf16>) {
  // expected-error@+1 {{'moe.pair_dot' op expected 8 inputs and 4 weights for each two of 'vector<32xf32>', found 'vector<8xbf16>' and 'vector<32xbf16>'}}
  %0 = moe.pair_dot %s, %a, %b : vector<32xf32>, vector<8xbf16>, vector<32xbf16>
  return
}
