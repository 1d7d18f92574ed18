/* What the two files of the AVX-512 products share; private to them. */
#ifndef ASSAY_GEMM_AVX512_H
#define ASSAY_GEMM_AVX512_H

#include "gemm_kernels.h"

#ifdef GEMM_X86

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))

enum { PANEL = 48, ROW_BLOCK = 8 };

/* One group of W8B8 mantissas. */
struct group {
    int32_t start;    /* -128 * (sum of the mantissas) */
    int32_t exponent; /* s_g of the spec */
};

/* Adds to totals[r * PANEL + j] the shifted sums of all blocks of padded `terms`, for
 * one panel at `w` and a fixed number of rows, `stride` bytes apart from `x` on. The
 * rows' groups follow each other from `groups` on; only W8B8 has them. */
typedef void kernel(const uint8_t *w, const uint8_t *x, ptrdiff_t stride, int terms,
                    const struct group *groups, int32_t *totals);

extern kernel *const avx512_kernels[3][ROW_BLOCK];

#endif
#endif
