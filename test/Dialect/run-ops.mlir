// RUN: moe-opt %s | moe-opt | FileCheck %s

module attributes {moe.parts = [{name = "embed"}, {name = "experts"}]} {
// CHECK-LABEL: func.func @run(
func.func @run(%e: index) {
  // CHECK: moe.mark 0
  moe.mark 0
  // CHECK-NEXT: moe.pause
  moe.pause
  // CHECK-NEXT: moe.mark 1 expert %{{.*}}
  moe.mark 1 expert %e
  // CHECK-NEXT: moe.mark -1
  moe.mark -1
  return
}
}
