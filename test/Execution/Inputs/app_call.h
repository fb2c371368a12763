/* How run_image.c calls the program in a Mach-O image, app.c. */
#include <stddef.h>

struct Call {
  const float *input;
  float *logits;
  void *workspace; /* null: only say how large things are */
  size_t workspaceSize, inputs, classes;
  unsigned features; /* that the CPU is said to have: DotProd, BF16, I8MM */
  int status;
};

typedef void (*Entry)(struct Call *);
