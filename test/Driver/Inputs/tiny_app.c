#include "libtiny.h"

static float input[tiny_CHANNELS * tiny_HEIGHT * tiny_WIDTH];
static float logits[tiny_CLASSES];
static _Alignas(64) char workspace[1 << 20];

int main(void) {
  if (tiny_workspace_size() > sizeof(workspace))
    return 3;
  return tiny_run(input, logits, workspace);
}
