/* A pool of threads that works through a job in stages.
 *
 * Waiting: a thread first spins, since a stage often takes a few microseconds and a
 * sleep costs more, but only so long: on a shared machine the thread it waits for may
 * have been taken off its core, perhaps by this very spinning, and would then be
 * stuck for a whole time slice of the scheduler.
 */
#define _GNU_SOURCE /* syscall, sched_getaffinity */
#define _DARWIN_C_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#endif

#include "memory.h"

#define LINE _Alignas(MEMORY_ALIGNMENT) /* no two busy variables in one cache line */

/* Pauses before a sleep: 20 to 100 microseconds, depending on the CPU. */
#define SPINS 1500

/* A number that only grows, and threads that wait for it to change. */
struct gate {
    LINE atomic_uint number;
    LINE atomic_int sleepers;
#if !defined(__linux__)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
};

struct pool {
    struct gate start;   /* number of jobs begun */
    struct gate meeting; /* number of meetings over */
    LINE atomic_int arrived;
    LINE atomic_int next; /* task */
    LINE int active;      /* threads that take part */
    int spins;
    pid_t owner; /* the process that has the threads */
    pool_job *job;
    void *context;
    int started; /* threads to join */
    pthread_t threads[POOL_MAX_THREADS];
};

struct seat {
    struct pool *pool;
    int thread;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void gate_init(struct gate *gate) {
    atomic_init(&gate->number, 0);
    atomic_init(&gate->sleepers, 0);
#if !defined(__linux__)
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
#endif
}

/* Counts up and wakes whoever sleeps. The store comes before the look at `sleepers`,
 * and a sleeper counts itself before it looks at the number: one sees the other. */
static void gate_open(struct gate *gate) {
#if defined(__linux__)
    atomic_fetch_add(&gate->number, 1);
    if (atomic_load(&gate->sleepers))
        syscall(SYS_futex, &gate->number, FUTEX_WAKE_PRIVATE, POOL_MAX_THREADS, NULL,
                NULL, 0);
#else
    pthread_mutex_lock(&gate->mutex);
    atomic_fetch_add(&gate->number, 1);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
#endif
}

static int gate_passed(struct gate *gate, unsigned old) {
    return atomic_load_explicit(&gate->number, memory_order_acquire) != old;
}

static void gate_sleep(struct gate *gate, unsigned old) {
#if defined(__linux__)
    atomic_fetch_add(&gate->sleepers, 1);
    while (atomic_load(&gate->number) == old)
        syscall(SYS_futex, &gate->number, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&gate->sleepers, 1);
#else
    pthread_mutex_lock(&gate->mutex);
    while (!gate_passed(gate, old)) pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
#endif
}

/* Waits until the number is no longer `old`. */
static void gate_wait(struct gate *gate, unsigned old, int spins) {
    for (int i = 0; i < spins; i++) {
        if (gate_passed(gate, old)) return;
        relax();
    }
    if (!gate_passed(gate, old)) gate_sleep(gate, old);
}

int pool_take(struct pool *pool, int total, int most, int *first) {
    int next = atomic_load_explicit(&pool->next, memory_order_relaxed), count;
    do {
        int left = total - next;
        if (left <= 0) return 0;
        count = left / (2 * pool->active);
        if (count > most) count = most;
        if (count < 1) count = 1;
    } while (!atomic_compare_exchange_weak_explicit(&pool->next, &next, next + count,
                                                    memory_order_relaxed,
                                                    memory_order_relaxed));
    *first = next;
    return count;
}

void pool_meet(struct pool *pool) {
    unsigned meeting =
        atomic_load_explicit(&pool->meeting.number, memory_order_relaxed);
    int last = pool->active - 1;
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) == last) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
        gate_open(&pool->meeting);
    } else {
        gate_wait(&pool->meeting, meeting, pool->spins);
    }
}

static void *work(void *argument) {
    struct seat seat = *(struct seat *)argument;
    free(argument);
    struct pool *pool = seat.pool;
    for (unsigned jobs = 0;; jobs++) {
        /* No spinning here: between calls the cores belong to others. */
        gate_wait(&pool->start, jobs, 0);
        if (!pool->job) return NULL;
        pool->job(pool->context, seat.thread);
        pool_meet(pool);
    }
}

void pool_run(struct pool *pool, pool_job *job, void *context) {
    if (getpid() != pool->owner) {
        pool->active = 1;
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
    }
    pool->job = job;
    pool->context = context;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    if (pool->active > 1) gate_open(&pool->start);
    job(context, 0);
    pool_meet(pool);
}

/* CPUs that this process may use: with more threads than these, spinning would only
 * keep the awaited thread from its core. */
static int usable_cpus(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static int start_thread(struct pool *pool, int thread) {
    struct seat *seat = malloc(sizeof *seat);
    if (!seat) return -1;
    seat->pool = pool;
    seat->thread = thread;
    if (pthread_create(&pool->threads[pool->started], NULL, work, seat)) {
        free(seat);
        return -1;
    }
    pool->started++;
    return 0;
}

struct pool *pool_open(int threads) {
    void *memory;
    if (posix_memalign(&memory, MEMORY_ALIGNMENT, sizeof(struct pool))) return NULL;
    struct pool *pool = memory;
    gate_init(&pool->start);
    gate_init(&pool->meeting);
    atomic_init(&pool->arrived, 0);
    atomic_init(&pool->next, 0);
    pool->active = threads;
    pool->spins = threads <= usable_cpus() ? SPINS : 0;
    pool->owner = getpid();
    pool->job = NULL;
    pool->context = NULL;
    pool->started = 0;

    /* Signals are for the thread that the program handles them in. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    for (int t = 1; t < threads && !failed; t++) failed = start_thread(pool, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return pool;
    pool_close(pool);
    return NULL;
}

void pool_close(struct pool *pool) {
    if (!pool) return;
    if (getpid() == pool->owner) {
        pool->job = NULL;
        gate_open(&pool->start);
        for (int t = 0; t < pool->started; t++) pthread_join(pool->threads[t], NULL);
    }
    free(pool);
}
