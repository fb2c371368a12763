/* Calls a function that moe-opt lowered. Usage: call_function INPUT RESULT
   BYTES WORKSPACE: files of raw bytes, the number of the result's bytes and of
   the workspace's. Compiled with -DFUNCTION=name; exits with what it returns.
 */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int FUNCTION(const void *input, void *result, void *workspace);

/* Bytes from a multiple of 64 on: NaNs, wherever they are read first. */
static void *allocate(size_t size) {
  void *memory;
  if (posix_memalign(&memory, 64, size + 1) != 0)
    exit(2);
  return memset(memory, 0xFF, size);
}

int main(int argc, char **argv) {
  FILE *file;
  long bytes;
  size_t size;
  void *input, *result, *workspace;
  int status;
  if (argc != 5)
    return 2;
  file = fopen(argv[1], "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0)
    return 2;
  rewind(file);
  input = allocate((size_t)bytes);
  if (fread(input, 1, (size_t)bytes, file) != (size_t)bytes)
    return 2;
  fclose(file);

  size = strtoul(argv[3], NULL, 10);
  result = allocate(size);
  workspace = allocate(strtoul(argv[4], NULL, 10));
  status = FUNCTION(input, result, workspace);

  file = fopen(argv[2], "wb");
  if (!file || fwrite(result, 1, size, file) != size || fclose(file) != 0)
    return 2;
  free(workspace);
  free(result);
  free(input);
  return status;
}
