/* A pool of threads that works through a job in stages.
 *
 * A job is one function that all threads run. Inside it, a stage is a loop over tasks
 * from pool_take(), ended by pool_meet(). Which thread gets which task is
 * open; sums of integers make that invisible in the results.
 */
#ifndef ASSAY_POOL_H
#define ASSAY_POOL_H

#define POOL_MAX_THREADS 256

struct pool;

typedef void pool_job(void *context, int thread);

/* Starts threads - 1 threads; the caller of pool_run() is the remaining one. NULL if
 * the system has no memory or gives no thread; threads is 1 ... POOL_MAX_THREADS. */
struct pool *pool_open(int threads);

/* Ends the threads. NULL is allowed. */
void pool_close(struct pool *pool);

/* Runs job(context, thread) once per thread, thread = 0 ... threads - 1 (fewer in a
 * process forked after pool_open, which has no other threads), and returns when all
 * are done. Between calls the threads sleep. */
void pool_run(struct pool *pool, pool_job *job, void *context);

/* Inside a job: takes some of this stage's tasks 0 ... total - 1, at most `most`, and
 * returns their number, 0 when none are left. All threads name the same total. At first
 * a thread gets many, so that it meets the others at the counter less often, and in the
 * end single ones, so that all end at the same time. */
int pool_take(struct pool *pool, int total, int most, int *first);

/* Inside a job: waits until all threads are here; the next stage starts at task 0. */
void pool_meet(struct pool *pool);

#endif
