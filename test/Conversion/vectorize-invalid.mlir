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
