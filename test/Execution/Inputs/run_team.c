/* Has the example's team share out many small pieces of work, each of which
   needs the one before. */
#include "team.h"
#include <stdio.h>

enum { PARTS = TEAM_WORKERS + 1, ROUNDS = 2000 };

typedef struct {
  size_t values[2][PARTS], round;
} Work;

/* Each part reads what another one wrote in the round before. */
static void add(void *arguments, size_t part) {
  Work *work = (Work *)arguments;
  const size_t *before = work->values[work->round % 2];
  work->values[(work->round + 1) % 2][part] = before[(part + 1) % PARTS] + 1;
}

int main(void) {
  static Work work;
  size_t part;
  int turn, wrong = 0;
  for (turn = 0; turn < 3; ++turn) {
    team *threads = team_start();
    if (!threads)
      return 2;
    for (part = 0; part < PARTS; ++part)
      work.values[0][part] = 0;
    for (work.round = 0; work.round < ROUNDS; ++work.round)
      team_run(threads, PARTS, add, &work);
    for (part = 0; part < PARTS; ++part)
      wrong |= work.values[ROUNDS % 2][part] != ROUNDS;
    /* Fewer parts than threads. */
    team_run(threads, 0, add, &work);
    team_run(threads, 1, add, &work);
    team_stop(threads);
  }
  if (wrong)
    fprintf(stderr, "a part was left out or read too early\n");
  return wrong;
}
