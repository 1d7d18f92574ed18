/* Activation rows prepared as int16, and the tiles that take them. */
#include <string.h>

#include "gemm_kernels.h"

size_t wide_bytes(int profile, int rows, int terms) {
    size_t values = (size_t)rows * (size_t)wide_stride(terms) * sizeof(int16_t);
    size_t exponents = (size_t)rows * (size_t)group_count(terms) * sizeof(int32_t);
    return profile == PROFILE_W8B8 ? values + exponents : values;
}

static void copy_row(int terms, const int16_t *x, int16_t *out) {
    memcpy(out, x, (size_t)terms * sizeof *x);
    memset(out + terms, 0, (size_t)(padded_terms(terms) - terms) * sizeof *x);
}

static void round_row(round_group *round, int terms, const int16_t *x, int16_t *out,
                      int32_t *exponents) {
    int at = 0;
    for (; at + W8B8_BLOCK <= terms; at += W8B8_BLOCK)
        *exponents++ = round(x + at, out + at);
    if (at == terms)
        return;
    int16_t last[W8B8_BLOCK] = {0}, rounded[W8B8_BLOCK];
    memcpy(last, x + at, (size_t)(terms - at) * sizeof *x);
    *exponents = round(last, rounded);
    memcpy(out + at, rounded, (size_t)(padded_terms(terms) - at) * sizeof *x);
}

void wide_prepare(round_group *round, int profile, int terms, int rows, int first,
                  int count, const int16_t *x, ptrdiff_t stride, void *prepared) {
    for (int row = first; row < first + count; row++, x += stride) {
        int16_t *out = (int16_t *)prepared + row * wide_stride(terms);
        if (profile == PROFILE_W8B8)
            round_row(round, terms, x, out, wide_exponents(prepared, rows, terms, row));
        else
            copy_row(terms, x, out);
    }
}

/* All rows take a strip before the next one, so that it stays in the L1 cache. */
void wide_totals(wide_kernel *const kernels[3][WIDE_ROWS],
                 const struct product *product, int panel_index, const void *prepared,
                 int rows, int first, int count, int32_t *totals) {
    const int profile = product->profile, terms = product->terms;
    const ptrdiff_t weight = profile == PROFILE_W12A16 ? 2 : 1;
    const ptrdiff_t strip = WIDE_STRIP * padded_terms(terms) * weight;
    const uint8_t *w = product->packed;
    w += panel_index * (WIDE_PANEL / WIDE_STRIP) * strip;
    memset(totals, 0, (size_t)count * WIDE_PANEL * sizeof *totals);
    for (int at = 0; at < WIDE_PANEL; at += WIDE_STRIP, w += strip) {
        for (int r = 0; r < count; r += WIDE_ROWS) {
            const int row = first + r;
            const int16_t *x = (const int16_t *)prepared + row * wide_stride(terms);
            const int32_t *exponents = NULL;
            if (profile == PROFILE_W8B8)
                exponents = wide_exponents(prepared, rows, terms, row);
            kernels[profile][smaller(WIDE_ROWS, count - r) - 1](
                w, x, wide_stride(terms), padded_terms(terms), exponents,
                totals + r * WIDE_PANEL + at);
        }
    }
}
