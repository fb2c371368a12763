// Products of bf16 and of 8-bit integers whose columns are 64 bits wide: two in a
// vector.
// RUN: moe-opt %s --moe-vectorize=cpu=armv8.6-a --canonicalize --cse | FileCheck %s --check-prefixes=ALL,PAIRS
// RUN: moe-opt %s --moe-vectorize=cpu=armv8-a+dotprod --canonicalize --cse | FileCheck %s --check-prefixes=ALL,ROWS
// RUN: moe-opt %s --moe-vectorize=cpu=armv8-a --canonicalize --cse | FileCheck %s --check-prefixes=ALL,FEW
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v3 --canonicalize --cse | FileCheck %s --check-prefix=WIDE

#x4 = affine_map<(m, p, c, k, i) -> (m, k * 4 + i)>
#x8 = affine_map<(m, p, c, k, i) -> (m, k * 8 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

// For pairs, the input is arranged once: 64 bits of a row, then 64 of the next; two
// steps at a time. Tiles of six rows are three pairs by eight pairs of columns: 24
// sums of two by two. The last row has no other, and is taken as it is.
// ALL-LABEL: func.func @integers(
// ALL-SAME: %[[A:.*]]: tensor<51x64xi8>, %[[W:.*]]: tensor<2x8x16x8xi8>)
// PAIRS: %[[E:.*]] = bufferization.alloc_tensor() : tensor<25x8x16xi8>
// PAIRS: %[[P:.*]] = scf.for %[[G:.*]] = %c0 to %c25 step %c1
// PAIRS: scf.for %[[K:.*]] = %c0 to %c8 step %c2
// PAIRS: %[[R:.*]] = arith.muli %[[G]], %c2
// PAIRS: %[[X:.*]] = vector.transfer_read %[[A]][%[[R]],{{.*}} : tensor<51x64xi8>, vector<16xi8>
// PAIRS: %[[R1:.*]] = arith.addi %[[R]], %c1
// PAIRS: %[[Y:.*]] = vector.transfer_read %[[A]][%[[R1]],{{.*}} : tensor<51x64xi8>, vector<16xi8>
// PAIRS: %[[XY:.*]] = vector.shuffle %[[X]], %[[Y]] [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
// PAIRS: vector.transfer_write %[[XY]], %{{.*}}[%[[G]], %[[K]], %c0]
// PAIRS: vector.shuffle %[[X]], %[[Y]] [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]
// PAIRS: %[[F:.*]] = tensor.collapse_shape %[[W]] {{\[}}[0], [1], [2, 3]] : tensor<2x8x16x8xi8> into tensor<2x8x128xi8>
// PAIRS: scf.for %[[M:.*]] = %c0 to %c48 step %c6
// PAIRS: %[[ACC:.*]]:24 = scf.for %[[K:.*]] = %c0 to %c8 step %c4 iter_args(%[[S0:[a-z0-9]+]] = %{{.*}} -> (vector<4xi32>
// PAIRS: %[[PAIR:.*]] = arith.divui %[[M]], %c2
// PAIRS: %[[IN:.*]] = vector.transfer_read %[[P]][%[[PAIR]], %[[K]], %c0]{{.*}} : tensor<25x8x16xi8>, vector<16xi8>
// PAIRS-COUNT-2: vector.transfer_read %[[P]]
// PAIRS: %[[W0:.*]] = vector.transfer_read %[[F]][%{{.*}}, %[[K]], %c0]{{.*}} : tensor<2x8x128xi8>, vector<16xi8>
// PAIRS: moe.pair_dot %[[S0]], %[[IN]], %[[W0]] : vector<4xi32>, vector<16xi8>, vector<16xi8>
// PAIRS-COUNT-2: moe.pair_dot
// PAIRS: vector.transfer_read %[[F]][%{{.*}}, %[[K]], %c16]
// PAIRS-COUNT-93: moe.pair_dot
// PAIRS-NOT: moe.pair_dot
// PAIRS: scf.yield
// Row 0 has the first two of each block, row 1 the others.
// PAIRS: vector.shuffle {{.*}} [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29] : vector<32xi32>
// PAIRS: vector.shuffle {{.*}} [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31] : vector<32xi32>
// PAIRS: %[[ONE:.*]] = vector.transfer_read %[[A]][%c50, %{{.*}} : tensor<51x64xi8>, vector<8xi8>
// PAIRS: %[[TWICE:.*]] = vector.shuffle %[[ONE]], %[[ONE]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
// PAIRS: moe.dot %{{.*}}, %[[TWICE]], %{{.*}} : vector<4xi32>, vector<16xi8>

// Row by row, each stands twice; three rows by eight pairs of columns. The halves of
// a column are added up.
// ROWS: bufferization.alloc_tensor() : tensor<51x8x16xi8>
// ROWS: %[[P:.*]] = scf.for %{{.*}} = %c0 to %c51 step %c1
// ROWS: vector.shuffle %[[X:.*]], %[[X]] [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
// ROWS: scf.for %{{.*}} = %c0 to %c51 step %c3
// ROWS: :24 = scf.for %{{.*}} = %c0 to %c8 step %c4
// ROWS-COUNT-3: vector.transfer_read %[[P]]
// ROWS-COUNT-96: moe.dot {{.*}} : vector<4xi32>, vector<16xi8>
// ROWS-NOT: moe.dot
// ROWS: %[[EVEN:.*]] = vector.shuffle {{.*}} [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30] : vector<32xi32>
// ROWS: %[[ODD:.*]] = vector.shuffle {{.*}} [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31] : vector<32xi32>
// ROWS: arith.addi %[[EVEN]], %[[ODD]] : vector<16xi32>

// Vectors of eight sums have four columns: a row stands four times.
// WIDE: bufferization.alloc_tensor() : tensor<51x8x32xi8>
// WIDE: vector.shuffle %[[X:.*]], %[[X]] [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 16, 17, 18, 19, 20, 21, 22, 23]
// WIDE: vector.transfer_read %{{.*}} : tensor<51x8x32xi8>, vector<32xi8>
// WIDE: moe.dot {{.*}} : vector<8xi32>, vector<32xi8>

// Without the instruction, a product needs registers too: two rows.
// FEW: scf.for %{{.*}} = %c0 to %c50 step %c2
// FEW: :16 = scf.for %{{.*}} = %c0 to %c8 step %c4
// FEW-COUNT-64: moe.dot
// FEW-NOT: moe.dot
// FEW: scf.yield
// ALL: return
func.func @integers(%a: tensor<51x64xi8>, %w: tensor<2x8x16x8xi8>) -> tensor<51x2x16xi32> {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<51x2x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<51x2x16xi32>) -> tensor<51x2x16xi32>
  %0 = linalg.generic {indexing_maps = [#x8, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<51x64xi8>, tensor<2x8x16x8xi8>) outs(%f : tensor<51x2x16xi32>) {
  ^bb0(%x: i8, %v: i8, %s: i32):
    %xw = arith.extsi %x : i8 to i32
    %vw = arith.extsi %v : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<51x2x16xi32>
  return %0 : tensor<51x2x16xi32>
}

// A panel, or an unknown number of rows, reads its input once: it stays as it is.
// PAIRS-LABEL: func.func @panel(
// PAIRS-SAME: %[[A:.*]]: tensor<4x64xi8>
// PAIRS-NOT: alloc_tensor() : tensor<2x
// PAIRS: %[[X:.*]] = vector.transfer_read %[[A]]{{.*}} : tensor<4x64xi8>, vector<8xi8>
// PAIRS: %[[Y:.*]] = vector.transfer_read %[[A]]{{.*}} : tensor<4x64xi8>, vector<8xi8>
// PAIRS: %[[XY:.*]] = vector.shuffle %[[X]], %[[Y]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
// PAIRS: moe.pair_dot %{{.*}}, %[[XY]], %{{.*}}
func.func @panel(%a: tensor<4x64xi8>, %w: tensor<1x8x16x8xi8>) -> tensor<4x1x16xi32> {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<4x1x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<4x1x16xi32>) -> tensor<4x1x16xi32>
  %0 = linalg.generic {indexing_maps = [#x8, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<4x64xi8>, tensor<1x8x16x8xi8>) outs(%f : tensor<4x1x16xi32>) {
  ^bb0(%x: i8, %v: i8, %s: i32):
    %xw = arith.extsi %x : i8 to i32
    %vw = arith.extsi %v : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<4x1x16xi32>
  return %0 : tensor<4x1x16xi32>
}

// Weights of bf16 for inputs of f32: of four columns, the words with the first two
// of their four numbers; the first is its lower half, the second its upper one.
// Each is multiplied by a lane of the input.
// FEW-LABEL: func.func @widened(
// FEW-SAME: %[[A:.*]]: tensor<5x64xf32>, %[[W:.*]]: tensor<1x16x16x4xbf16>)
// FEW-DAG: %[[UP:.*]] = arith.constant dense<16> : vector<4xi32>
// FEW-DAG: %[[MASK:.*]] = arith.constant dense<-65536> : vector<4xi32>
// FEW: :20 = scf.for %[[K:.*]] = %c0 to %c16 step %c1
// FEW: %[[X:.*]] = vector.transfer_read %[[A]]{{.*}} : tensor<5x64xf32>, vector<4xf32>
// FEW: %[[B:.*]] = vector.transfer_read %{{.*}}[%c0, %[[K]], %c0]{{.*}} : tensor<1x16x64xbf16>, vector<16xbf16>
// FEW: %[[WORDS:.*]] = vector.bitcast %[[B]] : vector<16xbf16> to vector<8xi32>
// FEW: %[[FIRST:.*]] = vector.shuffle %[[WORDS]], %[[WORDS]] [0, 2, 4, 6]
// FEW: %[[BITS:.*]] = arith.shli %[[FIRST]], %[[UP]]
// FEW: %[[W0:.*]] = arith.bitcast %[[BITS]] : vector<4xi32> to vector<4xf32>
// FEW: %[[X0:.*]] = vector.extract %[[X]][0]
// FEW: %[[MANY:.*]] = vector.broadcast %[[X0]]
// FEW: vector.fma %[[MANY]], %[[W0]]
// FEW: arith.andi %[[FIRST]], %[[MASK]]
// FEW: vector.extract %[[X]][1]
// FEW: vector.shuffle %[[WORDS]], %[[WORDS]] [1, 3, 5, 7]
func.func @widened(%a: tensor<5x64xf32>, %w: tensor<1x16x16x4xbf16>) -> tensor<5x1x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<5x1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5x1x16xf32>) -> tensor<5x1x16xf32>
  %0 = linalg.generic {indexing_maps = [#x4, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<5x64xf32>, tensor<1x16x16x4xbf16>) outs(%f : tensor<5x1x16xf32>) {
  ^bb0(%x: f32, %v: bf16, %s: f32):
    %vw = arith.extf %v : bf16 to f32
    %p = arith.mulf %x, %vw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<5x1x16xf32>
  return %0 : tensor<5x1x16xf32>
}

// Two products of one input, as queries and keys are, arrange it once.
// PAIRS-LABEL: func.func @shared(
// PAIRS-COUNT-1: bufferization.alloc_tensor() : tensor<2x8x16xi8>
// PAIRS-NOT: bufferization.alloc_tensor() : tensor<2x8x16xi8>
// PAIRS: return
func.func @shared(%a: tensor<4x64xi8>, %w: tensor<2x8x16x8xi8>, %v: tensor<2x8x16x8xi8>) -> (tensor<4x2x16xi32>, tensor<4x2x16xi32>) {
  %zero = arith.constant 0 : i32
  %e = bufferization.alloc_tensor() : tensor<4x2x16xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<4x2x16xi32>) -> tensor<4x2x16xi32>
  %0 = linalg.generic {indexing_maps = [#x8, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %w : tensor<4x64xi8>, tensor<2x8x16x8xi8>) outs(%f : tensor<4x2x16xi32>) {
  ^bb0(%x: i8, %y: i8, %s: i32):
    %xw = arith.extsi %x : i8 to i32
    %vw = arith.extsi %y : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<4x2x16xi32>
  %e1 = bufferization.alloc_tensor() : tensor<4x2x16xi32>
  %f1 = linalg.fill ins(%zero : i32) outs(%e1 : tensor<4x2x16xi32>) -> tensor<4x2x16xi32>
  %1 = linalg.generic {indexing_maps = [#x8, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %v : tensor<4x64xi8>, tensor<2x8x16x8xi8>) outs(%f1 : tensor<4x2x16xi32>) {
  ^bb0(%x: i8, %y: i8, %s: i32):
    %xw = arith.extsi %x : i8 to i32
    %vw = arith.extsi %y : i8 to i32
    %p = arith.muli %xw, %vw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<4x2x16xi32>
  return %0, %1 : tensor<4x2x16xi32>, tensor<4x2x16xi32>
}
