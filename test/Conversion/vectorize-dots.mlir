// Products of bf16 and of 8-bit integers: steps over k of as many inputs as a lane
// of 32 bits holds.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4+bf16 --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V4
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4+vnni --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V4
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v3+vnni --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V3
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4+amx --canonicalize --cse | FileCheck %s --check-prefixes=ALL,AMX
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64 --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V1

#id = affine_map<(m, p, c) -> (m, p, c)>
#lanes = affine_map<(m, p, c) -> (p, c)>
#x2 = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#x4 = affine_map<(m, p, c, k, i) -> (m, k * 4 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

moe.param @source : tensor<96x64xf32>
moe.param @w : tensor<6x32x32xbf16> in "shared" at 0 = {
  %0 = moe.get @source : tensor<96x64xf32>
  %1 = moe.round %0 : tensor<96x64xf32> -> tensor<96x64xbf16>
  %2 = moe.pack_panels %1 groups(96, 64) interleave 2 : tensor<96x64xbf16> -> tensor<6x32x32xbf16>
  moe.yield %2 : tensor<6x32x32xbf16>
}

// The tiles are those of f32, 9 rows by 3 panels. Two inputs are loaded as a number
// of 32 bits, which goes into all lanes; the weights are as they lie in memory. The
// sums are carried by the loop, and what comes next is prefetched: each step of the
// six tiles asks for half a line of the next 96.
// ALL-LABEL: func.func @bf16(
// ALL-SAME: %[[A:.*]]: tensor<49x64xbf16>
// ALL-NOT: linalg
// V4-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// V4: %[[M:.*]] = moe.weights @w
// V4: %[[W:.*]] = bufferization.to_tensor %[[M]]
// V4: %[[MX:.*]] = memref.expand_shape %[[M]] {{.*}} into memref<6x32x16x2xbf16>
// V4: scf.for %[[P:.*]] = %c0 to %c6 step %c3
// V4: scf.for %[[R:.*]] = %c0 to %c45 step %c9
// V4: %[[TILE:.*]] = arith.divui %[[R]], %c9
// V4: %[[ACC:.*]]:27 = scf.for %[[K:.*]] = %c0 to %c32 step %c1 iter_args(%[[S0:[a-z0-9]+]] = %[[ZERO]], %[[S1:[a-z0-9]+]] = %[[ZERO]], {{.*}} -> (vector<16xf32>
// V4: %[[STEPS:.*]] = arith.muli %[[K]], %c8
// V4: %[[TILES:.*]] = arith.muli %[[TILE]], %c256
// V4: %[[LANE:.*]] = arith.addi %[[STEPS]], %[[TILES]]
// V4: %[[NEXT:.*]] = arith.addi %[[P]], %c3
// V4: memref.prefetch %[[MX]][%[[NEXT]], %c0, %[[LANE]], %c0], read, locality<2>, data
// V4: %[[W0:.*]] = vector.transfer_read %[[W]][%[[P]], %[[K]], %c0]{{.*}} : tensor<6x32x32xbf16>, vector<32xbf16>
// V4: %[[W1:.*]] = vector.transfer_read %[[W]]
// V4: vector.transfer_read %[[W]]
// V4: %[[K2:.*]] = arith.muli %[[K]], %c2
// V4: %[[TWO:.*]] = vector.transfer_read %[[A]][%[[R]], %[[K2]]]{{.*}} : tensor<49x64xbf16>, vector<2xbf16>
// V4: %[[ONE:.*]] = vector.bitcast %[[TWO]] : vector<2xbf16> to vector<1xi32>
// V4: %[[BITS:.*]] = vector.extract %[[ONE]][0] : i32 from vector<1xi32>
// V4: %[[MANY:.*]] = vector.broadcast %[[BITS]] : i32 to vector<16xi32>
// V4: %[[X:.*]] = vector.bitcast %[[MANY]] : vector<16xi32> to vector<32xbf16>
// V4: %[[D0:.*]] = moe.dot %[[S0]], %[[X]], %[[W0]] : vector<16xf32>, vector<32xbf16>
// V4: %[[D1:.*]] = moe.dot %[[S1]], %[[X]], %[[W1]]
// V4-COUNT-25: moe.dot
// V4-NOT: moe.dot
// V4: scf.yield %[[D0]], %[[D1]],
// The epilogue is in the tile.
// V4: arith.addf %[[ACC]]#0, %{{.*}} : vector<16xf32>
// V4-NEXT: vector.transfer_write
// V4: :12 = scf.for %{{.*}} to %c32 step %c1
// V4-COUNT-12: moe.dot

// V3: :5 = scf.for %{{.*}} to %c32 step %c1
// V3: memref.prefetch
// V3-COUNT-5: moe.dot
// V3-NOT: moe.dot
// V3: scf.yield

// Matrix registers: 49 rows are four tiles of 13, two in each block; the last one
// begins at 36, in the one before it, whose three rows it skips. Panels go by two.
// AMX: scf.for %[[P:.*]] = %c0 to %c6 step %c2
// AMX-COUNT-4: amx.tile_zero : !amx.tile<13x16xf32>
// AMX: :4 = scf.for %[[K:.*]] = %c0 to %c32 step %c16
// AMX-COUNT-16: memref.prefetch
// AMX: amx.tile_load %{{.*}} into !amx.tile<13x32xbf16>
// AMX: amx.tile_load %{{.*}} into !amx.tile<13x32xbf16>
// AMX: amx.tile_load %{{.*}} : memref<6x32x32xbf16> into !amx.tile<16x32xbf16>
// AMX: amx.tile_load
// AMX-COUNT-4: amx.tile_mulf
// AMX: memref.alloca() {alignment = 64 : i64} : memref<32x32xf32>
// AMX: amx.tile_store
// AMX: scf.for %{{.*}} = %c0 to %c13 step %c1
// AMX: vector.load
// AMX: vector.transfer_write
// AMX: amx.tile_load %{{.*}}[%c26,
// AMX: amx.tile_load %{{.*}}[%c36,
// AMX: scf.for %{{.*}} = %c0 to %c13 step %c1
// AMX: scf.for %{{.*}} = %c3 to %c13 step %c1
func.func @bf16(%a: tensor<49x64xbf16>, %b: tensor<6x16xf32>) -> tensor<49x6x16xf32> {
  %m = moe.weights @w : memref<6x32x32xbf16>
  %t = bufferization.to_tensor %m restrict : memref<6x32x32xbf16> to tensor<6x32x32xbf16>
  %w = tensor.expand_shape %t [[0], [1], [2, 3]] output_shape [6, 32, 16, 2] : tensor<6x32x32xbf16> into tensor<6x32x16x2xbf16>
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49x6x16xf32>) -> tensor<49x6x16xf32>
  %0 = linalg.generic {indexing_maps = [#x2, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<49x64xbf16>, tensor<6x32x16x2xbf16>) outs(%f : tensor<49x6x16xf32>) {
  ^bb0(%x: bf16, %v: bf16, %s: f32):
    %xw = arith.extf %x : bf16 to f32
    %vw = arith.extf %v : bf16 to f32
    %p = arith.mulf %xw, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  %e2 = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #lanes, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0, %b : tensor<49x6x16xf32>, tensor<6x16xf32>) outs(%e2 : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %v: f32, %o: f32):
    %q = arith.addf %x, %v : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  return %1 : tensor<49x6x16xf32>
}

// Four integers in a lane; integer sums, of which the epilogue makes f32.
// ALL-LABEL: func.func @int8(
// ALL-SAME: %[[A:.*]]: tensor<49x64xi8>, %[[W:.*]]: tensor<6x16x16x4xi8>
// ALL-NOT: linalg
// V4-DAG: %[[ZERO:.*]] = arith.constant dense<0> : vector<16xi32>
// V4: %[[F:.*]] = tensor.collapse_shape %[[W]] {{\[}}[0], [1], [2, 3]] : tensor<6x16x16x4xi8> into tensor<6x16x64xi8>
// V4: %[[ACC:.*]]:27 = scf.for %[[K:.*]] = %c0 to %c16 step %c1 iter_args(%{{.*}} = %[[ZERO]], {{.*}} -> (vector<16xi32>
// V4-NOT: prefetch
// V4: vector.transfer_read %[[F]][%{{.*}}, %[[K]], %c0]{{.*}} : tensor<6x16x64xi8>, vector<64xi8>
// V4: %[[K4:.*]] = arith.muli %[[K]], %c4
// V4: vector.transfer_read %[[A]][%{{.*}}, %[[K4]]]{{.*}} : tensor<49x64xi8>, vector<4xi8>
// V4: vector.bitcast %{{.*}} : vector<4xi8> to vector<1xi32>
// V4: vector.bitcast %{{.*}} : vector<16xi32> to vector<64xi8>
// V4-COUNT-27: moe.dot {{.*}} unsigned : vector<16xi32>, vector<64xi8>
// V4-NOT: moe.dot
// V4: %[[Y:.*]] = arith.sitofp %[[ACC]]#0 : vector<16xi32> to vector<16xf32>
// V4: arith.mulf %[[Y]], %{{.*}} : vector<16xf32>
// V4-NEXT: vector.transfer_write
// V1: moe.dot {{.*}} unsigned : vector<16xi32>, vector<64xi8>
// ALL: return
func.func @int8(%a: tensor<49x64xi8>, %w: tensor<6x16x16x4xi8>, %b: tensor<6x16xf32>) -> tensor<49x6x16xf32> {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<49x6x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<49x6x16xi32>) -> tensor<49x6x16xi32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<49x64xi8>, tensor<6x16x16x4xi8>) outs(%f : tensor<49x6x16xi32>) {
  ^bb0(%x: i8, %v: i8, %s: i32):
    %xw = arith.extui %x : i8 to i32
    %vw = arith.extsi %v : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<49x6x16xi32>
  %e2 = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #lanes, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0, %b : tensor<49x6x16xi32>, tensor<6x16xf32>) outs(%e2 : tensor<49x6x16xf32>) {
  ^bb0(%x: i32, %v: f32, %o: f32):
    %z = arith.sitofp %x : i32 to f32
    %q = arith.mulf %z, %v : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  return %1 : tensor<49x6x16xf32>
}

// A single row sums parts of k side by side: of eleven steps, some parts get one
// more. Signed inputs are not called unsigned.
// ALL-LABEL: func.func @signed_row(
// ALL-NOT: unsigned
// ALL: scf.for %{{.*}} = %c0 to %c3 step %c1
// V4-COUNT-11: moe.dot %{{.*}}, %{{.*}}, %{{[a-z0-9_]+}} : vector<16xi32>, vector<64xi8>
// V4-NOT: moe.dot
// V4-COUNT-7: arith.addi %{{.*}}, %{{.*}} : vector<16xi32>
// V4-NEXT: vector.transfer_write %{{.*}} : vector<16xi32>, tensor<1x3x16xi32>
// V3: %[[S:.*]]:4 = scf.for %{{.*}} = %c0 to %c8 step %c4
// V3-COUNT-4: moe.dot
// V3: scf.yield
// V3-COUNT-3: moe.dot
// V3-COUNT-3: arith.addi %{{.*}}, %{{.*}} : vector<16xi32>
// V3-NEXT: vector.transfer_write
// ALL: return
func.func @signed_row(%a: tensor<1x44xi8>, %w: tensor<3x11x16x4xi8>) -> tensor<1x3x16xi32> {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<1x3x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<1x3x16xi32>) -> tensor<1x3x16xi32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x44xi8>, tensor<3x11x16x4xi8>) outs(%f : tensor<1x3x16xi32>) {
  ^bb0(%x: i8, %v: i8, %s: i32):
    %xw = arith.extsi %x : i8 to i32
    %vw = arith.extsi %v : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<1x3x16xi32>
  return %0 : tensor<1x3x16xi32>
}

// Inputs of f32: the weights of a lane are widened in registers, the even one from
// the lower half and the odd one from the upper half.
// ALL-LABEL: func.func @widened(
// ALL-SAME: %[[A:.*]]: tensor<1x32xf32>, %[[W:.*]]: tensor<1x16x16x2xbf16>)
// ALL-NOT: moe.dot
// ALL-DAG: %[[MASK:.*]] = arith.constant dense<-65536> : vector<16xi32>
// ALL-DAG: %[[SIXTEEN:.*]] = arith.constant dense<16> : vector<16xi32>
// V4-DAG: %[[F:.*]] = tensor.collapse_shape %[[W]]
// V4: scf.for %[[K:.*]] = %c0 to %c16 step %c8
// V4: %[[PAIR:.*]] = vector.transfer_read %[[F]][%c0, %[[K]], %c0]{{.*}} : tensor<1x16x32xbf16>, vector<32xbf16>
// V4: %[[BITS:.*]] = vector.bitcast %[[PAIR]] : vector<32xbf16> to vector<16xi32>
// V4: %[[UP:.*]] = arith.shli %[[BITS]], %[[SIXTEEN]]
// V4: %[[EVEN:.*]] = arith.bitcast %[[UP]] : vector<16xi32> to vector<16xf32>
// V4: %[[K2:.*]] = arith.muli %[[K]], %c2
// V4: %[[X0:.*]] = tensor.extract %[[A]][%c0, %[[K2]]]
// V4: %[[B0:.*]] = vector.broadcast %[[X0]] : f32 to vector<16xf32>
// V4: %[[SUM:.*]] = vector.fma %[[B0]], %[[EVEN]], %{{.*}}
// V4: %[[CUT:.*]] = arith.andi %[[BITS]], %[[MASK]]
// V4: %[[ODD:.*]] = arith.bitcast %[[CUT]] : vector<16xi32> to vector<16xf32>
// V4: %[[K21:.*]] = arith.addi %[[K2]], %c1
// V4: %[[X1:.*]] = tensor.extract %[[A]][%c0, %[[K21]]]
// V4: %[[B1:.*]] = vector.broadcast %[[X1]]
// V4: vector.fma %[[B1]], %[[ODD]], %[[SUM]]
// Without a multiply-add.
// V1-NOT: vector.fma
// V1: arith.shli %{{.*}}, %[[SIXTEEN]]
// V1: arith.mulf %{{.*}} : vector<16xf32>
// V1: arith.addf %{{.*}} : vector<16xf32>
// V1: arith.andi %{{.*}}, %[[MASK]]
// V1: arith.mulf %{{.*}} : vector<16xf32>
// V1: arith.addf %{{.*}} : vector<16xf32>
// ALL-NOT: moe.dot
// ALL: return
func.func @widened(%a: tensor<1x32xf32>, %w: tensor<1x16x16x2xbf16>) -> tensor<1x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#x2, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x32xf32>, tensor<1x16x16x2xbf16>) outs(%f : tensor<1x1x16xf32>) {
  ^bb0(%x: f32, %v: bf16, %s: f32):
    %vw = arith.extf %v : bf16 to f32
    %p = arith.mulf %x, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x1x16xf32>
  return %0 : tensor<1x1x16xf32>
}

// Weights of 8 bits are moved to the top of a lane and down again, which keeps
// their sign; of the last there is nothing above.
// ALL-LABEL: func.func @widened_integers(
// ALL-SAME: %[[A:.*]]: tensor<1x64xf32>, %[[W:.*]]: tensor<1x16x16x4xi8>)
// ALL-NOT: moe.dot
// ALL-DAG: %[[EIGHT:.*]] = arith.constant dense<8> : vector<16xi32>
// ALL-DAG: %[[SIXTEEN:.*]] = arith.constant dense<16> : vector<16xi32>
// ALL-DAG: %[[DOWN:.*]] = arith.constant dense<24> : vector<16xi32>
// V4-DAG: %[[F:.*]] = tensor.collapse_shape %[[W]] {{\[}}[0], [1], [2, 3]] : tensor<1x16x16x4xi8> into tensor<1x16x64xi8>
// V4: scf.for %[[K:.*]] = %c0 to %c16 step %c8
// V4: %[[FOUR:.*]] = vector.transfer_read %[[F]][%c0, %[[K]], %c0]{{.*}} : tensor<1x16x64xi8>, vector<64xi8>
// V4-NEXT: %[[BITS:.*]] = vector.bitcast %[[FOUR]] : vector<64xi8> to vector<16xi32>
// V4-NEXT: %[[UP0:.*]] = arith.shli %[[BITS]], %[[DOWN]]
// V4-NEXT: %[[I0:.*]] = arith.shrsi %[[UP0]], %[[DOWN]]
// V4-NEXT: %[[W0:.*]] = arith.sitofp %[[I0]] : vector<16xi32> to vector<16xf32>
// V4-NEXT: %[[K4:.*]] = arith.muli %[[K]], %c4
// V4-NEXT: %[[X0:.*]] = tensor.extract %[[A]][%c0, %[[K4]]]
// V4-NEXT: %[[B0:.*]] = vector.broadcast %[[X0]] : f32 to vector<16xf32>
// V4-NEXT: %[[S0:.*]] = vector.fma %[[B0]], %[[W0]], %{{.*}}
// V4-NEXT: %[[UP1:.*]] = arith.shli %[[BITS]], %[[SIXTEEN]]
// V4-NEXT: %[[I1:.*]] = arith.shrsi %[[UP1]], %[[DOWN]]
// V4-NEXT: %[[W1:.*]] = arith.sitofp %[[I1]]
// V4-NEXT: %[[K41:.*]] = arith.addi %[[K4]], %c1
// V4-NEXT: %[[X1:.*]] = tensor.extract %[[A]][%c0, %[[K41]]]
// V4-NEXT: %[[B1:.*]] = vector.broadcast %[[X1]]
// V4-NEXT: %[[S1:.*]] = vector.fma %[[B1]], %[[W1]], %[[S0]]
// V4-NEXT: %[[UP2:.*]] = arith.shli %[[BITS]], %[[EIGHT]]
// V4-NEXT: %[[I2:.*]] = arith.shrsi %[[UP2]], %[[DOWN]]
// V4-NEXT: %[[W2:.*]] = arith.sitofp %[[I2]]
// V4: %[[S2:.*]] = vector.fma %{{.*}}, %[[W2]], %[[S1]]
// V4-NEXT: %[[I3:.*]] = arith.shrsi %[[BITS]], %[[DOWN]]
// V4-NEXT: %[[W3:.*]] = arith.sitofp %[[I3]]
// V4: vector.fma %{{.*}}, %[[W3]], %[[S2]]
// Without a multiply-add.
// V1-NOT: vector.fma
// V1-COUNT-3: arith.shli
// V1-NOT: arith.shli
// V1: %[[LAST:.*]] = arith.shrsi %{{.*}}, %[[DOWN]]
// V1-NEXT: %[[L:.*]] = arith.sitofp %[[LAST]] : vector<16xi32> to vector<16xf32>
// V1: %[[M:.*]] = arith.mulf %{{.*}}, %[[L]] : vector<16xf32>
// V1-NEXT: arith.addf %[[M]], %{{.*}} : vector<16xf32>
// ALL-NOT: moe.dot
// ALL: return
func.func @widened_integers(%a: tensor<1x64xf32>, %w: tensor<1x16x16x4xi8>) -> tensor<1x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x64xf32>, tensor<1x16x16x4xi8>) outs(%f : tensor<1x1x16xf32>) {
  ^bb0(%x: f32, %v: i8, %s: f32):
    %vw = arith.sitofp %v : i8 to f32
    %p = arith.mulf %x, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x1x16xf32>
  return %0 : tensor<1x1x16xf32>
}

// Not these: unsigned weights, f32's sums of two integers, weights as f32 that were
// unsigned.
// ALL-LABEL: func.func @unsigned_weights(
// ALL-NOT: {{moe.dot|vector.bitcast}}
// ALL: arith.extui %{{.*}} : i8 to i32
// ALL: arith.extui %{{.*}} : i8 to i32
// ALL: return
func.func @unsigned_weights(%a: tensor<1x32xi8>, %w: tensor<1x8x16x4xi8>) -> tensor<1x1x16xi32> {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<1x1x16xi32>) -> tensor<1x1x16xi32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x32xi8>, tensor<1x8x16x4xi8>) outs(%f : tensor<1x1x16xi32>) {
  ^bb0(%x: i8, %v: i8, %s: i32):
    %xw = arith.extui %x : i8 to i32
    %vw = arith.extui %v : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<1x1x16xi32>
  return %0 : tensor<1x1x16xi32>
}

// ALL-LABEL: func.func @sums_of_f32(
// ALL-NOT: {{moe.dot|vector.bitcast}}
// ALL: arith.sitofp %{{.*}} : i8 to f32
// ALL: return
func.func @sums_of_f32(%a: tensor<1x32xi8>, %w: tensor<1x8x16x4xi8>) -> tensor<1x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x32xi8>, tensor<1x8x16x4xi8>) outs(%f : tensor<1x1x16xf32>) {
  ^bb0(%x: i8, %v: i8, %s: f32):
    %xw = arith.sitofp %x : i8 to f32
    %vw = arith.sitofp %v : i8 to f32
    %p = arith.mulf %xw, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x1x16xf32>
  return %0 : tensor<1x1x16xf32>
}

// ALL-LABEL: func.func @f32_by_unsigned(
// ALL-NOT: {{moe.dot|vector.bitcast}}
// ALL: arith.uitofp %{{.*}} : i8 to f32
// ALL: return
func.func @f32_by_unsigned(%a: tensor<1x32xf32>, %w: tensor<1x8x16x4xi8>) -> tensor<1x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<1x32xf32>, tensor<1x8x16x4xi8>) outs(%f : tensor<1x1x16xf32>) {
  ^bb0(%x: f32, %v: i8, %s: f32):
    %vw = arith.uitofp %v : i8 to f32
    %p = arith.mulf %x, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x1x16xf32>
  return %0 : tensor<1x1x16xf32>
}

// Rows that are known at run time only: tiles of a power of two, and one of each
// smaller one for those that are left. What follows is rounded in the tile.
// ALL-LABEL: func.func @rows_at_run_time(
// ALL-NOT: linalg
// V4: %[[N:.*]] = tensor.dim
// V4: scf.for
// V4: scf.for {{.*}} -> (vector<16xf32>
// V4: moe.dot
// V4: %[[LOW:.*]] = arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// V4-NEXT: vector.transfer_write %[[LOW]], {{.*}} : vector<16xbf16>, tensor<?x2x16xbf16>
// V4: %[[BIT:.*]] = arith.andi %[[N]], %c1
// V4: %[[SET:.*]] = arith.cmpi ne, %[[BIT]], %c0
// V4: scf.if %[[SET]]
// V4: moe.dot
// ALL: return
func.func @rows_at_run_time(%a: tensor<?x32xbf16>, %w: tensor<2x16x16x2xbf16>, %e: tensor<?x2x16xf32>, %e2: tensor<?x2x16xbf16>) -> tensor<?x2x16xbf16> {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x2x16xf32>) -> tensor<?x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#x2, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<?x32xbf16>, tensor<2x16x16x2xbf16>) outs(%f : tensor<?x2x16xf32>) {
  ^bb0(%x: bf16, %v: bf16, %s: f32):
    %xw = arith.extf %x : bf16 to f32
    %vw = arith.extf %v : bf16 to f32
    %p = arith.mulf %xw, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<?x2x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<?x2x16xf32>) outs(%e2 : tensor<?x2x16xbf16>) {
  ^bb0(%x: f32, %o: bf16):
    %t = arith.truncf %x : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x2x16xbf16>
  return %1 : tensor<?x2x16xbf16>
}

// Quantisation: a row's largest magnitude is a maximum of integers, which starts
// where the result did; numbers are packed as vectors.
// ALL-LABEL: func.func @quantize(
// ALL: %[[START:.*]] = tensor.extract %{{.*}} : tensor<4xi32>
// ALL: %[[FIRST:.*]] = vector.broadcast %[[START]] : i32 to vector<16xi32>
// ALL: %[[MOST:.*]] = scf.for {{.*}} iter_args(%[[SO_FAR:.*]] = %[[FIRST]]) -> (vector<16xi32>)
// ALL: %[[BITS:.*]] = arith.bitcast %{{.*}} : vector<16xf32> to vector<16xi32>
// ALL: %[[ABS:.*]] = arith.andi %[[BITS]], %{{.*}} : vector<16xi32>
// ALL: arith.maxsi %[[SO_FAR]], %[[ABS]] : vector<16xi32>
// ALL: vector.reduction <maxsi>, %[[MOST]], %[[START]] : vector<16xi32> into i32
// ALL: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// ALL: vector.transfer_write %{{.*}} : vector<16xi8>, tensor<4x2x16xi8>
func.func @quantize(%x: tensor<4x2x16xf32>) -> (tensor<4xi32>, tensor<4x2x16xi8>) {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<4xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<4xi32>) -> tensor<4xi32>
  %0 = linalg.generic {indexing_maps = [#id, affine_map<(m, p, c) -> (m)>], iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x : tensor<4x2x16xf32>) outs(%f : tensor<4xi32>) {
  ^bb0(%a: f32, %o: i32):
    %mask = arith.constant 2147483647 : i32
    %bits = arith.bitcast %a : f32 to i32
    %abs = arith.andi %bits, %mask : i32
    %r = arith.maxsi %o, %abs : i32
    linalg.yield %r : i32
  } -> tensor<4xi32>
  %e2 = bufferization.alloc_tensor() : tensor<4x2x16xi8>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%e2 : tensor<4x2x16xi8>) {
  ^bb0(%a: f32, %o: i8):
    %bits = arith.bitcast %a : f32 to i32
    %low = arith.trunci %bits : i32 to i8
    linalg.yield %low : i8
  } -> tensor<4x2x16xi8>
  return %0, %1 : tensor<4xi32>, tensor<4x2x16xi8>
}
