/* Measures how fast all threads together read memory.
 *
 *   cc -O3 -march=native -pthread -o read_bandwidth read_bandwidth.c
 *   read_bandwidth THREADS MEBIBYTES
 *
 * Each line on standard input is answered with the bytes per second of the fastest of
 * PASSES passes over the array, as one decimal number.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 5, LANES = 64, MAX_THREADS = 256 };

struct share {
  const uint64_t *words;
  size_t count;
  uint64_t sum;
};

/* Sums a share; independent lanes keep the additions off the critical path. */
static void *read_share(void *argument) {
  struct share *share = argument;
  uint64_t lanes[LANES] = {0};
  for (size_t i = 0; i + LANES <= share->count; i += LANES)
    for (int lane = 0; lane < LANES; lane++) lanes[lane] += share->words[i + lane];
  share->sum = 0;
  for (int lane = 0; lane < LANES; lane++) share->sum += lanes[lane];
  return NULL;
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One pass over the array; returns its seconds, or a negative number on failure. */
static double pass(const uint64_t *words, size_t count, int threads, uint64_t *sum) {
  pthread_t others[MAX_THREADS];
  struct share shares[MAX_THREADS];
  size_t each = count / (size_t)threads / LANES * LANES;
  double started = seconds_now();
  for (int t = 0; t < threads; t++) {
    shares[t] = (struct share){words + (size_t)t * each, each, 0};
    if (t > 0 && pthread_create(&others[t], NULL, read_share, &shares[t])) return -1;
  }
  read_share(&shares[0]);
  for (int t = 1; t < threads; t++) pthread_join(others[t], NULL);
  double seconds = seconds_now() - started;
  for (int t = 0; t < threads; t++) *sum += shares[t].sum;
  return seconds;
}

int main(int argc, char **argv) {
  int threads = argc == 3 ? atoi(argv[1]) : 0;
  long mebibytes = argc == 3 ? atol(argv[2]) : 0;
  if (threads < 1 || threads > MAX_THREADS || mebibytes < 1) {
    fprintf(stderr, "usage: read_bandwidth THREADS MEBIBYTES\n");
    return 2;
  }
  size_t bytes = (size_t)mebibytes << 20;
  uint64_t *words = malloc(bytes);
  if (words == NULL) {
    fprintf(stderr, "read_bandwidth: no memory for %ld MiB\n", mebibytes);
    return 1;
  }
  /* Not zero: untouched pages would all be the same one. */
  memset(words, 1, bytes);
  uint64_t sum = 0;
  for (char line[64]; fgets(line, sizeof line, stdin) != NULL;) {
    double fastest = 0;
    for (int i = 0; i < PASSES; i++) {
      double seconds = pass(words, bytes / sizeof *words, threads, &sum);
      if (seconds <= 0) return 1;
      double rate = (double)bytes / seconds;
      if (rate > fastest) fastest = rate;
    }
    printf("%.0f\n", fastest);
    fflush(stdout);
  }
  /* Shown, so that the compiler cannot leave the reading out. */
  fprintf(stderr, "sum %llu\n", (unsigned long long)sum);
  free(words);
  return 0;
}
