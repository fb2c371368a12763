// A copy needs to know its size.
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4 --verify-diagnostics

func.func @rows_at_run_time(%x: tensor<?x32xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<?x3x16xf32>) -> tensor<?x3x16xf32> {
  // expected-error@+1 {{cannot be widened: its input has rows that are known at run time only}}
  %0 = linalg.generic {
      indexing_maps = [affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>, affine_map<(m, p, c, k, i) -> (p, k, c, i)>, affine_map<(m, p, c, k, i) -> (m, p, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
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
