// Values are rounded where they are made, if nobody wants them as they were.
// RUN: moe-opt %s --moe-fuse-rounding | FileCheck %s

#id = affine_map<(m, p, c) -> (m, p, c)>
#lanes = affine_map<(m, p, c) -> (p, c)>
#row = affine_map<(m, p, c) -> (m)>

// CHECK-LABEL: func.func @fused(
// CHECK-SAME: %[[X:.*]]: tensor<4x2x16xf32>, %[[B:.*]]: tensor<2x16xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[X]], %[[B]] : tensor<4x2x16xf32>, tensor<2x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>) {
// CHECK-NEXT: ^bb0(%[[L:.*]]: f32, %[[R:.*]]: f32, %{{.*}}: bf16):
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[L]], %[[R]] : f32
// CHECK-NEXT: %[[E:.*]] = math.exp %[[S]] : f32
// CHECK-NEXT: %[[T:.*]] = arith.truncf %[[E]] : f32 to bf16
// CHECK-NEXT: linalg.yield %[[T]] : bf16
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @fused(%x: tensor<4x2x16xf32>, %b: tensor<2x16xf32>) -> tensor<4x2x16xbf16> {
  %e = bufferization.alloc_tensor() : tensor<4x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#id, #lanes, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x, %b : tensor<4x2x16xf32>, tensor<2x16xf32>) outs(%e : tensor<4x2x16xf32>) {
  ^bb0(%a: f32, %c: f32, %o: f32):
    %s = arith.addf %a, %c : f32
    %t = math.exp %s : f32
    linalg.yield %t : f32
  } -> tensor<4x2x16xf32>
  %low = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<4x2x16xf32>) outs(%low : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  return %1 : tensor<4x2x16xbf16>
}

// Rows that are known at run time only.
// CHECK-LABEL: func.func @rows(
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<?x2x16xbf16>)
// CHECK: arith.mulf
// CHECK-NEXT: arith.truncf
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @rows(%x: tensor<?x2x16xf32>, %e: tensor<?x2x16xf32>, %low: tensor<?x2x16xbf16>) -> tensor<?x2x16xbf16> {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<?x2x16xf32>) outs(%e : tensor<?x2x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<?x2x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<?x2x16xf32>) outs(%low : tensor<?x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x2x16xbf16>
  return %1 : tensor<?x2x16xbf16>
}

// A second reader wants f32.
// CHECK-LABEL: func.func @two_readers(
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x2x16xf32>)
// CHECK: arith.mulf
// CHECK-NOT: arith.truncf
// CHECK: linalg.generic {{.*}} ins(%[[Y]] : tensor<4x2x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>)
// CHECK: arith.truncf
// CHECK: return %[[Y]],
func.func @two_readers(%x: tensor<4x2x16xf32>) -> (tensor<4x2x16xf32>, tensor<4x2x16xbf16>) {
  %e = bufferization.alloc_tensor() : tensor<4x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%e : tensor<4x2x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<4x2x16xf32>
  %low = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<4x2x16xf32>) outs(%low : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  return %0, %1 : tensor<4x2x16xf32>, tensor<4x2x16xbf16>
}

// A sum is not complete until its last step, and what comes from elsewhere is made
// by no generic.
// CHECK-LABEL: func.func @others(
// CHECK: linalg.generic {{.*}} "reduction", "reduction"]} {{.*}} outs(%{{.*}} : tensor<4xf32>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<4xf32>) outs(%{{.*}} : tensor<4xbf16>)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<4x2x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>)
// CHECK: return
func.func @others(%x: tensor<4x2x16xf32>, %f: tensor<4xf32>) -> (tensor<4xbf16>, tensor<4x2x16xbf16>) {
  %0 = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x : tensor<4x2x16xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %o, %a : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  %low = bufferization.alloc_tensor() : tensor<4xbf16>
  %1 = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%0 : tensor<4xf32>) outs(%low : tensor<4xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4xbf16>
  %low2 = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%low2 : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  return %1, %2 : tensor<4xbf16>, tensor<4x2x16xbf16>
}

// Nor what is added to what was there before: rounding writes elsewhere. Nor is
// anything fused into what reads the place that it rounds to.
// CHECK-LABEL: func.func @reads_its_own(
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x2x16xf32>)
// CHECK: arith.addf
// CHECK-NOT: arith.truncf
// CHECK: linalg.generic {{.*}} ins(%[[Y]] : tensor<4x2x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>)
// CHECK: arith.truncf
// CHECK: %[[Z:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x2x16xf32>)
// CHECK: arith.mulf
// CHECK-NOT: arith.truncf
// CHECK: linalg.generic {{.*}} ins(%[[Z]] : tensor<4x2x16xf32>) outs(%{{.*}} : tensor<4x2x16xbf16>)
// CHECK: arith.extf
// CHECK: arith.addf
// CHECK-NEXT: arith.truncf
// CHECK: return
func.func @reads_its_own(%x: tensor<4x2x16xf32>, %e: tensor<4x2x16xf32>, %was: tensor<4x2x16xbf16>) -> (tensor<4x2x16xbf16>, tensor<4x2x16xbf16>) {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%e : tensor<4x2x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<4x2x16xf32>
  %low = bufferization.alloc_tensor() : tensor<4x2x16xbf16>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<4x2x16xf32>) outs(%low : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  %f = bufferization.alloc_tensor() : tensor<4x2x16xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x2x16xf32>) outs(%f : tensor<4x2x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<4x2x16xf32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%2 : tensor<4x2x16xf32>) outs(%was : tensor<4x2x16xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %w = arith.extf %o : bf16 to f32
    %s = arith.addf %a, %w : f32
    %t = arith.truncf %s : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<4x2x16xbf16>
  return %1, %3 : tensor<4x2x16xbf16>, tensor<4x2x16xbf16>
}
