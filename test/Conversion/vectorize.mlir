// A matrix product of 49 rows and 6 panels over k = 64, and what follows it.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v4 --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V4
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v3 --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V3
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64 --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V1
// RUN: moe-opt %s --moe-vectorize --canonicalize --cse | FileCheck %s --check-prefixes=ALL,V1
// RUN: not moe-opt %s --moe-vectorize=cpu=vax 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown CPU 'vax'

// ALL-LABEL: func.func @matmul(
// ALL-SAME: %[[A:.*]]: tensor<49x64xf32>, %[[W:.*]]: tensor<6x64x16xf32>, %[[B:.*]]: tensor<6x16xf32>
// ALL-NOT: linalg

// 32 registers: 9 rows x 3 panels, and the 4 rows that are left.
// V4: scf.for %{{.*}} = %{{.*}} to %c6 step %c3
// V4: scf.for %{{.*}} = %{{.*}} to %c45 step %c9
// V4: %[[ACC:.*]]:27 = scf.for %{{.*}} to %c64 step %c1
// V4-COUNT-27: vector.fma
// V4-NOT: vector.fma
// The epilogue is in the tile: bias, then exp, for each accumulator.
// V4: arith.addf %[[ACC]]#0, %{{.*}} : vector<16xf32>
// V4-NEXT: math.exp
// V4-NEXT: vector.transfer_write
// V4: :12 = scf.for %{{.*}} to %c64 step %c1
// V4-COUNT-12: vector.fma
// V4-NOT: vector.fma

// 16 registers of 8 lanes: 5 rows x 1 panel.
// V3: scf.for %{{.*}} = %{{.*}} to %c6 step %c1
// V3: scf.for %{{.*}} = %{{.*}} to %c45 step %c5
// V3: :5 = scf.for %{{.*}} to %c64 step %c1
// V3-COUNT-5: vector.fma
// V3: math.exp
// V3: vector.transfer_write

// 16 registers of 4 lanes and no multiply-add.
// V1-NOT: vector.fma
// V1: scf.for %{{.*}} = %{{.*}} to %c48 step %c2
// V1: %[[ACC:.*]]:2 = scf.for %{{.*}} to %c64 step %c1
// V1: %[[P:.*]] = arith.mulf %{{.*}}, %{{.*}} : vector<16xf32>
// V1-NEXT: arith.addf %[[P]], %{{.*}} : vector<16xf32>
// V1: math.exp
// V1: vector.transfer_write
// V1-NOT: vector.fma
// ALL: return
func.func @matmul(%a: tensor<49x64xf32>, %w: tensor<6x64x16xf32>, %b: tensor<6x16xf32>) -> tensor<49x6x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<49x6x16xf32>) -> tensor<49x6x16xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c, k) -> (m, k)>, affine_map<(m, p, c, k) -> (p, k, c)>, affine_map<(m, p, c, k) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<49x64xf32>, tensor<6x64x16xf32>) outs(%f : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<49x6x16xf32>
  %e2 = bufferization.alloc_tensor() : tensor<49x6x16xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c) -> (m, p, c)>, affine_map<(m, p, c) -> (p, c)>, affine_map<(m, p, c) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0, %b : tensor<49x6x16xf32>, tensor<6x16xf32>) outs(%e2 : tensor<49x6x16xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %q = arith.addf %x, %y : f32
    %r = math.exp %q : f32
    linalg.yield %r : f32
  } -> tensor<49x6x16xf32>
  return %1 : tensor<49x6x16xf32>
}

// A single row: one panel at a time, whose parts of k are summed side by side. Of
// 19 inputs some parts get one more; they are added in pairs, halves first.
// ALL-LABEL: func.func @single_row(
// ALL-SAME: %[[A:.*]]: tensor<1x19xf32>, %[[W:.*]]: tensor<3x19x16xf32>
// ALL: scf.for %[[P:.*]] = %c0 to %c3 step %c1

// V4: %[[S:.*]]:8 = scf.for %[[K:.*]] = %c0 to %c16 step %c8
// V4-COUNT-8: vector.fma
// V4-NOT: vector.fma
// V4: scf.yield
// V4: vector.transfer_read %[[W]][%[[P]], %c16, %c0]
// V4: tensor.extract %[[A]][%c0, %c16]
// V4: %[[S0:.*]] = vector.fma %{{.*}}, %{{.*}}, %[[S]]#0
// V4: tensor.extract %[[A]][%c0, %c17]
// V4: %[[S1:.*]] = vector.fma %{{.*}}, %{{.*}}, %[[S]]#1
// V4: tensor.extract %[[A]][%c0, %c18]
// V4: %[[S2:.*]] = vector.fma %{{.*}}, %{{.*}}, %[[S]]#2
// V4: %[[S04:.*]] = arith.addf %[[S0]], %[[S]]#4
// V4-NEXT: %[[S15:.*]] = arith.addf %[[S1]], %[[S]]#5
// V4-NEXT: %[[S26:.*]] = arith.addf %[[S2]], %[[S]]#6
// V4-NEXT: %[[S37:.*]] = arith.addf %[[S]]#3, %[[S]]#7
// V4-NEXT: %[[EVEN:.*]] = arith.addf %[[S04]], %[[S26]]
// V4-NEXT: %[[ODD:.*]] = arith.addf %[[S15]], %[[S37]]
// V4-NEXT: %[[SUM:.*]] = arith.addf %[[EVEN]], %[[ODD]]
// V4-NEXT: vector.transfer_write %[[SUM]]

// V3: %[[S:.*]]:4 = scf.for %{{.*}} = %c0 to %c16 step %c4
// V3-COUNT-4: vector.fma
// V3: scf.yield
// V3-COUNT-3: vector.fma
// V3: %[[S02:.*]] = arith.addf %{{.*}}, %{{.*}} : vector<16xf32>
// V3-NEXT: %[[S13:.*]] = arith.addf %{{.*}}, %[[S]]#3
// V3-NEXT: %[[SUM:.*]] = arith.addf %[[S02]], %[[S13]]
// V3-NEXT: vector.transfer_write %[[SUM]]

// V1: %[[S:.*]]:2 = scf.for %{{.*}} = %c0 to %c18 step %c2
// V1: scf.yield
// V1: tensor.extract %[[A]][%c0, %c18]
// V1: %[[M:.*]] = arith.mulf
// V1-NEXT: %[[S0:.*]] = arith.addf %[[M]], %[[S]]#0
// V1-NEXT: %[[SUM:.*]] = arith.addf %[[S0]], %[[S]]#1
// V1-NEXT: vector.transfer_write %[[SUM]]
// ALL: return
func.func @single_row(%a: tensor<1x19xf32>, %w: tensor<3x19x16xf32>) -> tensor<1x3x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x3x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x16xf32>) -> tensor<1x3x16xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c, k) -> (m, k)>, affine_map<(m, p, c, k) -> (p, k, c)>, affine_map<(m, p, c, k) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<1x19xf32>, tensor<3x19x16xf32>) outs(%f : tensor<1x3x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x3x16xf32>
  return %0 : tensor<1x3x16xf32>
}

// The product has a second reader: it is written whole before the others run.
// ALL-LABEL: func.func @two_readers(
// ALL: %[[P:.*]] = vector.transfer_write %{{.*}} tensor<1x1x16xf32>
// ALL: math.exp
// ALL: vector.transfer_write
// ALL: return %{{.*}}, %{{.*}} :
func.func @two_readers(%a: tensor<1x64xf32>, %w: tensor<1x64x16xf32>) -> (tensor<1x1x16xf32>, tensor<1x1x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c, k) -> (m, k)>, affine_map<(m, p, c, k) -> (p, k, c)>, affine_map<(m, p, c, k) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %w : tensor<1x64xf32>, tensor<1x64x16xf32>) outs(%f : tensor<1x1x16xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<1x1x16xf32>
  %e2 = bufferization.alloc_tensor() : tensor<1x1x16xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c) -> (m, p, c)>, affine_map<(m, p, c) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<1x1x16xf32>) outs(%e2 : tensor<1x1x16xf32>) {
  ^bb0(%x: f32, %o: f32):
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<1x1x16xf32>
  return %0, %1 : tensor<1x1x16xf32>, tensor<1x1x16xf32>
}

// A reduction over panels and lanes: lanes in a vector until the end. The sum so
// far is no NaN, so that a comparison serves.
// ALL-LABEL: func.func @row_maximum(
// ALL: scf.for %{{.*}} = %c0 to %c49
// ALL: %[[V:.*]] = scf.for {{.*}} -> (vector<16xf32>)
// ALL: %[[L:.*]] = arith.cmpf ogt, %[[X:.*]], %[[M:.*]] : vector<16xf32>
// ALL: arith.select %[[L]], %[[X]], %[[M]]
// ALL: vector.reduction <maxnumf>, %[[V]], %{{.*}} fastmath<reassoc,nnan> : vector<16xf32> into f32
// ALL: return
func.func @row_maximum(%x: tensor<49x6x16xf32>) -> tensor<49xf32> {
  %low = arith.constant 0xFF800000 : f32
  %e = bufferization.alloc_tensor() : tensor<49xf32>
  %f = linalg.fill ins(%low : f32) outs(%e : tensor<49xf32>) -> tensor<49xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c) -> (m, p, c)>, affine_map<(m, p, c) -> (m)>],
      iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x : tensor<49x6x16xf32>) outs(%f : tensor<49xf32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.maxnumf %i, %o : f32
    linalg.yield %r : f32
  } -> tensor<49xf32>
  return %0 : tensor<49xf32>
}

// A transposition: blocks of 4 by 16 in registers; two of the 18 rows are left
// over, and are not more than two in the result.
// ALL-LABEL: func.func @transpose(
// ALL: scf.for %[[J:.*]] = %c0 to %c8 step %c4
// ALL-COUNT-16: vector.transfer_read {{.*}} : tensor<18x8xf32>, vector<4xf32>
// ALL: vector.shuffle {{.*}} [0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29]
// ALL: vector.shuffle {{.*}} [0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29]
// ALL: vector.transfer_write %{{.*}}, %{{.*}}[%[[J]], %c0] {{.*}} : vector<16xf32>, tensor<8x18xf32>
// ALL-COUNT-3: vector<16xf32>, tensor<8x18xf32>
// ALL-COUNT-2: vector.transfer_read {{.*}} : tensor<18x8xf32>, vector<4xf32>
// ALL-NOT: vector.transfer_read
// ALL: vector.transfer_write %{{.*}}, %{{.*}}[%[[J]], %c16] {{.*}} : vector<2xf32>, tensor<8x18xf32>
// ALL: return
func.func @transpose(%x: tensor<18x8xf32>) -> tensor<8x18xf32> {
  %e = bufferization.alloc_tensor() : tensor<8x18xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<18x8xf32>) outs(%e : tensor<8x18xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<8x18xf32>
  return %0 : tensor<8x18xf32>
}

// Five rows are not sixteen: what is missing is zero in the registers, and is not
// written.
// ALL-LABEL: func.func @transpose_few(
// ALL-SAME: %[[X:.*]]: tensor<5x4xf32>
// ALL-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<4xf32>
// ALL-NOT: scf.for
// ALL: %[[R0:.*]] = vector.transfer_read %[[X]][%c0, %c0]
// ALL: %[[R4:.*]] = vector.transfer_read %[[X]][%c4, %c0]
// ALL: vector.shuffle %[[R0]], %[[R4]] [0, 1, 2, 3, 4, 5, 6, 7]
// ALL: %[[R1:.*]] = vector.transfer_read %[[X]][%c1, %c0]
// ALL: vector.shuffle %[[R1]], %[[ZERO]]
// ALL: vector.transfer_read %[[X]][%c2, %c0]
// ALL: vector.transfer_read %[[X]][%c3, %c0]
// ALL-NOT: vector.transfer_read
// ALL: %[[C0:.*]] = vector.shuffle {{.*}} [0, 1, 2, 3, 4] : vector<16xf32>, vector<16xf32>
// ALL: vector.transfer_write %[[C0]], %{{.*}}[%c0, %c0] {{.*}} : vector<5xf32>, tensor<4x5xf32>
// ALL: vector.transfer_write %{{.*}}, %{{.*}}[%c1, %c0] {{.*}} : vector<5xf32>, tensor<4x5xf32>
// ALL: vector.transfer_write %{{.*}}, %{{.*}}[%c2, %c0] {{.*}} : vector<5xf32>, tensor<4x5xf32>
// ALL: vector.transfer_write %{{.*}}, %{{.*}}[%c3, %c0] {{.*}} : vector<5xf32>, tensor<4x5xf32>
// ALL: return
func.func @transpose_few(%x: tensor<5x4xf32>) -> tensor<4x5xf32> {
  %e = bufferization.alloc_tensor() : tensor<4x5xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x4xf32>) outs(%e : tensor<4x5xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// Without blocks of 4, scalars.
// ALL-LABEL: func.func @transpose_odd(
// ALL-NOT: vector
// ALL: tensor.extract
// ALL: tensor.insert
// ALL: return
func.func @transpose_odd(%x: tensor<5x7xf32>) -> tensor<7x5xf32> {
  %e = bufferization.alloc_tensor() : tensor<7x5xf32>
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x7xf32>) outs(%e : tensor<7x5xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}
