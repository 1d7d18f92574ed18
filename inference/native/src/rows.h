/* Operations on single rows: layer norm, attention with its cache, epilogues.
 *
 * Source: docs/spec/arithmetic.md §5, §6, §7. One struct per instruction set; all of
 * them return the same bits for the same input, but each lays its cache out in its
 * own way, so a cache belongs to the version that wrote it. No function allocates,
 * keeps state or touches floating point; all may run in several threads at once as
 * long as what they write is not shared.
 *
 * Callers keep the ranges of the spec (§2, §5, §6); nothing is checked here.
 */
#ifndef ASSAY_ROWS_H
#define ASSAY_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct rows {
    /* "avx512", "avx2", "neon" or "plain". */
    const char *name;

    /* §5: y[0..n) from the residual row x[0..n) with channel shifts shift[0..n).
     * fraction is the spec's f (10 or 9). */
    void (*norm)(const int32_t *x, int n, int fraction, const uint8_t *shift,
                 int32_t epsilon, int16_t *y);

    /* Bytes of the keys and values of ONE head of ONE sequence: a multiple of 64. The
     * buffer must be 64-byte aligned and may start with any content. */
    size_t (*cache_bytes)(int head_width, int capacity);

    /* Writes key k[0..head_width) and value v[0..head_width) of one position. */
    void (*cache_put)(void *cache, int head_width, int capacity, int position,
                      const int16_t *k, const int16_t *v);

    /* Bytes that attend() needs as scratch for calls of at most `rows` rows: a
     * multiple of 64. The buffer must be 64-byte aligned; one per thread. */
    size_t (*attend_scratch)(int head_width, int capacity, int rows);

    /* §6 for one head of one sequence: `count` consecutive positions from `first` on,
     * row r attending to positions 0..first+r, all of which are in the cache already.
     * q and mixed point at the head's first value of the first row; strides are in
     * int16 units. The trace pointers are NULL or take first+count scores and weights
     * of the LAST row. */
    void (*attend)(const void *cache, int head_width, int capacity, uint32_t sharpness,
                   int first, int count, const int16_t *q, ptrdiff_t q_stride,
                   int16_t *mixed, ptrdiff_t mixed_stride, void *scratch,
                   int32_t *trace_scores, int32_t *trace_weights);

    /* Epilogues on n values as gemm's tile() leaves them. */

    /* out = clamp(v, limit); limit is at most 32767. */
    void (*store_i16)(const int32_t *v, int n, int limit, int16_t *out);
    /* x = clamp(x + clamp(v, REST), REST). */
    void (*add_residual)(const int32_t *v, int n, int32_t *x);
    /* out = table[clamp(v, 32767) + 32768]; the table has 65,536 entries. */
    void (*activate)(const int32_t *v, int n, const int16_t *table, int16_t *out);
    /* out = clamp(v, 2^24 - 1) << 6: §7, logits in Q16 from values in Q10. */
    void (*store_logits)(const int32_t *v, int n, int32_t *out);
};

/* The version named `isa`; "auto" is the fastest that this CPU runs. NULL if there is
 * none of that name or this CPU cannot run it. */
__attribute__((visibility("default"))) const struct rows *rows_select(const char *isa);

#endif
