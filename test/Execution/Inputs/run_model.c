/* Runs a model through its C interface. Usage: run_model INPUT OUTPUT, files of
   raw floats. Compiled with -DHEADER="model.h" -DMODEL=model. Checks what the
   interface promises about memory; exits with the number of the broken promise.
 */
#define _POSIX_C_SOURCE 200112L
#include HEADER
#include HEADER
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

enum {
  INPUTS = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH),
  CLASSES = NAME(_CLASSES),
  GUARD = 64
};

static float input[INPUTS], unchanged[INPUTS];
static float logits[CLASSES + 1], again[CLASSES];

int main(int argc, char **argv) {
  size_t i, size = NAME(_workspace_size)();
  void *block = NULL;
  unsigned char *workspace;
  FILE *file;
  const float guard = 12345.0f;
  if (argc != 3)
    return 2;
  file = fopen(argv[1], "rb");
  if (!file || fread(input, sizeof(float), INPUTS, file) != (size_t)INPUTS)
    return 2;
  fclose(file);
  memcpy(unchanged, input, sizeof(input));

  if (posix_memalign(&block, 64, size + 2 * GUARD) != 0)
    return 2;
  /* NaNs where a model might expect zeros. */
  memset(block, 0xFF, size + 2 * GUARD);
  workspace = (unsigned char *)block + GUARD;
  logits[CLASSES] = guard;

  if (NAME(_run)(input, logits, NULL) == 0)
    return 3; /* a NULL workspace is an error */
  if (NAME(_run)(input, logits, workspace) != 0)
    return 4;
  for (i = 0; i < GUARD; ++i)
    if (workspace[i - GUARD] != 0xFF || workspace[size + i] != 0xFF)
      return 5; /* wrote outside the workspace */
  if (logits[CLASSES] != guard)
    return 6; /* wrote behind the logits */
  if (memcmp(input, unchanged, sizeof(input)) != 0)
    return 7; /* wrote to the input */
  /* The workspace's contents do not matter. */
  if (NAME(_run)(input, again, workspace) != 0 ||
      memcmp(again, logits, sizeof(again)) != 0)
    return 8;

  file = fopen(argv[2], "wb");
  if (!file || fwrite(logits, sizeof(float), CLASSES, file) != (size_t)CLASSES)
    return 2;
  fclose(file);
  free(block);
  return 0;
}
