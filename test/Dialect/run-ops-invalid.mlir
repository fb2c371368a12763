// RUN: moe-opt %s --split-input-file --verify-diagnostics

module attributes {moe.parts = [{name = "embed"}]} {
func.func @beyond() {
  // expected-error@+1 {{expected the number of one of 1 parts or -1, found 1}}
  moe.mark 1
  return
}
}

// -----

func.func @negative() {
  // expected-error@+1 {{expected the number of one of 0 parts or -1, found -2}}
  moe.mark -2
  return
}
