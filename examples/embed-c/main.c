/* Classifies grey images of clothes: classify IMAGE.pgm... The model is linked
   in; nothing is read but the images. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fashion.h"

/* The functions and sizes have the model's name, from its specification. */
enum {
  WIDTH = fashion_mobile_vmoe_WIDTH,
  HEIGHT = fashion_mobile_vmoe_HEIGHT,
  CLASSES = fashion_mobile_vmoe_CLASSES
};

static const char *const labels[CLASSES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

/* As in training: the specification's `preprocess`, for values from 0 to 1. */
static const float mean = 0.286f, deviation = 0.353f;

/* Reads a binary PGM of the model's size, normalised; what is wrong, or NULL.
 */
static const char *read_image(const char *path, float *input) {
  unsigned char pixels[HEIGHT * WIDTH];
  const char *problem = NULL;
  int width, height, most, i;
  FILE *file = fopen(path, "rb");
  if (!file)
    return "cannot open";
  if (fscanf(file, "P5 %d %d %d", &width, &height, &most) != 3 ||
      fgetc(file) == EOF)
    problem = "expected a binary PGM without comments";
  else if (width != WIDTH || height != HEIGHT || most != 255)
    problem = "expected 28 x 28 pixels of 8 bits";
  else if (fread(pixels, 1, sizeof pixels, file) != sizeof pixels)
    problem = "the file ends too early";
  fclose(file);
  for (i = 0; !problem && i < HEIGHT * WIDTH; ++i)
    input[i] = ((float)pixels[i] / 255.0f - mean) / deviation;
  return problem;
}

/* Memory of `size` bytes, aligned to 64; `allocated` is what to free. */
static void *allocate_aligned(size_t size, void **allocated) {
  *allocated = malloc(size + 63);
  return *allocated ? (void *)(((uintptr_t)*allocated + 63) / 64 * 64) : NULL;
}

int main(int argc, char **argv) {
  float input[HEIGHT * WIDTH], logits[CLASSES];
  void *allocated;
  /* Once for all images; another thread would need one of its own. */
  void *workspace =
      allocate_aligned(fashion_mobile_vmoe_workspace_size(), &allocated);
  int failed = 0, i, j;
  if (argc < 2) {
    fprintf(stderr, "usage: %s IMAGE.pgm...\n", argv[0]);
    free(allocated);
    return 2;
  }
  for (i = 1; i < argc; ++i) {
    const char *problem = read_image(argv[i], input);
    if (!problem) {
      switch (fashion_mobile_vmoe_run(input, logits, workspace)) {
      case 0:
        break;
      case 1:
        problem = "out of memory";
        break;
      default:
        problem = "this CPU cannot run the model";
      }
    }
    if (problem) {
      fprintf(stderr, "%s: %s\n", argv[i], problem);
      failed = 1;
      continue;
    }
    int best = 0;
    for (j = 1; j < CLASSES; ++j)
      if (logits[j] > logits[best])
        best = j;
    printf("%s: %s (%.6f)\n", argv[i], labels[best], logits[best]);
  }
  free(allocated);
  return failed;
}
