// RUN: moe-opt %s --moe-vectorize --split-input-file --verify-diagnostics

func.func @memory(%x: memref<5x16xf32>) {
  // expected-error@+1 {{cannot be vectorised: expected one result and tensors}}
  linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x : memref<5x16xf32>) {
  ^bb0(%o: f32):
    %1 = arith.addf %o, %o : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

func.func @two_results(%x: tensor<5x16xf32>, %y: tensor<5x16xf32>) -> (tensor<5x16xf32>, tensor<5x16xf32>) {
  // expected-error@+1 {{cannot be vectorised: expected one result and tensors}}
  %0:2 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>, affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x, %y : tensor<5x16xf32>, tensor<5x16xf32>) {
  ^bb0(%o: f32, %p: f32):
    linalg.yield %p, %o : f32, f32
  } -> (tensor<5x16xf32>, tensor<5x16xf32>)
  return %0#0, %0#1 : tensor<5x16xf32>, tensor<5x16xf32>
}

// -----

func.func @counts(%x: tensor<5x16xindex>) -> tensor<5x16xindex> {
  // expected-error@+1 {{cannot be vectorised: expected arithmetic on numbers, found linalg.index}}
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x : tensor<5x16xindex>) {
  ^bb0(%o: index):
    %1 = linalg.index 0 : index
    linalg.yield %1 : index
  } -> tensor<5x16xindex>
  return %0 : tensor<5x16xindex>
}

// -----

func.func @halves(%x: tensor<8x16xf32>, %y: tensor<16x16xf32>) -> tensor<16x16xf32> {
  // expected-error@+1 {{cannot be vectorised: expected sums and products of loops as indices}}
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i floordiv 2, c)>, affine_map<(i, c) -> (i, c)>],
      iterator_types = ["parallel", "parallel"]} ins(%x : tensor<8x16xf32>) outs(%y : tensor<16x16xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<16x16xf32>
  return %0 : tensor<16x16xf32>
}

// -----

func.func @complex(%x: tensor<5x16xcomplex<f32>>) -> tensor<5x16xcomplex<f32>> {
  // expected-error@+1 {{cannot be vectorised: expected numbers as elements}}
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x : tensor<5x16xcomplex<f32>>) {
  ^bb0(%o: complex<f32>):
    linalg.yield %o : complex<f32>
  } -> tensor<5x16xcomplex<f32>>
  return %0 : tensor<5x16xcomplex<f32>>
}

// -----

func.func @large(%x: tensor<4611686018427387904x16xf32>) -> tensor<4611686018427387904x16xf32> {
  // expected-error@+1 {{cannot be vectorised: expected sizes of a model}}
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, c) -> (i, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%x : tensor<4611686018427387904x16xf32>) {
  ^bb0(%o: f32):
    linalg.yield %o : f32
  } -> tensor<4611686018427387904x16xf32>
  return %0 : tensor<4611686018427387904x16xf32>
}

// -----

// What fills memory does not count as unused.
func.func @filled(%x: memref<5x16xf32>, %v: f32) {
  // expected-error@+1 {{cannot be vectorised: expected one result and tensors}}
  linalg.fill ins(%v : f32) outs(%x : memref<5x16xf32>)
  return
}
