/* Chooses a version of the row operations at run time. */
#include "rows.h"

#include <string.h>

#include "rows_versions.h"

struct version {
    const struct rows *rows;
    int (*runs_here)(void);
};

static int always(void) { return 1; }

#if defined(__x86_64__)
/* __builtin_cpu_supports also asks whether the operating system saves the registers. */
static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

static int has_avx512(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

/* Fastest first: "auto" takes the first that runs. */
static const struct version VERSIONS[] = {
#if defined(__x86_64__)
    {&rows_avx512, has_avx512},
    {&rows_avx2, has_avx2},
#elif defined(__aarch64__)
    {&rows_neon, always},
#endif
    {&rows_plain, always},
};

const struct rows *rows_select(const char *isa) {
    int any = strcmp(isa, "auto") == 0;
    for (size_t i = 0; i < sizeof VERSIONS / sizeof VERSIONS[0]; i++) {
        const struct version *v = &VERSIONS[i];
        if ((any || strcmp(isa, v->rows->name) == 0) && v->runs_here()) return v->rows;
    }
    return NULL;
}
