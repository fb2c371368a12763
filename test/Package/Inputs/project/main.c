/* Prints the logits of an input that is always the same, to the bit. */
#include <stdint.h>
#include <stdio.h>

#include HEADER

int main(void) {
  static float input[tiny_CHANNELS * tiny_HEIGHT * tiny_WIDTH];
  static unsigned char memory[1 << 20];
  float logits[tiny_CLASSES];
  void *workspace = (void *)(((uintptr_t)memory + 63) / 64 * 64);
  int i;
  for (i = 0; i < tiny_CHANNELS * tiny_HEIGHT * tiny_WIDTH; ++i)
    input[i] = (float)(i % 7) / 3.0f - 1.0f;
  if (tiny_workspace_size() > sizeof memory - 64 ||
      tiny_run(input, logits, workspace) != 0)
    return 1;
  for (i = 0; i < tiny_CLASSES; ++i)
    printf("%a\n", (double)logits[i]);
  return 0;
}
