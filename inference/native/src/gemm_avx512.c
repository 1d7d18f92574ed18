/* The products with AVX-512 VNNI.
 *
 * A tile is 48 outputs (three vectors) by up to 8 rows: 24 vectors of sums, 3 of
 * weights, and the rest for activations, which is all that 32 registers hold. One
 * instruction multiplies and adds two int16 pairs (vpdpwssd) or four bytes (vpdpbusd)
 * per output. Sums wrap at 32 bits; the spec's bounds make the final ones fit.
 *
 * The kernels are macros over the number of rows: the sums must be named variables,
 * for an array of them tends to live in memory, even where loops unroll; and there is
 * a kernel for every number of rows, for few rows should not pay for eight. */
#include "gemm_avx512.h"

#ifdef GEMM_X86

#define EACH_ROW_1(DO) DO(0)
#define EACH_ROW_2(DO) EACH_ROW_1(DO) DO(1)
#define EACH_ROW_3(DO) EACH_ROW_2(DO) DO(2)
#define EACH_ROW_4(DO) EACH_ROW_3(DO) DO(3)
#define EACH_ROW_5(DO) EACH_ROW_4(DO) DO(4)
#define EACH_ROW_6(DO) EACH_ROW_5(DO) DO(5)
#define EACH_ROW_7(DO) EACH_ROW_6(DO) DO(6)
#define EACH_ROW_8(DO) EACH_ROW_7(DO) DO(7)

/* Inline assembly, since gcc 12 copies the sums to the stack around the intrinsics.
 * One of the factors of dot_bytes is unsigned. */
AVX512 static inline __m512i dot_pairs(__m512i sum, __m512i w, __m512i x) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

AVX512 static inline __m512i dot_bytes(__m512i sum, __m512i unsigned_w, __m512i x) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_w), "v"(x));
    return sum;
}

/* 4 bytes, a pair or a quad of one row, to every lane. */
AVX512 static inline __m512i broadcast(const uint8_t *x) {
    int32_t terms;
    memcpy(&terms, x, sizeof terms);
    return _mm512_set1_epi32(terms);
}

AVX512 static inline __m512i widen(const uint8_t *w) {
    return _mm512_cvtepi8_epi16(_mm256_load_si256((const void *)w));
}

AVX512 static inline void add_to(int32_t *total, __m512i sum) {
    _mm512_store_si512(total, _mm512_add_epi32(_mm512_load_si512(total), sum));
}

#define START(r) __m512i a##r = zero, b##r = zero, c##r = zero;

#define ADD_PAIRS(r)                                                                   \
    {                                                                                  \
        const __m512i pair = broadcast(x + (r) * stride);                              \
        a##r = dot_pairs(a##r, wa, pair);                                              \
        b##r = dot_pairs(b##r, wb, pair);                                              \
        c##r = dot_pairs(c##r, wc, pair);                                              \
    }

#define FINISH(r)                                                                      \
    add_to(totals + (r) * PANEL, _mm512_srai_epi32(a##r, block_shift));                \
    add_to(totals + (r) * PANEL + 16, _mm512_srai_epi32(b##r, block_shift));           \
    add_to(totals + (r) * PANEL + 32, _mm512_srai_epi32(c##r, block_shift));

/* One pair of terms, 96 bytes of int8 weights. */
#define W8A16_STEP(EACH_ROW)                                                           \
    {                                                                                  \
        const __m512i wa = widen(w), wb = widen(w + 32), wc = widen(w + 64);           \
        EACH_ROW(ADD_PAIRS)                                                            \
        w += 96;                                                                       \
        x += 4;                                                                        \
    }

#define W8A16_KERNEL(NAME, EACH_ROW, ROWS)                                             \
    AVX512 static void NAME(const uint8_t *w, const uint8_t *x, ptrdiff_t stride,      \
                            int terms, const struct group *groups, int32_t *totals) {  \
        enum { block_shift = W8A16_SHIFT };                                            \
        const __m512i zero = _mm512_setzero_si512();                                   \
        (void)groups;                                                                  \
        for (int done = 0; done < terms; done += W8A16_BLOCK) {                        \
            const int count = smaller(W8A16_BLOCK, terms - done);                      \
            EACH_ROW(START)                                                            \
            for (int k = 0; k < count; k += 8) {                                       \
                prefetch(w, 4 * 96, (ROWS) >= 4);                                      \
                W8A16_STEP(EACH_ROW)                                                   \
                W8A16_STEP(EACH_ROW)                                                   \
                W8A16_STEP(EACH_ROW)                                                   \
                W8A16_STEP(EACH_ROW)                                                   \
            }                                                                          \
            EACH_ROW(FINISH)                                                           \
        }                                                                              \
    }

/* One pair of terms, 192 bytes of int16 weights. */
#define W12A16_STEP(EACH_ROW)                                                          \
    {                                                                                  \
        const __m512i wa = _mm512_load_si512(w), wb = _mm512_load_si512(w + 64);       \
        const __m512i wc = _mm512_load_si512(w + 128);                                 \
        EACH_ROW(ADD_PAIRS)                                                            \
        w += 192;                                                                      \
        x += 4;                                                                        \
    }

#define W12A16_KERNEL(NAME, EACH_ROW)                                                  \
    AVX512 static void NAME(const uint8_t *w, const uint8_t *x, ptrdiff_t stride,      \
                            int terms, const struct group *groups, int32_t *totals) {  \
        enum { block_shift = W12A16_SHIFT };                                           \
        const __m512i zero = _mm512_setzero_si512();                                   \
        (void)groups;                                                                  \
        for (int done = 0; done < terms; done += W12A16_BLOCK) {                       \
            EACH_ROW(START)                                                            \
            for (int k = 0; k < W12A16_BLOCK; k += 8) {                                \
                prefetch(w, 4 * 192, 0);                                               \
                W12A16_STEP(EACH_ROW)                                                  \
                W12A16_STEP(EACH_ROW)                                                  \
                W12A16_STEP(EACH_ROW)                                                  \
                W12A16_STEP(EACH_ROW)                                                  \
            }                                                                          \
            EACH_ROW(FINISH)                                                           \
        }                                                                              \
    }

/* W8B8: the weights are stored as w + 128, so a group starts at -128 * (sum of its
 * mantissas), the same for all outputs. */
#define START_GROUP(r)                                                                 \
    __m512i a##r = _mm512_set1_epi32(groups[(r) * group_stride].start);                \
    __m512i b##r = a##r, c##r = a##r;

#define ADD_QUADS(r)                                                                   \
    {                                                                                  \
        const __m512i quad = broadcast(x + (r) * stride);                              \
        a##r = dot_bytes(a##r, wa, quad);                                              \
        b##r = dot_bytes(b##r, wb, quad);                                              \
        c##r = dot_bytes(c##r, wc, quad);                                              \
    }

#define SHIFTED(sum) _mm512_srai_epi32(_mm512_sllv_epi32(sum, exponent), W8B8_SHIFT)

#define FINISH_GROUP(r)                                                                \
    {                                                                                  \
        const __m512i exponent =                                                       \
            _mm512_set1_epi32(groups[(r) * group_stride].exponent);                    \
        add_to(totals + (r) * PANEL, SHIFTED(a##r));                                   \
        add_to(totals + (r) * PANEL + 16, SHIFTED(b##r));                              \
        add_to(totals + (r) * PANEL + 32, SHIFTED(c##r));                              \
    }

/* Four terms, 192 bytes of weights. */
#define W8B8_STEP(EACH_ROW)                                                            \
    {                                                                                  \
        const __m512i wa = _mm512_load_si512(w), wb = _mm512_load_si512(w + 64);       \
        const __m512i wc = _mm512_load_si512(w + 128);                                 \
        EACH_ROW(ADD_QUADS)                                                            \
        w += 192;                                                                      \
        x += 4;                                                                        \
    }

#define W8B8_KERNEL(NAME, EACH_ROW)                                                    \
    AVX512 static void NAME(const uint8_t *w, const uint8_t *x, ptrdiff_t stride,      \
                            int terms, const struct group *groups, int32_t *totals) {  \
        const ptrdiff_t group_stride = group_count(terms);                             \
        for (int done = 0; done < terms; done += W8B8_BLOCK, groups++) {               \
            const int count = smaller(W8B8_BLOCK, terms - done);                       \
            EACH_ROW(START_GROUP)                                                      \
            for (int k = 0; k < count; k += 16) {                                      \
                prefetch(w, 4 * 192, 0);                                               \
                W8B8_STEP(EACH_ROW)                                                    \
                W8B8_STEP(EACH_ROW)                                                    \
                W8B8_STEP(EACH_ROW)                                                    \
                W8B8_STEP(EACH_ROW)                                                    \
            }                                                                          \
            EACH_ROW(FINISH_GROUP)                                                     \
        }                                                                              \
    }

#define KERNELS_FOR(ROWS)                                                              \
    W8A16_KERNEL(w8a16_##ROWS, EACH_ROW_##ROWS, ROWS)                                  \
    W8B8_KERNEL(w8b8_##ROWS, EACH_ROW_##ROWS)                                          \
    W12A16_KERNEL(w12a16_##ROWS, EACH_ROW_##ROWS)

KERNELS_FOR(1)
KERNELS_FOR(2)
KERNELS_FOR(3)
KERNELS_FOR(4)
KERNELS_FOR(5)
KERNELS_FOR(6)
KERNELS_FOR(7)
KERNELS_FOR(8)

/* By profile and number of rows less 1. */
kernel *const avx512_kernels[3][ROW_BLOCK] = {
    {w8a16_1, w8a16_2, w8a16_3, w8a16_4, w8a16_5, w8a16_6, w8a16_7, w8a16_8},
    {w8b8_1, w8b8_2, w8b8_3, w8b8_4, w8b8_5, w8b8_6, w8b8_7, w8b8_8},
    {w12a16_1, w12a16_2, w12a16_3, w12a16_4, w12a16_5, w12a16_6, w12a16_7, w12a16_8},
};

#endif
