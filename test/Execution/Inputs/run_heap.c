/* Runs a model with buffers of exactly the sizes that its header says, from
   malloc, for sanitizers to see what lies outside and what was never written.
   Usage: run_heap INPUTS
   [short-input|short-logits|short-workspace|unwritten-input]: a file of raw
   floats for several images, and a mistake for the sanitizer to find. Compiled
   with -DHEADER="model.h" -DMODEL=model. */
#define _POSIX_C_SOURCE 200112L
#include HEADER
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

enum {
  INPUTS = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH),
  CLASSES = NAME(_CLASSES)
};

int main(int argc, char **argv) {
  const char *mistake = argc > 2 ? argv[2] : "";
  size_t inputs = INPUTS - (strcmp(mistake, "short-input") == 0);
  size_t classes = CLASSES - (strcmp(mistake, "short-logits") == 0);
  size_t size = NAME(_workspace_size)();
  float image[INPUTS], *input, *logits;
  void *workspace = NULL;
  FILE *file;
  int count = 0, i;
  if (argc < 2 || !(file = fopen(argv[1], "rb")))
    return 2;
  if (strcmp(mistake, "short-workspace") == 0)
    size /= 2;
  while (fread(image, sizeof(float), INPUTS, file) == (size_t)INPUTS) {
    input = (float *)malloc(inputs * sizeof(float));
    logits = (float *)malloc(classes * sizeof(float));
    if (!input || !logits || posix_memalign(&workspace, 64, size) != 0)
      return 2;
    if (strcmp(mistake, "unwritten-input") == 0)
      inputs /= 2;
    memcpy(input, image, inputs * sizeof(float));
    if (NAME(_run)(input, logits, workspace) != 0)
      return 1;
    /* A jump that depends on each of them. */
    for (i = 0; i < CLASSES; ++i)
      if (logits[i] != logits[i])
        return 1;
    free(workspace);
    free(logits);
    free(input);
    ++count;
  }
  fclose(file);
  return count > 0 ? 0 : 2;
}
