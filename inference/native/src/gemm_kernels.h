/* What the kernels of all instruction sets share; private to gemm*.c. */
#ifndef ASSAY_GEMM_KERNELS_H
#define ASSAY_GEMM_KERNELS_H

#include "gemm.h"
#include "spec.h"

/* Compiled in where the compiler can; the CPU is asked at run time (gemm.c). */
#if defined(__x86_64__)
#define GEMM_X86 1
extern const struct gemm gemm_avx512;
extern const struct gemm gemm_avx2;
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define GEMM_NEON 1
extern const struct gemm gemm_neon;
#endif
extern const struct gemm gemm_plain;

/* Rows are padded with zeros to a multiple of this, so that no kernel has a tail.
 * It divides every block, so padding cannot move a term into another block. */
#define PAD_TERMS 32

static inline int padded_terms(int terms) {
    return (terms + PAD_TERMS - 1) / PAD_TERMS * PAD_TERMS;
}

static inline int smaller(int a, int b) { return a < b ? a : b; }

/* Number of groups of W8B8_BLOCK terms, each with its own exponent. */
static inline int group_count(int terms) {
    return (terms + W8B8_BLOCK - 1) / W8B8_BLOCK;
}

/* s_g of §3: max(0, bitlen - 7) of a group's largest magnitude. */
static inline int group_exponent(unsigned top) {
    return top < 128 ? 0 : 25 - __builtin_clz(top);
}

/* value_j of §3: scale(total, multiplier) + bias. Needs no wider type, since
 * |total * multiplier| < 2^62. */
static inline int32_t scaled(int32_t total, int32_t multiplier, int32_t bias) {
    int64_t product = (int64_t)total * multiplier + ((int64_t)1 << 31);
    return (int32_t)(product >> 32) + bias;
}

/* --- Packed weights (gemm_packing.c) --- */

/* Outputs are taken `width` at a time; within such a strip, `depth` consecutive terms
 * of one output lie together, then those of the next output, then the next terms. */
struct packing {
    int panel; /* outputs per panel, a multiple of width */
    int width;
    int depth;  /* divides PAD_TERMS; 0: whole rows */
    int offset; /* added to int8 weights, which then are uint8: 0 or 128 */
};

size_t packing_bytes(const struct packing *packing, int profile, int outputs,
                     int terms);
void packing_pack(const struct packing *packing, int profile, int terms, int outputs,
                  int first, int count, const void *rows, void *packed);

/* Fetches weights into the L2 cache ahead of their use. Where memory is what a kernel
 * waits for, every other line is best, since CPUs fetch lines in pairs; where it is as
 * busy computing, it needs them all and earlier. Measured on a Zen 4. Prefetches reach
 * past a panel: into the next one, or past the end, where they do nothing. */
static inline void prefetch(const uint8_t *w, int bytes, int is_busy) {
    const int ahead = is_busy ? 4096 : 2048, step = is_busy ? 64 : 128;
    const uintptr_t first = (uintptr_t)w + (uintptr_t)ahead;
    for (int at = 0; at < bytes; at += step)
        __builtin_prefetch((const void *)(first + (uintptr_t)at), 0, 2);
}

/* --- Prepared activations in 16 bits: every kernel but avx512's for W8B8 --- */

/* Row r starts at r * wide_stride. The extra 64 bytes keep rows whose size is a
 * multiple of 2 KiB out of each other's cache sets. For W8B8 the rows hold mantissas,
 * and the groups' exponents follow the last row. */
static inline ptrdiff_t wide_stride(int terms) { return padded_terms(terms) + 32; }

static inline int32_t *wide_exponents(const void *prepared, int rows, int terms,
                                      int row) {
    int16_t *end = (int16_t *)prepared + rows * wide_stride(terms);
    return (int32_t *)(void *)end + (ptrdiff_t)row * group_count(terms);
}

size_t wide_bytes(int profile, int rows, int terms);

/* Rounds one whole group of W8B8_BLOCK numbers and returns its exponent. */
typedef int32_t round_group(const int16_t *x, int16_t *y);

/* gemm.prepare: copies the rows, or for W8B8 rounds them with `round`. */
void wide_prepare(round_group *round, int profile, int terms, int rows, int first,
                  int count, const int16_t *x, ptrdiff_t stride, void *prepared);

/* --- Tiles of such rows, cut into strips of outputs and a few rows --- */

enum { WIDE_PANEL = 48, WIDE_STRIP = 16, WIDE_ROW_BLOCK = 8, WIDE_ROWS = 4 };

/* Adds to totals[r * WIDE_PANEL + j] the shifted sums of all blocks of padded `terms`,
 * for the strip of weights at `w` and a fixed number of rows, `stride` apart from `x`
 * on. The rows' exponents follow each other; only W8B8 has them. */
typedef void wide_kernel(const uint8_t *w, const int16_t *x, ptrdiff_t stride,
                         int terms, const int32_t *exponents, int32_t *totals);

/* Computes the totals of a tile; `kernels` are by profile and number of rows less 1.
 * The other arguments are those of gemm.tile. */
void wide_totals(wide_kernel *const kernels[3][WIDE_ROWS],
                 const struct product *product, int panel_index, const void *prepared,
                 int rows, int first, int count, int32_t *totals);

#endif
