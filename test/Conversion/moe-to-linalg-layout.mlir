// RUN: moe-opt %s --convert-moe-to-linalg | FileCheck %s
// RUN: moe-opt %s --moe-to-linalg | FileCheck %s --check-prefix=PLACED

// The weight is packed and the bias put in lanes by recipes.
// CHECK: moe.param @w.packed : tensor<1x32x16xf32> = {
// CHECK:   moe.pack_panels {{.*}} groups(10, 20) : tensor<10x20xf32> -> tensor<1x32x16xf32>
moe.param @w : tensor<10x20xf32>
// CHECK: moe.param @b.lanes : tensor<1x16xf32> = {
// CHECK:   moe.pad_channels {{.*}} group 10
moe.param @b : tensor<10xf32>
moe.param @pw : tensor<20x1x2x2xf32>
moe.param @pb : tensor<20xf32>

// PLACED-DAG: moe.param @w.packed : {{.*}} in "shared" at {{[0-9]+}}
// PLACED-DAG: moe.param @b.lanes : {{.*}} in "shared" at {{[0-9]+}}

// CHECK-LABEL: func.func @run(
// CHECK-SAME: %[[IMAGE:.*]]: memref<1x2x2xf32>, %[[LOGITS:.*]]: memref<10xf32>) -> i32
func.func @run(%image: tensor<1x2x2xf32>) -> tensor<1x10xf32> {
  %0 = moe.get @pw : tensor<20x1x2x2xf32>
  %1 = moe.get @pb : tensor<20xf32>
  // 20 channels in two panels, straight from the image.
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]
  // CHECK-SAME: ins({{.*}} : tensor<1x2x2xf32>, tensor<2x1x2x2x16xf32>) outs({{.*}} : tensor<1x1x2x16xf32>)
  %x = moe.patch_embed %image, %0, %1 : tensor<1x2x2xf32>, tensor<20x1x2x2xf32>, tensor<20xf32> -> tensor<1x20xf32>
  // The lanes beyond 20 do not count in the variance.
  // CHECK: arith.constant dense<{{.*}}> : tensor<2x16xf32>
  // CHECK: math.rsqrt
  %h = moe.layer_norm %x eps 1.0e-6 : tensor<1x20xf32>
  %2 = moe.get @w : tensor<10x20xf32>
  %3 = moe.get @b : tensor<10xf32>
  // CHECK: moe.weights @w.packed : memref<1x32x16xf32>
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "parallel", "reduction"]
  // CHECK-SAME: ins({{.*}} : tensor<1x32xf32>, tensor<1x32x16xf32>)
  %l = moe.head %h weight(%2, %3) : tensor<1x20xf32>, tensor<10x20xf32>, tensor<10xf32> -> tensor<1x10xf32>
  // CHECK: bufferization.materialize_in_destination {{.*}} in {{.*}}writable %[[LOGITS]]
  // CHECK: %[[OK:.*]] = arith.constant 0 : i32
  // CHECK: return %[[OK]]
  return %l : tensor<1x10xf32>
}
