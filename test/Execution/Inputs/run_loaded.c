/* Loads shared libraries of models with dlopen, all of their symbols visible to
   all, and runs them in turn, twice, and once more after the first was unloaded
   and loaded again. Usage: run_loaded (LIBRARY NAME INPUT OUTPUT INPUTS
   CLASSES)...: the model's name, files of raw floats and their numbers. */
#define _POSIX_C_SOURCE 200112L
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 6, MOST = 8 };

typedef struct {
  const char *path, *name, *output;
  void *library;
  size_t (*size)(void);
  int (*run)(const float *, float *, void *);
  size_t inputs, classes;
  float *input, *logits;
} Model;

/* The address of NAME followed by `suffix`. A pointer to a function is not one
   to an object in C, hence the copy. */
static int find(const Model *model, const char *suffix, void *function) {
  char symbol[256];
  void *address;
  if (snprintf(symbol, sizeof(symbol), "%s%s", model->name, suffix) >=
      (int)sizeof(symbol))
    return 0;
  address = dlsym(model->library, symbol);
  memcpy(function, &address, sizeof(address));
  return address != NULL;
}

static int load(Model *model) {
  model->library = dlopen(model->path, RTLD_NOW | RTLD_GLOBAL);
  if (!model->library)
    fprintf(stderr, "%s\n", dlerror());
  return model->library && find(model, "_workspace_size", &model->size) &&
         find(model, "_run", &model->run);
}

static int readModel(Model *model, char **arguments) {
  FILE *file = fopen(arguments[2], "rb");
  model->path = arguments[0];
  model->name = arguments[1];
  model->output = arguments[3];
  model->inputs = strtoul(arguments[4], NULL, 10);
  model->classes = strtoul(arguments[5], NULL, 10);
  model->input = (float *)malloc(model->inputs * sizeof(float));
  model->logits = (float *)malloc(model->classes * sizeof(float));
  return file && model->input && model->logits &&
         fread(model->input, sizeof(float), model->inputs, file) ==
             model->inputs &&
         fclose(file) == 0;
}

static int run(Model *model) {
  void *workspace = NULL;
  int status = 1;
  if (posix_memalign(&workspace, 64, model->size()) == 0)
    status = model->run(model->input, model->logits, workspace);
  free(workspace);
  return status == 0;
}

static int isSameAgain(Model *model) {
  size_t bytes = model->classes * sizeof(float);
  float *before = (float *)malloc(bytes);
  int same;
  if (!before)
    return 0;
  memcpy(before, model->logits, bytes);
  same = run(model) && memcmp(before, model->logits, bytes) == 0;
  free(before);
  return same;
}

int main(int argc, char **argv) {
  Model models[MOST];
  int count = (argc - 1) / ARGUMENTS, i;
  if (count < 1 || count > MOST || (argc - 1) % ARGUMENTS != 0)
    return 2;
  for (i = 0; i < count; ++i)
    if (!readModel(&models[i], argv + 1 + i * ARGUMENTS) || !load(&models[i]))
      return 2;
  for (i = 0; i < count; ++i)
    if (!run(&models[i]))
      return 3;
  for (i = 0; i < count; ++i)
    if (!isSameAgain(&models[i]))
      return 4;
  if (dlclose(models[0].library) != 0 || !load(&models[0]))
    return 5;
  for (i = 0; i < count; ++i) {
    FILE *file = fopen(models[i].output, "wb");
    if (!isSameAgain(&models[i]))
      return 6;
    if (!file ||
        fwrite(models[i].logits, sizeof(float), models[i].classes, file) !=
            models[i].classes ||
        fclose(file) != 0)
      return 2;
    free(models[i].input);
    free(models[i].logits);
  }
  return 0;
}
