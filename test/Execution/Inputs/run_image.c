/* Runs the program in a linked Mach-O image for arm64 on Linux: places its
   segments where they were linked to, and calls its entry.

   run_image IMAGE INPUT OUTPUT FEATURES, see app_call.h */
#define _GNU_SOURCE
#include "app_call.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* As in Apple's mach-o/loader.h. */
enum {
  MAGIC = 0xFEEDFACF,
  LC_LOAD_DYLIB = 0xC,
  LC_SEGMENT = 0x19,
  LC_MAIN = 0x80000028,
  LC_CHAINED_FIXUPS = 0x80000034
};

struct Header {
  uint32_t magic, cpu, subtype, type, count, size, flags, reserved;
};

struct Command {
  uint32_t kind, size;
};

struct Segment {
  struct Command command;
  char name[16];
  uint64_t address, memory, offset, size;
  int32_t most, initial;
};

struct Main {
  struct Command command;
  uint64_t entry, stack;
};

static void fail(const char *what) {
  fprintf(stderr, "run_image: %s\n", what);
  exit(1);
}

static void *readAll(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  void *data;
  if (!file || fseek(file, 0, SEEK_END))
    fail(path);
  *size = (size_t)ftell(file);
  rewind(file);
  data = malloc(*size);
  if (!data || fread(data, 1, *size, file) != *size)
    fail(path);
  fclose(file);
  return data;
}

static void place(const struct Segment *segment, const char *image) {
  char *at = (char *)segment->address;
  if (!segment->most) /* the empty pages at 0 */
    return;
  if (mmap(at, segment->memory, PROT_READ | PROT_WRITE | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
    fail("no place for a segment");
  memcpy(at, image + segment->offset, segment->size);
  __builtin___clear_cache(at, at + segment->memory);
}

static Entry load(const char *image) {
  struct Header header;
  const char *at = image + sizeof(header), *text = NULL;
  uint64_t entry = 0;
  memcpy(&header, image, sizeof(header));
  if (header.magic != MAGIC)
    fail("not Mach-O");
  for (; header.count--; at += ((const struct Command *)at)->size) {
    const struct Segment *segment = (const struct Segment *)at;
    switch (segment->command.kind) {
    case LC_SEGMENT:
      place(segment, image);
      if (!strcmp(segment->name, "__TEXT"))
        text = (const char *)segment->address;
      break;
    case LC_MAIN:
      entry = ((const struct Main *)at)->entry;
      break;
    case LC_LOAD_DYLIB:
    case LC_CHAINED_FIXUPS:
      fail("the image needs Apple's loader");
    }
  }
  if (!text || !entry)
    fail("no entry");
  return (Entry)(text + entry);
}

int main(int argc, char **argv) {
  size_t size;
  struct Call call = {0};
  FILE *output;
  Entry entry;
  if (argc != 5)
    fail("expected IMAGE INPUT OUTPUT FEATURES");
  entry = load(readAll(argv[1], &size));
  call.features = (unsigned)atoi(argv[4]);
  entry(&call);
  call.input = readAll(argv[2], &size);
  if (size != call.inputs * sizeof(float))
    fail("an input of another size");
  call.logits = calloc(call.classes, sizeof(float));
  call.workspace = aligned_alloc(64, (call.workspaceSize + 63) / 64 * 64);
  entry(&call);
  if (call.status)
    fail("the model's run function failed");
  output = fopen(argv[3], "wb");
  if (!output ||
      fwrite(call.logits, sizeof(float), call.classes, output) != call.classes)
    fail(argv[3]);
  fclose(output);
  return 0;
}
