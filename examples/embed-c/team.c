#include "team.h"

#include <pthread.h>
#include <stdlib.h>

struct team {
  pthread_mutex_t mutex;
  pthread_cond_t begun, done;
  pthread_t threads[TEAM_WORKERS];
  int workers, ends;
  void (*task)(void *arguments, size_t part);
  void *arguments;
  size_t next, parts; /* the next part to begin, and how many there are */
  size_t unfinished;
};

/* Takes parts until there are none left. The mutex is held before and after. */
static void take_parts(team *t) {
  while (t->next < t->parts) {
    size_t part = t->next++;
    void (*task)(void *, size_t) = t->task;
    void *arguments = t->arguments;
    pthread_mutex_unlock(&t->mutex);
    task(arguments, part);
    pthread_mutex_lock(&t->mutex);
    if (--t->unfinished == 0)
      pthread_cond_signal(&t->done);
  }
}

static void *work(void *argument) {
  team *t = argument;
  pthread_mutex_lock(&t->mutex);
  while (!t->ends) {
    take_parts(t);
    if (!t->ends)
      pthread_cond_wait(&t->begun, &t->mutex);
  }
  pthread_mutex_unlock(&t->mutex);
  return NULL;
}

void team_run(void *context, size_t parts, void (*task)(void *, size_t),
              void *arguments) {
  team *t = context;
  pthread_mutex_lock(&t->mutex);
  t->task = task;
  t->arguments = arguments;
  t->next = 0;
  t->parts = t->unfinished = parts;
  pthread_cond_broadcast(&t->begun);
  take_parts(t); /* the caller works too */
  while (t->unfinished > 0)
    pthread_cond_wait(&t->done, &t->mutex);
  pthread_mutex_unlock(&t->mutex);
}

void team_stop(team *t) {
  pthread_mutex_lock(&t->mutex);
  t->ends = 1;
  pthread_cond_broadcast(&t->begun);
  pthread_mutex_unlock(&t->mutex);
  while (t->workers > 0)
    pthread_join(t->threads[--t->workers], NULL);
  free(t);
}

team *team_start(void) {
  team *t = calloc(1, sizeof *t);
  if (!t)
    return NULL;
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->begun, NULL);
  pthread_cond_init(&t->done, NULL);
  while (t->workers < TEAM_WORKERS) {
    if (pthread_create(&t->threads[t->workers], NULL, work, t) != 0) {
      team_stop(t);
      return NULL;
    }
    ++t->workers;
  }
  return t;
}
