/* The products in portable C: for machines without a kernel of their own, and the
 * kernel that the others are compared with. Weight rows stay whole, so that one output
 * is one dot product of two contiguous rows.
 *
 * Signed sums cannot overflow: the magnitudes of a whole block add up to less than
 * 2^31, so every partial sum is below that too. */
#include <stdlib.h>

#include "gemm_kernels.h"

enum { PANEL = 16, ROW_BLOCK = 8 };

static const struct packing ROWS = {PANEL, 1, 0, 0};

static size_t plain_packed_bytes(int profile, int outputs, int terms) {
    return packing_bytes(&ROWS, profile, outputs, terms);
}

static void plain_pack(int profile, int terms, int outputs, int first, int count,
                       const void *rows, void *packed) {
    packing_pack(&ROWS, profile, terms, outputs, first, count, rows, packed);
}

/* y of §3; returns s_g. */
static int32_t plain_round(const int16_t *x, int16_t *y) {
    int top = 0;
    for (int k = 0; k < W8B8_BLOCK; k++) top = abs(x[k]) > top ? abs(x[k]) : top;
    const int exponent = group_exponent((unsigned)top);
    const int half = exponent ? 1 << (exponent - 1) : 0;
    for (int k = 0; k < W8B8_BLOCK; k++) {
        int rounded = (x[k] + half) >> exponent;
        y[k] = (int16_t)(rounded > 127 ? 127 : rounded < -127 ? -127 : rounded);
    }
    return exponent;
}

static void plain_prepare(int profile, int terms, int rows, int first, int count,
                          const int16_t *x, ptrdiff_t stride, void *prepared) {
    wide_prepare(plain_round, profile, terms, rows, first, count, x, stride, prepared);
}

/* block_b of §3. The inner loops have a constant length, so that compilers turn them
 * into vectors at low optimisation levels too. */
static int32_t dot_int8(const int16_t *x, const int8_t *w, int count) {
    int32_t sum = 0;
    for (; count > 0; count -= PAD_TERMS, x += PAD_TERMS, w += PAD_TERMS)
        for (int k = 0; k < PAD_TERMS; k++) sum += x[k] * w[k];
    return sum;
}

static int32_t dot_int16(const int16_t *x, const int16_t *w) {
    int32_t sum = 0;
    for (int k = 0; k < W12A16_BLOCK; k++) sum += x[k] * w[k];
    return sum;
}

/* total of §3, by profile. */
static int32_t total_w8a16(const int16_t *x, const int8_t *w, int terms) {
    int32_t total = 0;
    for (int k = 0; k < terms; k += W8A16_BLOCK)
        total += dot_int8(x + k, w + k, smaller(W8A16_BLOCK, terms - k)) >> W8A16_SHIFT;
    return total;
}

/* A block's sum is multiplied, not shifted left: C leaves that open when it is
 * negative. */
static int32_t total_w8b8(const int16_t *x, const int8_t *w, int terms,
                          const int32_t *exponent) {
    int32_t total = 0;
    for (int k = 0; k < terms; k += W8B8_BLOCK) {
        int32_t sum = dot_int8(x + k, w + k, smaller(W8B8_BLOCK, terms - k));
        total += (sum * (1 << *exponent++)) >> W8B8_SHIFT;
    }
    return total;
}

static int32_t total_w12a16(const int16_t *x, const int16_t *w, int terms) {
    int32_t total = 0;
    for (int k = 0; k < terms; k += W12A16_BLOCK)
        total += dot_int16(x + k, w + k) >> W12A16_SHIFT;
    return total;
}

static void plain_tile(const struct product *product, int panel_index,
                       const void *prepared, int rows, int first, int count,
                       int32_t *values) {
    const int profile = product->profile, terms = padded_terms(product->terms);
    for (int j = 0; j < PANEL; j++) {
        const ptrdiff_t output = (ptrdiff_t)panel_index * PANEL + j;
        const int8_t *w8 = (const int8_t *)product->packed + output * terms;
        const int16_t *w16 = (const int16_t *)product->packed + output * terms;
        for (int r = 0; r < count; r++) {
            const int16_t *x =
                (const int16_t *)prepared + (first + r) * wide_stride(product->terms);
            int32_t total;
            if (profile == PROFILE_W8A16)
                total = total_w8a16(x, w8, terms);
            else if (profile == PROFILE_W12A16)
                total = total_w12a16(x, w16, terms);
            else
                total = total_w8b8(
                    x, w8, terms,
                    wide_exponents(prepared, rows, product->terms, first + r));
            values[r * PANEL + j] =
                scaled(total, product->multiplier[output], product->bias[output]);
        }
    }
}

const struct gemm gemm_plain = {
    "plain",    PANEL,      ROW_BLOCK,     plain_packed_bytes,
    plain_pack, wide_bytes, plain_prepare, plain_tile,
};
