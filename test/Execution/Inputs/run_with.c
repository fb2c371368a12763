/* Runs a model with each kind of options, all of which must give NAME_run's
   bits. Usage: run_with INPUTS [in-two-threads]: a file of raw floats for
   several images, and a mistake for a sanitizer to find. Compiled with
   -DHEADER="model.h" -DMODEL=model, and with the example's team.c. Prints how
   often an inference shares work; exits with the number of the broken promise.
 */
#define _POSIX_C_SOURCE 200112L
#include HEADER
#include "team.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

enum {
  INPUTS = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH),
  CLASSES = NAME(_CLASSES)
};

typedef void (*task_function)(void *arguments, size_t part);
typedef void (*share_function)(void *context, size_t parts, task_function task,
                               void *arguments);

/* The context of every parallel_for here. */
typedef struct {
  team *threads;
  size_t parts;   /* that there must be */
  unsigned calls; /* of the run */
  int has_wrong_parts;
} sharing;

static sharing *begin(void *context, size_t parts) {
  sharing *s = (sharing *)context;
  ++s->calls;
  s->has_wrong_parts |= parts != s->parts;
  return s;
}

static void in_turn(void *context, size_t parts, task_function task,
                    void *arguments) {
  size_t part;
  begin(context, parts);
  for (part = 0; part < parts; ++part)
    task(arguments, part);
}

static void in_reverse(void *context, size_t parts, task_function task,
                       void *arguments) {
  begin(context, parts);
  while (parts-- > 0)
    task(arguments, parts);
}

static void in_team(void *context, size_t parts, task_function task,
                    void *arguments) {
  team_run(begin(context, parts)->threads, parts, task, arguments);
}

/* The mistake: each part is done twice, at the same time. */
typedef struct {
  task_function task;
  void *arguments;
  size_t part;
} piece;

static void *run_piece(void *argument) {
  const piece *p = (const piece *)argument;
  p->task(p->arguments, p->part);
  return NULL;
}

static void in_two_threads(void *context, size_t parts, task_function task,
                           void *arguments) {
  piece p;
  pthread_t thread;
  begin(context, parts);
  p.task = task;
  p.arguments = arguments;
  for (p.part = 0; p.part < parts; ++p.part) {
    if (pthread_create(&thread, NULL, run_piece, &p) != 0)
      exit(2);
    run_piece(&p);
    pthread_join(thread, NULL);
  }
}

/* More threads than any loop has iterations, too. */
static const struct {
  share_function share;
  size_t threads, parts; /* zero threads are one part */
} ways[] = {
    {NULL, 0, 0},          {NULL, 4, 0},       {in_turn, 0, 1},
    {in_turn, 1, 1},       {in_turn, 2, 2},    {in_turn, 3, 3},
    {in_turn, 1000, 1000}, {in_reverse, 2, 2}, {in_reverse, 5, 5},
    {in_team, 2, 2},       {in_team, 3, 3},    {in_team, 40, 40},
};

/* Runs `input` in a workspace full of NaNs. Returns 0 or the broken promise. */
static int run_once(const float *input, float *logits, unsigned char *workspace,
                    const NAME(_options) * options) {
  memset(workspace, 0xFF, NAME(_workspace_size)());
  memset(logits, 0xFF, CLASSES * sizeof(float));
  return NAME(_run_with)(input, logits, workspace, options) == 0 ? 0 : 3;
}

/* Returns 0 or the broken promise. */
static int check_null(const float *input, float *logits, void *workspace,
                      const NAME(_options) * options) {
  if (NAME(_run_with)(NULL, logits, workspace, options) != 1 ||
      NAME(_run_with)(input, NULL, workspace, options) != 1 ||
      NAME(_run_with)(input, logits, NULL, options) != 1)
    return 7;
  return 0;
}

static int check_image(const float *input, unsigned char *workspace,
                       team *threads, int has_mistake, unsigned *calls) {
  static float expected[CLASSES], found[CLASSES];
  size_t i;
  int broken;
  if (NAME(_run)(input, expected, workspace) != 0)
    return 3;
  if ((broken = run_once(input, found, workspace, NULL)) != 0)
    return broken;
  if (memcmp(found, expected, sizeof(expected)) != 0)
    return 4;
  for (i = 0; i < sizeof(ways) / sizeof(ways[0]); ++i) {
    sharing s = {NULL, 0, 0, 0};
    NAME(_options) options;
    s.threads = threads;
    s.parts = ways[i].parts;
    memset(&options, 0, sizeof(options));
    options.context = &s;
    options.parallel_for =
        has_mistake && ways[i].share ? in_two_threads : ways[i].share;
    options.threads = ways[i].threads;
    if ((broken = run_once(input, found, workspace, &options)) != 0 ||
        (broken = check_null(input, found, workspace, &options)) != 0)
      return broken;
    if (memcmp(found, expected, sizeof(expected)) != 0) {
      fprintf(stderr, "way %u: other bits\n", (unsigned)i);
      return 4;
    }
    if (s.has_wrong_parts)
      return 5; /* other parts than asked for */
    if (ways[i].share) {
      if (*calls == 0)
        *calls = s.calls;
      if (s.calls != *calls)
        return 6; /* what is shared depends on the number of threads */
    }
  }
  return check_null(input, found, workspace, NULL);
}

int main(int argc, char **argv) {
  static float input[INPUTS];
  void *workspace = NULL;
  team *threads = team_start();
  FILE *file;
  unsigned calls = 0;
  int count = 0, broken = 0;
  if (argc < 2 || !threads || !(file = fopen(argv[1], "rb")) ||
      posix_memalign(&workspace, 64, NAME(_workspace_size)()) != 0)
    return 2;
  while (broken == 0 &&
         fread(input, sizeof(float), INPUTS, file) == (size_t)INPUTS) {
    broken =
        check_image(input, (unsigned char *)workspace, threads,
                    argc > 2 && strcmp(argv[2], "in-two-threads") == 0, &calls);
    ++count;
  }
  fclose(file);
  free(workspace);
  team_stop(threads);
  printf("%u\n", calls);
  return broken ? broken : count > 0 ? 0 : 2;
}
