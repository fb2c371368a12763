//===- npy.h - Reading an image from a .npy file ------------------*- C -*-===//
//
// What the two programs that are counted have in common.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_BENCH_ARM_NPY_H
#define MOE_BENCH_ARM_NPY_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 4 };

struct Tensor {
  float *Data;
  size_t Count;
  int64_t Shape[MAX_RANK];
  int Rank;
};

static void fail(const char *What, const char *Why) {
  fprintf(stderr, "%s: %s\n", What, Why);
  exit(1);
}

/// A little-endian float32 array in C's order, in version 1 of the format.
static struct Tensor readNpy(const char *Path) {
  FILE *File = fopen(Path, "rb");
  if (!File)
    fail(Path, strerror(errno));
  unsigned char Start[10];
  if (fread(Start, 1, sizeof(Start), File) != sizeof(Start) ||
      memcmp(Start, "\x93NUMPY\x01", 7) != 0)
    fail(Path, "not a .npy file of version 1");
  size_t Length = Start[8] | (size_t)Start[9] << 8;
  char *Header = calloc(Length + 1, 1);
  if (!Header || fread(Header, 1, Length, File) != Length)
    fail(Path, "no header");
  const char *Shape = strstr(Header, "'shape': (");
  if (!Shape || !strstr(Header, "'descr': '<f4'") ||
      !strstr(Header, "'fortran_order': False"))
    fail(Path, "not a float32 array in C's order");
  struct Tensor Result = {.Count = 1};
  Shape += strlen("'shape': (");
  while (*Shape >= '0' && *Shape <= '9') {
    char *End;
    int64_t Size = strtoll(Shape, &End, 10);
    if (Result.Rank == MAX_RANK)
      fail(Path, "too many dimensions");
    Result.Shape[Result.Rank++] = Size;
    Result.Count *= (size_t)Size;
    Shape = End + strspn(End, ", ");
  }
  free(Header);
  Result.Data = malloc(Result.Count * sizeof(float));
  if (!Result.Data ||
      fread(Result.Data, sizeof(float), Result.Count, File) != Result.Count)
    fail(Path, "shorter than its shape");
  fclose(File);
  return Result;
}

static int parseRuns(const char *Text) {
  int Runs = atoi(Text);
  if (Runs < 1)
    fail(Text, "not a number of runs");
  return Runs;
}

static void printLogits(const float *Logits, size_t Count) {
  for (size_t I = 0; I < Count; ++I)
    printf("%.9g\n", (double)Logits[I]);
  if (fflush(stdout))
    fail("standard output", strerror(errno));
}

#endif // MOE_BENCH_ARM_NPY_H
