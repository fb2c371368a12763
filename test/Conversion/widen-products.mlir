// Where no bf16 can be multiplied, a product takes its inputs from before they
// were rounded; its weights stay as they are.
// RUN: moe-opt %s --moe-widen-products --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v3+vnni --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4+vnni --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=armv8-a+dotprod --canonicalize | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: moe-opt %s --moe-widen-products=cpu=x86-64-v4+bf16 --canonicalize | FileCheck %s --check-prefixes=CHECK,LOW
// RUN: moe-opt %s --moe-widen-products=cpu=armv8.6-a --canonicalize | FileCheck %s --check-prefixes=CHECK,LOW
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

// What was rounded in another order, or was more than rounded, is made again, in
// f32.
// CHECK-LABEL: func.func @others(
// CHECK-SAME: %[[X:.*]]: tensor<2x4x16xf32>, %[[V:.*]]: tensor<4x32xf32>, %[[W:.*]]: tensor<3x16x16x2xbf16>, %{{.*}}: tensor<4x3x16xf32>)
// WIDE: %[[T:.*]] = linalg.generic {indexing_maps = [#{{.*}}, #{{.*}}], {{.*}} ins(%[[X]] : tensor<2x4x16xf32>) outs(%{{.*}} : tensor<4x2x16xf32>) {
// WIDE-NEXT: ^bb0(%[[IN:.*]]: f32, %{{.*}}: f32):
// WIDE-NEXT: linalg.yield %[[IN]] : f32
// WIDE: %[[F:.*]] = tensor.collapse_shape %[[T]] {{.*}} : tensor<4x2x16xf32> into tensor<4x32xf32>
// WIDE: linalg.generic {{.*}} ins(%[[F]], %[[W]] : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// WIDE-NEXT: ^bb0(%[[L:.*]]: f32, %[[R:.*]]: bf16, %{{.*}}: f32):
// WIDE-NEXT: %[[RW:.*]] = arith.extf %[[R]] : bf16 to f32
// WIDE-NEXT: arith.mulf %[[L]], %[[RW]]
// WIDE: %[[N:.*]] = linalg.generic {{.*}} ins(%[[V]] : tensor<4x32xf32>) outs(%{{.*}} : tensor<4x32xf32>) {
// WIDE-NEXT: ^bb0(%[[IN:.*]]: f32, %{{.*}}: f32):
// WIDE-NEXT: %[[NEG:.*]] = arith.negf %[[IN]] : f32
// WIDE-NEXT: linalg.yield %[[NEG]] : f32
// WIDE: linalg.generic {{.*}} ins(%[[N]], %[[W]] : tensor<4x32xf32>, tensor<3x16x16x2xbf16>)
// WIDE-NOT: arith.truncf
// LOW: arith.truncf
// LOW: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>)
// LOW: arith.negf
// LOW-NEXT: arith.truncf
// LOW: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<4x32xbf16>, tensor<3x16x16x2xbf16>)
// CHECK: return
func.func @others(%x: tensor<2x4x16xf32>, %v: tensor<4x32xf32>, %w: tensor<3x16x16x2xbf16>, %f: tensor<4x3x16xf32>)
    -> (tensor<4x3x16xf32>, tensor<4x3x16xf32>) {
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
  return %0, %1 : tensor<4x3x16xf32>, tensor<4x3x16xf32>
}

// Rows that are padded, as those of patches are: all that makes them is widened,
// and what another reader wants stays as it was.
// CHECK-LABEL: func.func @patches(
// CHECK-SAME: %[[X:.*]]: tensor<4x3x3xf32>, %[[W:.*]]: tensor<3x8x16x2xbf16>
// WIDE-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// WIDE-DAG: %[[FROM:.*]] = linalg.fill ins(%[[ZERO]] : f32) outs(%{{.*}} : tensor<4x16xf32>) -> tensor<4x16xf32>
// WIDE-DAG: %[[PART:.*]] = tensor.extract_slice %[[FROM]][0, 0] [4, 9] [1, 1] : tensor<4x16xf32> to tensor<4x9xf32>
// WIDE-DAG: %[[T:.*]] = tensor.expand_shape %[[PART]] {{.*}} : tensor<4x9xf32> into tensor<4x3x3xf32>
// WIDE-DAG: %[[R:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4x3x3xf32>) outs(%[[T]] : tensor<4x3x3xf32>)
// WIDE-DAG: %[[C:.*]] = tensor.collapse_shape %[[R]] {{.*}} : tensor<4x3x3xf32> into tensor<4x9xf32>
// WIDE-DAG: %[[IN:.*]] = tensor.insert_slice %[[C]] into %{{.*}}[0, 0] [4, 9] [1, 1] : tensor<4x9xf32> into tensor<4x16xf32>
// WIDE-DAG: linalg.generic {{.*}} ins(%[[X]] : tensor<4x3x3xf32>) outs(%{{.*}} : tensor<4x3x3xbf16>)
// WIDE: linalg.generic {{.*}} ins(%[[IN]], %[[W]] : tensor<4x16xf32>, tensor<3x8x16x2xbf16>)
// LOW: linalg.generic {{.*}} ins(%{{.*}}, %[[W]] : tensor<4x16xbf16>, tensor<3x8x16x2xbf16>)
// CHECK: %[[Y:.*]] = tensor.expand_shape %{{.*}} : tensor<4x16xbf16> into tensor<4x1x16xbf16>
// CHECK: return %{{.*}}, %[[Y]]
func.func @patches(%x: tensor<4x3x3xf32>, %w: tensor<3x8x16x2xbf16>, %f: tensor<4x3x16xf32>) -> (tensor<4x3x16xf32>, tensor<4x1x16xbf16>) {
  %zero = arith.constant 0.0 : bf16
  %e = bufferization.alloc_tensor() : tensor<4x16xbf16>
  %all = linalg.fill ins(%zero : bf16) outs(%e : tensor<4x16xbf16>) -> tensor<4x16xbf16>
  %part = tensor.extract_slice %all[0, 0] [4, 9] [1, 1] : tensor<4x16xbf16> to tensor<4x9xbf16>
  %t = tensor.expand_shape %part [[0], [1, 2]] output_shape [4, 3, 3] : tensor<4x9xbf16> into tensor<4x3x3xbf16>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x3x3xf32>) outs(%t : tensor<4x3x3xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %q = arith.mulf %a, %a : f32
    %l = arith.truncf %q : f32 to bf16
    linalg.yield %l : bf16
  } -> tensor<4x3x3xbf16>
  %c = tensor.collapse_shape %r [[0], [1, 2]] : tensor<4x3x3xbf16> into tensor<4x9xbf16>
  %in = tensor.insert_slice %c into %all[0, 0] [4, 9] [1, 1] : tensor<4x9xbf16> into tensor<4x16xbf16>
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%in, %w : tensor<4x16xbf16>, tensor<3x8x16x2xbf16>) outs(%f : tensor<4x3x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %aw = arith.extf %a : bf16 to f32
    %bw = arith.extf %b : bf16 to f32
    %p = arith.mulf %aw, %bw : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<4x3x16xf32>
  %again = tensor.expand_shape %in [[0], [1, 2]] output_shape [4, 1, 16] : tensor<4x16xbf16> into tensor<4x1x16xbf16>
  return %0, %again : tensor<4x3x16xf32>, tensor<4x1x16xbf16>
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
