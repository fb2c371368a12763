/* Runs a model whose experts are files. Usage: run_experts INPUTS OUTPUT
   FOLDER, files of raw floats for several images; the logits of one whose run
   fails stay -1. Compiled with -DHEADER="model.h" -DMODEL=model. Prints a line
   an image: the run's status, then the names of the files that it asked for.
   Exits with the number of the broken promise. */
#define _POSIX_C_SOURCE 200112L
#include HEADER
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

enum {
  INPUTS = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH),
  CLASSES = NAME(_CLASSES),
  EXPERTS = NAME(_EXPERTS)
};

typedef struct {
  const char *folder;
  const void *mapped[EXPERTS];
  int asked[EXPERTS], isBeyond;
} Experts;

/* As in docs/link-into-app.md. */
static const void *mapExpert(void *context, size_t index) {
  Experts *experts = (Experts *)context;
  char path[4096];
  struct stat status;
  int file;
  if (index >= EXPERTS) {
    experts->isBeyond = 1;
    return NULL;
  }
  experts->asked[index] = 1;
  if (experts->mapped[index])
    return experts->mapped[index];
  snprintf(path, sizeof path, "%s/%s", experts->folder,
           NAME(_expert_file)(index));
  file = open(path, O_RDONLY);
  if (file < 0)
    return NULL;
  if (fstat(file, &status) == 0 && status.st_size > 0) {
    void *data =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data != MAP_FAILED)
      experts->mapped[index] = data;
  }
  close(file);
  return experts->mapped[index];
}

/* Whether a run that cannot ask for experts says so. */
static int fails(const float *input, float *logits, void *workspace) {
  const NAME(_options) none = {NULL, NULL, 0, NULL};
  return NAME(_run)(input, logits, workspace) == 3 &&
         NAME(_run_with)(input, logits, workspace, NULL) == 3 &&
         NAME(_run_with)(input, logits, workspace, &none) == 3;
}

static int checkNames(void) {
  size_t i;
  for (i = 0; i < EXPERTS; ++i)
    if (!NAME(_expert_file)(i) || strchr(NAME(_expert_file)(i), '/'))
      return 0;
  return !NAME(_expert_file)(EXPERTS) && !NAME(_expert_file)((size_t)-1);
}

int main(int argc, char **argv) {
  static float input[INPUTS], logits[CLASSES];
  static Experts experts;
  NAME(_options) options = {NULL, NULL, 0, NULL};
  void *workspace = NULL;
  FILE *from, *to;
  size_t i;
  int status;
  if (argc != 4 || !(from = fopen(argv[1], "rb")) ||
      !(to = fopen(argv[2], "wb")) ||
      posix_memalign(&workspace, 64, NAME(_workspace_size)()) != 0)
    return 2;
  if (!checkNames())
    return 3;
  experts.folder = argv[3];
  options.context = &experts;
  options.expert = mapExpert;
  while (fread(input, sizeof(float), INPUTS, from) == (size_t)INPUTS) {
    if (!fails(input, logits, workspace))
      return 4;
    for (i = 0; i < CLASSES; ++i)
      logits[i] = -1;
    memset(workspace, 0xFF, NAME(_workspace_size)());
    memset(experts.asked, 0, sizeof(experts.asked));
    status = NAME(_run_with)(input, logits, workspace, &options);
    if (experts.isBeyond)
      return 5;
    printf("%d", status);
    for (i = 0; i < EXPERTS; ++i)
      if (experts.asked[i])
        printf(" %s", NAME(_expert_file)(i));
    printf("\n");
    if (fwrite(logits, sizeof(float), CLASSES, to) != (size_t)CLASSES)
      return 2;
  }
  free(workspace);
  fclose(from);
  return fclose(to) == 0 ? 0 : 2;
}
