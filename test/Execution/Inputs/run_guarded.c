/* Runs a model with its buffers between pages that cannot be touched: the code
   that moe-compile writes has no sanitizer in it, but this it cannot pass.
   Usage: run_guarded INPUTS OUTPUT, files of raw floats for several images.
   Compiled with -DHEADER="model.h" -DMODEL=model. Exits with 77 if this CPU
   cannot run the model, else with the number of the broken promise. With
   `overrun` as a third argument, the workspace ends too early. */
#define _GNU_SOURCE
#include HEADER
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

enum {
  INPUTS = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH),
  CLASSES = NAME(_CLASSES),
  ALIGNMENT = 64,
  CANNOT_RUN = 77
};

/* `size` bytes that begin or end a row of pages, with a forbidden page before
   and behind. */
typedef struct {
  unsigned char *pages, *data;
  size_t length, size;
} Buffer;

static int allocate(Buffer *buffer, size_t size, size_t alignment, int atEnd) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *memory;
  buffer->size = size;
  buffer->length = (size + page - 1) / page * page;
  memory = (unsigned char *)mmap(NULL, buffer->length + 2 * page, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED ||
      mprotect(memory + page, buffer->length, PROT_READ | PROT_WRITE) != 0)
    return 0;
  buffer->pages = memory + page;
  buffer->data = buffer->pages;
  if (atEnd)
    buffer->data += (buffer->length - size) / alignment * alignment;
  return 1;
}

static void release(const Buffer *buffer) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  munmap(buffer->pages - page, buffer->length + 2 * page);
}

/* Sets every byte of the buffer's pages. */
static void fill(const Buffer *buffer, int value) {
  memset(buffer->pages, value, buffer->length);
}

/* Whether the bytes of the pages that are not the buffer's are still `value`.
 */
static int isUntouched(const Buffer *buffer, int value) {
  size_t i, begin = (size_t)(buffer->data - buffer->pages);
  for (i = 0; i < buffer->length; ++i)
    if ((i < begin || i >= begin + buffer->size) && buffer->pages[i] != value)
      return 0;
  return 1;
}

/* What threads would do, one after the other, the last part first. */
static void runParts(void *context, size_t parts,
                     void (*task)(void *arguments, size_t part),
                     void *arguments) {
  (void)context;
  while (parts-- > 0)
    task(arguments, parts);
}

/* Runs `image` in buffers that begin or end their pages, which were full of
   `value` before; with several `threads`, as if they shared the work. Returns 0
   or a broken promise. */
static int runOnce(const float *image, float *result, int atEnd, int value,
                   size_t threads, size_t missing) {
  NAME(_options) options;
  Buffer input, logits, workspace;
  int status, broken = 0;
  if (!allocate(&input, INPUTS * sizeof(float), sizeof(float), atEnd) ||
      !allocate(&logits, CLASSES * sizeof(float), sizeof(float), atEnd) ||
      !allocate(&workspace, NAME(_workspace_size)() - missing, ALIGNMENT,
                atEnd))
    return 2;
  fill(&input, value);
  fill(&logits, value);
  fill(&workspace, value);
  memcpy(input.data, image, input.size);
  if (mprotect(input.pages, input.length, PROT_READ) != 0)
    return 2;
  memset(&options, 0, sizeof(options));
  options.parallel_for = runParts;
  options.threads = threads;
  status = threads == 1
               ? NAME(_run)((const float *)(void *)input.data,
                            (float *)(void *)logits.data, workspace.data)
               : NAME(_run_with)((const float *)(void *)input.data,
                                 (float *)(void *)logits.data, workspace.data,
                                 &options);
  if (status == 2)
    return CANNOT_RUN;
  if (status != 0)
    broken = 3;
  else if (!isUntouched(&logits, value))
    broken = 4; /* wrote beside the logits */
  else if (!isUntouched(&workspace, value))
    broken = 5; /* wrote beside the workspace */
  memcpy(result, logits.data, logits.size);
  release(&input);
  release(&logits);
  release(&workspace);
  return broken;
}

int main(int argc, char **argv) {
  static float image[INPUTS], first[CLASSES], again[CLASSES];
  size_t missing = argc > 3 ? NAME(_workspace_size)() / 2 : 0;
  FILE *from, *to;
  int run, broken;
  if (argc < 3 || !(from = fopen(argv[1], "rb")) ||
      !(to = fopen(argv[2], "wb")))
    return 2;
  while (fread(image, sizeof(float), INPUTS, from) == (size_t)INPUTS) {
    /* At both ends; before, memory is full of NaNs, zeros, or large numbers. */
    for (run = 0; run < 6; ++run) {
      static const int values[] = {0xFF, 0, 0x7E};
      broken = runOnce(image, run == 0 ? first : again, run % 2,
                       values[run / 2], run + 1, missing);
      if (broken != 0)
        return broken;
      if (run > 0 && memcmp(first, again, sizeof(first)) != 0)
        return 6; /* depends on where the buffers are, or what was in them */
    }
    if (fwrite(first, sizeof(float), CLASSES, to) != (size_t)CLASSES)
      return 2;
  }
  fclose(from);
  return fclose(to) == 0 ? 0 : 2;
}
