/* Threads for one inference: a model itself starts none, but has its caller
   share out the work. A team is for one run at a time. */
#ifndef TEAM_H
#define TEAM_H

#include <stddef.h>

enum { TEAM_WORKERS = 3 }; /* beside the thread that runs the model */

typedef struct team team;

/* Starts the threads, which sleep until there is work. NULL if it cannot. */
team *team_start(void);

/* Ends them; no model may be running with the team. */
void team_stop(team *team);

/* Calls `task` for each part below `parts`, in the threads and in the caller's,
   and returns when all calls have. `context` is the team: for
   NAME_options.parallel_for, with TEAM_WORKERS + 1 as NAME_options.threads. */
void team_run(void *context, size_t parts,
              void (*task)(void *arguments, size_t part), void *arguments);

#endif
