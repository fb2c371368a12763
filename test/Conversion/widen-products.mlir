// Where no bf16 can be multiplied, a product takes its inputs from before they
// were rounded; its weights stay as they are.
// RUN: moe-opt %s --moe-widen-products --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v3+vnni --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4+vnni --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=armv8-a+dotprod --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4+bf16 --canonicalize | FileCheck %s --check-prefixes=CHECK,LOW
// RUN: moe-opt %s --moe-widen-products=cpu=armv8-a+bf16 --canonicalize | FileCheck %s --check-prefixes=CHECK,LOW
// RUN: not moe-opt %s --moe-widen-products=cpu=vax 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown CPU 'vax'

#id = affine_map<(m, p, c) -> (m, p, c)>
#turned = affine_map<(m, p, c) -> (p, m, c)>
#flat = affine_map<(m, k) -> (m, k)>
#x = affine_map<(m, p, c, k, i) -> (m, k * 2 + i)>
#w = affine_map<(m, p, c, k, i) -> (p, k, c, i)>
#y = affine_map<(m, p, c, k, i) -> (m, p, c)>

// CHECK-LABEL: func.func @rounded(
// CHECK-SAME: %[[X:.*]]: tensor<4x2x16xf32>, %[[W:.*]]: tensor<3x16x16x2xbf16>)
// WIDE-NOT: arith.truncf
// WIDE: %[[A:.*]] = tensor.collapse_shape %[[X]] {{\[}}[0], [1, 2]] : tensor<4x2x16xf32> into tensor<4x32xf32>
// WIDE: linalg.generic {{.*}} ins(%[[A]], %[[W]] : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// WIDE-NEXT: ^bb0(%[[L:.*]]: f32, %[[R:.*]]: bf16, %[[S:.*]]: f32):
// WIDE-NEXT: %[[RW:.*]] = arith.extf %[[R]] : bf16 to f32
// WIDE-NEXT: %[[P:.*]] = arith.mulf %[[L]], %[[RW]] : f32
// WIDE-NEXT: arith.addf %[[S]], %[[P]] : f32
// LOW: arith.truncf
// LOW: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>)
// LOW-NEXT: ^bb0(%[[L:.*]]: bf16, %{{.*}}: bf16, %{{.*}}: f32):
// LOW-NEXT: arith.extf %[[L]] : bf16 to f32
func.func @rounded(%x: tensor<4x2x16xf32>, %w: tensor<3x16x16x2xbf16>) -> tensor<4x3x16xf32> {
  %low = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%low : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  %flat = tensor.collapse_shape %r [[0], [1, 2]] : tensor<4x2x16xbf16> into tensor<4x32xbf16>
  %zero = arith.constant 0.0 : f32
  %e = bufferization.alloc_tensor() : tensor<4x3x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x3x16xf32>) -> tensor<4x3x16xf32>
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

// How many rows there are does not matter then.
// CHECK-LABEL: func.func @rows_at_run_time(
// CHECK-SAME: %[[X:.*]]: tensor<?x32xf32>
// WIDE: linalg.generic {{.*}} ins(%[[X]], %{{.*}} : tensor<?x32xf32>, tensor<3x16x16x2xbf16>)
// LOW: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x32xbf16>, tensor<3x16x16x2xbf16>)
func.func @rows_at_run_time(%x: tensor<?x32xf32>, %low: tensor<?x32xbf16>, %w: tensor<3x16x16x2xbf16>, %f: tensor<?x3x16xf32>) -> tensor<?x3x16xf32> {
  %r = linalg.generic {indexing_maps = [#flat, #flat], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x32xf32>) outs(%low : tensor<?x32xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x32xbf16>
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%r, %w : tensor<?x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<?x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<?x3x16xf32>
  return %0 : tensor<?x3x16xf32>
}

// What was rounded in another order, as patches are, or was more than rounded, is
// widened into a copy, and so is what is bf16 from the start.
// CHECK-LABEL: func.func @others(
// CHECK-SAME: %{{.*}}: tensor<2x4x16xf32>, %[[Z:.*]]: tensor<4x32xbf16>
// CHECK: %[[T:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<2x4x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>)
// WIDE: %[[C:.*]] = linalg.generic {{.*}} ins(%[[T]] : tensor<4x2x16xbf16>) outs(%{{.*}} : tensor<4x2x16xf32>)
// WIDE-NEXT: ^bb0(%[[IN:.*]]: bf16, %{{.*}}: f32):
// WIDE-NEXT: %[[E:.*]] = arith.extf %[[IN]] : bf16 to f32
// WIDE-NEXT: linalg.yield %[[E]]
// WIDE: %[[F:.*]] = tensor.collapse_shape %[[C]]
// WIDE: linalg.generic {{.*}} ins(%[[F]], %{{.*}} : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// CHECK: arith.negf
// CHECK: arith.truncf
// WIDE: linalg.generic {{.*}} ins(%{{.*}} : tensor<4x32xbf16>) outs(%{{.*}} : tensor<4x32xf32>)
// WIDE: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// WIDE: %[[C:.*]] = linalg.generic {{.*}} ins(%[[Z]] : tensor<4x32xbf16>) outs(%{{.*}} : tensor<4x32xf32>)
// WIDE: linalg.generic {{.*}} ins(%[[C]], %{{.*}} : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// LOW: linalg.generic {{.*}} ins(%[[Z]], %{{.*}} : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>)
func.func @others(%x: tensor<2x4x16xf32>, %z: tensor<4x32xbf16>, %v: tensor<4x32xf32>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>)
    -> (tensor<4x3x16xf32>, tensor<4x3x16xf32>, tensor<4x3x16xf32>) {
  %low = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %r = linalg.generic {indexing_maps = [#turned, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<2x4x16xf32>) outs(%low : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  %flat = tensor.collapse_shape %r [[0], [1, 2]] : tensor<4x2x16xbf16> into tensor<4x32xbf16>
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%flat, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  %low2 = bufferization.alloc_tensor() : tensor<4x32xbf16>
  %n = linalg.generic {indexing_maps = [#flat, #flat], iterator_types = ["parallel", "parallel"]}
      ins(%v : tensor<4x32xf32>) outs(%low2 : tensor<4x32xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %neg = arith.negf %a : f32
    %t = arith.truncf %neg : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x32xbf16>
  %1 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%n, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  %2 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%z, %w : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  return %0, %1, %2 : tensor<4x3x16xf32>, tensor<4x3x16xf32>, tensor<4x3x16xf32>
}

// A product of integers is none of bf16, nor is what is rounded and not multiplied.
// CHECK-LABEL: func.func @not_these(
// CHECK: arith.truncf
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<4x64xi8>, tensor<3x16x16x4xi8>)
// CHECK-NEXT: ^bb0(%{{.*}}: i8, %{{.*}}: i8, %{{.*}}: i32):
// CHECK-NOT: arith.extf
// CHECK: return
func.func @not_these(%x: tensor<4x32xf32>, %v: tensor<4x64xi8>, %w: tensor<3x16x16x4xi8>, %f: tensor<4x3x16xi32>) -> (tensor<4x32xbf16>, tensor<4x3x16xi32>) {
  %low = bufferization.alloc_tensor() : tensor<4x32xbf16>
  %r = linalg.generic {indexing_maps = [#flat, #flat], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x32xf32>) outs(%low : tensor<4x32xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x32xbf16>
  %0 = linalg.generic {indexing_maps = [affine_map<(m, p, c, k, i) -> (m, k * 4 + i)>, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%v, %w : tensor<4x64xi8>, tensor<3x16x16x4xi8>) outs(%f : tensor<4x3x16xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %aw = arith.extsi %a : i8 to i32
    %bw = arith.extsi %b : i8 to i32
    %p = arith.muli %aw, %bw : i32
    %q = arith.addi %s, %p : i32
    linalg.yield %q : i32
  } -> tensor<4x3x16xi32>
  return %r, %0 : tensor<4x32xbf16>, tensor<4x3x16xi32>
}
