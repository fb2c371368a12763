/* Two models in one program. Usage: run_two_models INPUT OUTPUT INPUT OUTPUT,
   files of raw floats. Compiled with -DHEADER_A=... -DMODEL_A=... and the same
   for B. */
#define _POSIX_C_SOURCE 200112L
#include HEADER_A
#include HEADER_B
#include <stdio.h>
#include <stdlib.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define A(suffix) JOIN(MODEL_A, suffix)
#define B(suffix) JOIN(MODEL_B, suffix)

typedef int (*run_function)(const float *, float *, void *);

static int run_file(const char *source, const char *target, size_t inputs,
                    size_t classes, size_t workspace_size, run_function run) {
  float *input = malloc(inputs * sizeof(float));
  float *logits = malloc(classes * sizeof(float));
  void *workspace = NULL;
  FILE *from = fopen(source, "rb"), *to = fopen(target, "wb");
  int failed = posix_memalign(&workspace, 64, workspace_size) != 0 || !input ||
               !logits || !from || !to ||
               fread(input, sizeof(float), inputs, from) != inputs ||
               run(input, logits, workspace) != 0 ||
               fwrite(logits, sizeof(float), classes, to) != classes ||
               fclose(to) != 0;
  if (from)
    fclose(from);
  free(workspace);
  free(logits);
  free(input);
  return failed;
}

int main(int argc, char **argv) {
  if (argc != 5)
    return 2;
  return run_file(argv[1], argv[2],
                  (size_t)A(_CHANNELS) * A(_HEIGHT) * A(_WIDTH), A(_CLASSES),
                  A(_workspace_size)(), A(_run)) ||
         run_file(argv[3], argv[4],
                  (size_t)B(_CHANNELS) * B(_HEIGHT) * B(_WIDTH), B(_CLASSES),
                  B(_workspace_size)(), B(_run));
}
