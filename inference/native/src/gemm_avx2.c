/* The products with AVX2.
 *
 * vpmaddwd multiplies int16 pairs and adds each pair's products; weights of one byte
 * are widened on the way. (vpmaddubsw would take bytes, but saturates.) A kernel
 * computes 16 outputs (two vectors) by up to 4 rows: 8 vectors of sums, which with
 * weights, activations and a product fit the 16 registers.
 *
 * The kernels are macros over the number of rows: the sums must be named variables to
 * stay in registers, and few rows should not pay for four. */
#include "gemm_kernels.h"

#ifdef GEMM_X86

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

#define EACH_ROW_1(DO) DO(0)
#define EACH_ROW_2(DO) EACH_ROW_1(DO) DO(1)
#define EACH_ROW_3(DO) EACH_ROW_2(DO) DO(2)
#define EACH_ROW_4(DO) EACH_ROW_3(DO) DO(3)

/* One pair of terms of one row, to every lane. */
AVX2 static inline __m256i broadcast(const int16_t *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return _mm256_set1_epi32(pair);
}

AVX2 static inline __m256i widen(const uint8_t *w) {
    return _mm256_cvtepi8_epi16(_mm_load_si128((const void *)w));
}

AVX2 static inline __m256i load(const void *w) { return _mm256_load_si256(w); }

/* The addition is inline assembly: gcc 12 reorders additions that it understands, and
 * then has more products under way than there are registers. */
AVX2 static inline __m256i add_pairs(__m256i sum, __m256i w, __m256i x) {
    const __m256i pairs = _mm256_madd_epi16(w, x);
    __asm__("vpaddd %1, %0, %0" : "+x"(sum) : "x"(pairs));
    return sum;
}

AVX2 static inline void add_to(int32_t *total, __m256i sum) {
    _mm256_store_si256((void *)total, _mm256_add_epi32(load(total), sum));
}

#define START(r) __m256i a##r = _mm256_setzero_si256(), b##r = a##r;

#define ADD(r)                                                                         \
    {                                                                                  \
        const __m256i pair = broadcast(x + (r) * stride);                              \
        a##r = add_pairs(a##r, wa, pair);                                              \
        b##r = add_pairs(b##r, wb, pair);                                              \
    }

#define FINISH(r)                                                                      \
    add_to(totals + (r) * WIDE_PANEL, _mm256_srai_epi32(a##r, block_shift));           \
    add_to(totals + (r) * WIDE_PANEL + 8, _mm256_srai_epi32(b##r, block_shift));

#define FINISH_GROUP(r)                                                                \
    {                                                                                  \
        const __m128i exponent =                                                       \
            _mm_cvtsi32_si128(exponents[(r) * groups + done / W8B8_BLOCK]);            \
        a##r = _mm256_sll_epi32(a##r, exponent);                                       \
        b##r = _mm256_sll_epi32(b##r, exponent);                                       \
    }                                                                                  \
    FINISH(r)

/* One pair of terms: 16 times 2 weights of `size` bytes. */
#define STEP(EACH_ROW, LOAD, size)                                                     \
    {                                                                                  \
        const __m256i wa = LOAD(w), wb = LOAD(w + 16 * (size));                        \
        EACH_ROW(ADD)                                                                  \
        w += 32 * (size);                                                              \
        x += 2;                                                                        \
    }

#define KERNEL(NAME, EACH_ROW, ROWS, LOAD, size, BLOCK, SHIFT, FINISH_BLOCK)           \
    AVX2 static void NAME(const uint8_t *w, const int16_t *x, ptrdiff_t stride,        \
                          int terms, const int32_t *exponents, int32_t *totals) {      \
        enum { block_shift = SHIFT };                                                  \
        const ptrdiff_t groups = group_count(terms);                                   \
        for (int done = 0; done < terms; done += BLOCK) {                              \
            const int count = smaller(BLOCK, terms - done);                            \
            EACH_ROW(START)                                                            \
            for (int k = 0; k < count; k += 8) {                                       \
                prefetch(w, 128 * (size), (size) == 1 || (ROWS) == 4);                 \
                STEP(EACH_ROW, LOAD, size)                                             \
                STEP(EACH_ROW, LOAD, size)                                             \
                STEP(EACH_ROW, LOAD, size)                                             \
                STEP(EACH_ROW, LOAD, size)                                             \
            }                                                                          \
            EACH_ROW(FINISH_BLOCK)                                                     \
        }                                                                              \
        (void)groups, (void)exponents;                                                 \
    }

#define KERNELS_FOR(ROWS)                                                              \
    KERNEL(w8a16_##ROWS, EACH_ROW_##ROWS, ROWS, widen, 1, W8A16_BLOCK, W8A16_SHIFT,    \
           FINISH)                                                                     \
    KERNEL(w8b8_##ROWS, EACH_ROW_##ROWS, ROWS, widen, 1, W8B8_BLOCK, W8B8_SHIFT,       \
           FINISH_GROUP)                                                               \
    KERNEL(w12a16_##ROWS, EACH_ROW_##ROWS, ROWS, load, 2, W12A16_BLOCK, W12A16_SHIFT,  \
           FINISH)

KERNELS_FOR(1)
KERNELS_FOR(2)
KERNELS_FOR(3)
KERNELS_FOR(4)

/* By profile and number of rows less 1. */
static wide_kernel *const KERNELS[3][WIDE_ROWS] = {
    [PROFILE_W8A16] = {w8a16_1, w8a16_2, w8a16_3, w8a16_4},
    [PROFILE_W8B8] = {w8b8_1, w8b8_2, w8b8_3, w8b8_4},
    [PROFILE_W12A16] = {w12a16_1, w12a16_2, w12a16_3, w12a16_4},
};

/* --- Packing and activations --- */

static const struct packing STRIPS = {WIDE_PANEL, WIDE_STRIP, 2, 0};

static size_t avx2_packed_bytes(int profile, int outputs, int terms) {
    return packing_bytes(&STRIPS, profile, outputs, terms);
}

static void avx2_pack(int profile, int terms, int outputs, int first, int count,
                      const void *rows, void *packed) {
    packing_pack(&STRIPS, profile, terms, outputs, first, count, rows, packed);
}

/* The largest magnitude among one group of terms. */
AVX2 static int largest_magnitude(const int16_t *x) {
    __m256i top = _mm256_setzero_si256();
    for (int k = 0; k < W8B8_BLOCK; k += 16) {
        const __m256i terms = _mm256_loadu_si256((const void *)(x + k));
        top = _mm256_max_epu16(top, _mm256_abs_epi16(terms));
    }
    __m128i half =
        _mm_max_epu16(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    /* The smallest of the complements is the complement of the largest. */
    half = _mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1)));
    return 0xffff & ~_mm_cvtsi128_si32(half);
}

/* ((x >> (s - 1)) + 1) >> 1 is (x + 2^(s - 1)) >> s, for floors nest, and cannot
 * overflow 16 bits. */
AVX2 static int32_t avx2_round(const int16_t *x, int16_t *y) {
    const int exponent = group_exponent((unsigned)largest_magnitude(x));
    const __m128i shift = _mm_cvtsi32_si128(exponent - 1);
    for (int k = 0; k < W8B8_BLOCK; k += 16) {
        __m256i terms = _mm256_loadu_si256((const void *)(x + k));
        if (exponent) {
            terms = _mm256_sra_epi16(terms, shift);
            terms = _mm256_add_epi16(terms, _mm256_set1_epi16(1));
            terms = _mm256_srai_epi16(terms, 1);
        }
        terms = _mm256_min_epi16(terms, _mm256_set1_epi16(127));
        terms = _mm256_max_epi16(terms, _mm256_set1_epi16(-127));
        _mm256_storeu_si256((void *)(y + k), terms);
    }
    return exponent;
}

static void avx2_prepare(int profile, int terms, int rows, int first, int count,
                         const int16_t *x, ptrdiff_t stride, void *prepared) {
    wide_prepare(avx2_round, profile, terms, rows, first, count, x, stride, prepared);
}

/* --- Tiles --- */

/* scale(total, multiplier) + bias. Even and odd lanes are multiplied apart; of the even
 * lanes' 64-bit results the upper halves move down, of the odd ones' they are in place,
 * so that no arithmetic shift of 64 bits is needed, which AVX2 lacks. */
AVX2 static inline __m256i scale_lanes(__m256i total, __m256i multiplier,
                                       __m256i bias) {
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << 31);
    const __m256i even = _mm256_mul_epi32(total, multiplier);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(total, 32),
                                         _mm256_srli_epi64(multiplier, 32));
    const __m256i low = _mm256_srli_epi64(_mm256_add_epi64(even, half), 32);
    const __m256i high = _mm256_add_epi64(odd, half);
    return _mm256_add_epi32(_mm256_blend_epi32(low, high, 0xAA), bias);
}

AVX2 static void scale_tile(const struct product *product, int panel_index, int count,
                            int32_t *values) {
    for (int at = 0; at < WIDE_PANEL; at += 8) {
        const ptrdiff_t output = (ptrdiff_t)panel_index * WIDE_PANEL + at;
        const __m256i multiplier = load(product->multiplier + output);
        const __m256i bias = load(product->bias + output);
        for (int r = 0; r < count; r++) {
            int32_t *value = values + r * WIDE_PANEL + at;
            const __m256i result = scale_lanes(load(value), multiplier, bias);
            _mm256_store_si256((void *)value, result);
        }
    }
}

static void avx2_tile(const struct product *product, int panel_index,
                      const void *prepared, int rows, int first, int count,
                      int32_t *values) {
    wide_totals(KERNELS, product, panel_index, prepared, rows, first, count, values);
    scale_tile(product, panel_index, count, values);
}

const struct gemm gemm_avx2 = {
    "avx2",    WIDE_PANEL, WIDE_ROW_BLOCK, avx2_packed_bytes,
    avx2_pack, wide_bytes, avx2_prepare,   avx2_tile,
};

#endif
