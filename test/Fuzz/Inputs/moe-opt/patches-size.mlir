// PASSES: convert-moe-to-linalg
func.func @run(%x: tensor<1x9223372036854775807x9223372036854775807xf32>) -> tensor<1x1xf32> {
  %p = moe.patches %x size 9223372036854775807, 9223372036854775807 : tensor<1x9223372036854775807x9223372036854775807xf32> -> tensor<1x16xf32>
  %0 = moe.linear %p weight(%p) groups(1, 16) : tensor<1x16xf32>, tensor<1x16xf32> -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}
