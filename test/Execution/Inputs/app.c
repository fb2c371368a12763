/* Stands for an app and for Apple's system below it, without a library.
   Compiled with -DHEADER="model.h" -DMODEL=model. */
#include HEADER
#include "app_call.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

static unsigned features;

static int isSame(const char *a, const char *b) {
  while (*a && *a == *b)
    ++a, ++b;
  return *a == *b;
}

int sysctlbyname(const char *name, void *old, size_t *oldSize, void *new,
                 size_t newSize) {
  static const char *const known[] = {"hw.optional.arm.FEAT_DotProd",
                                      "hw.optional.arm.FEAT_BF16",
                                      "hw.optional.arm.FEAT_I8MM"};
  unsigned i;
  if (*oldSize != sizeof(int) || new || newSize)
    return -1;
  for (i = 0; i < 3; ++i)
    if (isSame(name, known[i])) {
      *(int *)old = features >> i & 1;
      return 0;
    }
  return -1;
}

void *memset(void *to, int value, size_t size) {
  volatile char *bytes = to;
  while (size)
    bytes[--size] = (char)value;
  return to;
}

void bzero(void *to, size_t size) { memset(to, 0, size); }

void *memcpy(void *to, const void *from, size_t size) {
  volatile char *bytes = to;
  while (size--)
    bytes[size] = ((const char *)from)[size];
  return to;
}

void entry(struct Call *call) {
  features = call->features;
  call->workspaceSize = NAME(_workspace_size)();
  call->inputs = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH);
  call->classes = NAME(_CLASSES);
  if (call->workspace)
    call->status = NAME(_run)(call->input, call->logits, call->workspace);
}
