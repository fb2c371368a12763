/* Prints the GFLOP/s of a loop of independent fused multiply-adds on vectors of
 * WIDTH bytes: what one core can do at most. Compiled with -mfma or -mavx512f.
 */
#include <stdio.h>
#include <time.h>

typedef float Vector __attribute__((vector_size(WIDTH)));
enum { ACCUMULATORS = 12, LANES = WIDTH / sizeof(float), STEPS = 100000 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(void) {
  Vector x = {0}, y = {0}, sums[ACCUMULATORS] = {{0}};
  double best = 0, begin = seconds();
  while (seconds() - begin < 0.1) {
    double start = seconds();
    for (int i = 0; i < STEPS; ++i) {
      /* Unknown to the compiler in every step. */
      __asm__ volatile("" : "+x"(x), "+x"(y));
      for (int j = 0; j < ACCUMULATORS; ++j)
        sums[j] = sums[j] * x + y;
    }
    double rate = 2.0 * ACCUMULATORS * LANES * STEPS / (seconds() - start);
    if (rate > best)
      best = rate;
  }
  float use = 0;
  for (int j = 0; j < ACCUMULATORS; ++j)
    use += sums[j][0];
  __asm__ volatile("" : : "x"(use));
  printf("%.2f\n", best * 1e-9);
  return 0;
}
