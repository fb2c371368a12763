//===- model.c - Runs a compiled model ----------------------------*- C -*-===//
//
//   model IMAGE.npy RUNS
//
// The object of a model and a loop over its run function: prints the logits of
// the last run. Compiled with -DNAME=<the model's name>.
//
//===----------------------------------------------------------------------===//

#include "npy.h"

#include "model.h"

#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)

enum {
  INPUT_COUNT = JOIN(NAME, _CHANNELS) * JOIN(NAME, _HEIGHT) * JOIN(NAME, _WIDTH)
};

int main(int Argc, char **Argv) {
  if (Argc != 3)
    fail("usage", "model IMAGE.npy RUNS");
  struct Tensor Image = readNpy(Argv[1]);
  if (Image.Count != INPUT_COUNT)
    fail(Argv[1], "not an image of the model's size");
  // Of whole multiples of the alignment, as aligned_alloc wants it.
  size_t Size = (JOIN(NAME, _workspace_size)() + 63) / 64 * 64;
  void *Workspace = aligned_alloc(64, Size);
  if (!Workspace)
    fail("workspace", "out of memory");
  static float Logits[JOIN(NAME, _CLASSES)];
  for (int I = parseRuns(Argv[2]); I > 0; --I)
    if (JOIN(NAME, _run)(Image.Data, Logits, Workspace))
      fail("model", "the run failed");
  printLogits(Logits, JOIN(NAME, _CLASSES));
}
