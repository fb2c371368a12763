// What is of bf16 from the start has no wider form.
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4 --split-input-file --verify-diagnostics

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

func.func @argument(%x: tensor<4x32xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>) -> tensor<4x3x16xf32> {
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0 : tensor<4x3x16xf32>
}

// -----

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

func.func @rows_at_run_time(%x: tensor<?x32xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<?x3x16xf32>) -> tensor<?x3x16xf32> {
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<?x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<?x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<?x3x16xf32>
  return %0 : tensor<?x3x16xf32>
}

// -----

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

// Nor is it any wider for another shape, or as a part of what is.
func.func @view(%x: tensor<8x2x16xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>) -> tensor<4x3x16xf32> {
  %part = tensor.extract_slice %x[2, 0, 0] [4, 2, 16] [1, 1, 1] : tensor<8x2x16xbf16> to tensor<4x2x16xbf16>
  %flat = tensor.collapse_shape %part [[0], [1, 2]] : tensor<4x2x16xbf16> into tensor<4x32xbf16>
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%flat, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0 : tensor<4x3x16xf32>
}

// -----

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

func.func @inserted(%v: tensor<4x16xf32>, %x: tensor<4x32xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>) -> tensor<4x3x16xf32> {
  %low = bufferization.alloc_tensor() : tensor<4x16xbf16>
  %r = linalg.generic {indexing_maps = [#flat, #flat], iterator_types = ["parallel", "parallel"]}
      ins(%v : tensor<4x16xf32>) outs(%low : tensor<4x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x16xbf16>
  %in = tensor.insert_slice %r into %x[0, 0] [4, 16] [1, 1] : tensor<4x16xbf16> into tensor<4x32xbf16>
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%in, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0 : tensor<4x3x16xf32>
}

// -----

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

// Made by what does not round, and by an operation that nobody knows.
func.func @not_rounded(%x: tensor<4x32xi16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>) -> tensor<4x3x16xf32> {
  %low = bufferization.alloc_tensor() : tensor<4x32xbf16>
  %r = linalg.generic {indexing_maps = [#flat, #flat], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x32xi16>) outs(%low : tensor<4x32xbf16>) {
  ^bb0(%a: i16, %o: bf16):
    %t = arith.bitcast %a : i16 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x32xbf16>
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%r, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0 : tensor<4x3x16xf32>
}

// -----

#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

func.func @unknown(%x: tensor<4x32xf32>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>) -> tensor<4x3x16xf32> {
  %r = arith.truncf %x : tensor<4x32xf32> to tensor<4x32xbf16>
  // expected-error@+1 {{cannot be widened: its input was not rounded from f32}}
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%r, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0 : tensor<4x3x16xf32>
}
