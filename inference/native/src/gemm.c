/* The choice of an instruction set at run time. */
#include <string.h>

#include "gemm_kernels.h"

/* __builtin_cpu_supports also asks whether the operating system saves the registers.
 * These kernels need no VL, but those of rows.h do, and both are chosen alike. */
static int runs_here(const struct gemm *gemm) {
#ifdef GEMM_X86
    __builtin_cpu_init();
    if (gemm == &gemm_avx512)
        return __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
    if (gemm == &gemm_avx2)
        return __builtin_cpu_supports("avx2");
#endif
    (void)gemm;
    return 1;
}

const struct gemm *gemm_select(const char *isa) {
    static const struct gemm *const fastest_first[] = {
#if defined(GEMM_X86)
        &gemm_avx512, &gemm_avx2,
#elif defined(GEMM_NEON)
        &gemm_neon,
#endif
        &gemm_plain};
    const size_t count = sizeof fastest_first / sizeof *fastest_first;
    for (size_t i = 0; i < count; i++) {
        const struct gemm *gemm = fastest_first[i];
        if ((!strcmp(isa, "auto") || !strcmp(isa, gemm->name)) && runs_here(gemm))
            return gemm;
    }
    return NULL;
}
