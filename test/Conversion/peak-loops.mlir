// RUN: moe-opt %s --moe-add-peak-loops=cpu=x86-64-v4+bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: moe-opt %s --moe-add-peak-loops=cpu=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,V3
// RUN: moe-opt %s --moe-add-peak-loops=cpu=x86-64 | FileCheck %s --check-prefix=SSE
// RUN: moe-opt %s --moe-add-peak-loops=cpu=armv8.6-a | FileCheck %s --check-prefix=MMLA
// RUN: moe-opt %s --moe-add-peak-loops=cpu=x86-64-v4+amx | FileCheck %s --check-prefix=AMX
// RUN: not moe-opt %s --moe-add-peak-loops=cpu=none 2>&1 | FileCheck %s --check-prefix=NONE

// A loop for each kind that there is, with as many sums as hide an instruction's
// latency. Multiply-adds of a round: four steps of sums times lanes times what a
// lane sums.
module attributes {moe.parts = [{kind = "f32"}, {kind = "bf16"}, {kind = "int8"}, {kind = "f32"}]} {
}
// CHECK: func.func @peak_f32(%{{.*}}: index) -> f32
// BF16-SAME: moe.multiply_adds = 1536
// V3-SAME: moe.multiply_adds = 384
// CHECK: scf.for
// CHECK-COUNT-4: vector.fma
// CHECK: func.func @peak_bf16
// BF16-SAME: moe.multiply_adds = 3072
// BF16-COUNT-96: moe.dot {{.*}} vector<32xbf16>
// What the CPU has no instruction for is done in f32.
// V3-SAME: moe.multiply_adds = 384
// V3-COUNT-48: vector.fma {{.*}} vector<8xf32>
// CHECK: func.func @peak_int8
// BF16-SAME: moe.multiply_adds = 6144
// BF16: moe.dot {{.*}} unsigned : vector<16xi32>, vector<64xi8>
// V3: moe.dot {{.*}} unsigned : vector<8xi32>, vector<32xi8>
// CHECK-NOT: func.func
// SSE: @peak_f32
// SSE: arith.mulf
// SSE-NEXT: arith.addf
// MMLA: @peak_bf16
// MMLA-SAME: moe.multiply_adds = 1536
// MMLA: moe.pair_dot {{.*}} vector<4xf32>, vector<8xbf16>, vector<8xbf16>
// MMLA: @peak_int8
// MMLA: moe.pair_dot {{.*}} vector<4xi32>, vector<16xi8>, vector<16xi8>
// AMX: @peak_bf16
// AMX-SAME: moe.multiply_adds = 196608
// AMX-COUNT-24: amx.tile_mulf
// AMX: amx.tile_store
// AMX: @peak_int8
// AMX: amx.tile_muli
// NONE: unknown CPU 'none'
