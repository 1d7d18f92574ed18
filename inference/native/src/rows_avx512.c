/* The row operations for AVX-512: F, BW, VL and VNNI.
 *
 * The last vector of a row is masked; in short loops so are the others, with all lanes
 * on, but where a row is long that would cost a quarter of the time. */
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "row_math.h"
#include "rows_versions.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE TARGET __attribute__((always_inline)) static inline
#define LANES 16
#define PACK 2
#define MAX_ROWS 6
#define MAX_COLUMNS 4

/* The upper half of each 64-bit lane, and of each 32-bit lane. */
#define ODD_LANES ((__mmask16)0xAAAA)
#define ODD_WORDS ((__mmask32)0xAAAAAAAA)

#define ALL ((__mmask16)0xFFFF)

/* The first `left` lanes. */
static inline __mmask16 lanes(int left) {
    return (__mmask16)(left >= LANES ? ALL : (1u << left) - 1);
}

/* --- Layer norm and epilogues --- */

INLINE __m512i clamped(__m512i v, int32_t limit) {
    v = _mm512_min_epi32(v, _mm512_set1_epi32(limit));
    return _mm512_max_epi32(v, _mm512_set1_epi32(-limit));
}

struct spread {
    __m512i sum, low, high;
};

INLINE void spread_over(struct spread *to, const int32_t *x, __mmask16 some) {
    /* A lane without a value repeats one that was there before. */
    __m512i v = _mm512_mask_loadu_epi32(to->low, some, x);
    to->low = _mm512_min_epi32(to->low, v);
    to->high = _mm512_max_epi32(to->high, v);
    v = _mm512_maskz_mov_epi32(some, v);
    const __m512i first = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(v));
    const __m512i second = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(v, 1));
    to->sum = _mm512_add_epi64(to->sum, _mm512_add_epi64(first, second));
}

TARGET static struct spread spread_of(const int32_t *x, int n) {
    const __m512i any = _mm512_set1_epi32(x[0]);
    struct spread spread = {.sum = _mm512_setzero_si512(), .low = any, .high = any};
    int k = 0;
    for (; n - k >= LANES; k += LANES) spread_over(&spread, x + k, ALL);
    if (k < n) spread_over(&spread, x + k, lanes(n - k));
    return spread;
}

/* What leads to c of §5. */
struct centre {
    __m512i mean;
    __m128i up, down; /* one of the two shifts is 0 */
};

/* c for some lanes, 0 in the others. */
INLINE __m512i centred(const struct centre *by, const int32_t *x, __mmask16 some) {
    __m512i v = _mm512_mask_loadu_epi32(by->mean, some, x);
    __m512i d = _mm512_sub_epi32(v, by->mean);
    return _mm512_sra_epi32(_mm512_sll_epi32(d, by->up), by->down);
}

INLINE __m512i add_squares(__m512i sum, __m512i c) {
    const __m512i odd = _mm512_srli_epi64(c, 32);
    sum = _mm512_add_epi64(sum, _mm512_mul_epi32(c, c));
    return _mm512_add_epi64(sum, _mm512_mul_epi32(odd, odd));
}

TARGET static uint64_t sum_of_squares(const struct centre *by, const int32_t *x,
                                      int n) {
    __m512i sum = _mm512_setzero_si512();
    int k = 0;
    for (; n - k >= LANES; k += LANES) sum = add_squares(sum, centred(by, x + k, ALL));
    if (k < n) sum = add_squares(sum, centred(by, x + k, lanes(n - k)));
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

/* y of §5 from c. (product + 2^(t-1)) >> t is ((product >> (t-1)) + 1) >> 1, and as the
 * first quotient fits int32, no arithmetic shift of 64 bits is needed: even lanes move
 * down, odd ones up into their place. */
INLINE __m512i normalised(__m512i c, __m512i r, __m128i shift, int fraction) {
    const __m512i e = _mm512_cvtepu8_epi32(shift);
    __m512i down = _mm512_sub_epi32(_mm512_set1_epi32(39 - fraction), e);
    down = _mm512_and_si512(down, _mm512_set1_epi64(0xFFFFFFFF));
    __m512i up = _mm512_add_epi32(_mm512_set1_epi32(32 - 39 + fraction), e);
    up = _mm512_srli_epi64(up, 32);
    const __m512i even = _mm512_srlv_epi64(_mm512_mul_epi32(c, r), down);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(c, 32), r);
    odd = _mm512_sllv_epi64(odd, up);
    __m512i v = _mm512_mask_mov_epi32(even, ODD_LANES, odd);
    v = _mm512_srai_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(1)), 1);
    return clamped(v, VALUE_LIMIT);
}

TARGET static void normalise(const struct centre *by, int32_t r, int fraction,
                             const uint8_t *shift, const int32_t *x, int n,
                             int16_t *y) {
    const __m512i factor = _mm512_set1_epi32(r);
    int k = 0;
    for (; n - k >= LANES; k += LANES) {
        const __m128i e = _mm_loadu_si128((const __m128i *)(shift + k));
        const __m512i v = normalised(centred(by, x + k, ALL), factor, e, fraction);
        _mm256_storeu_si256((__m256i *)(y + k), _mm512_cvtepi32_epi16(v));
    }
    if (k < n) {
        const __mmask16 some = lanes(n - k);
        const __m128i e = _mm_maskz_loadu_epi8(some, shift + k);
        const __m512i v = normalised(centred(by, x + k, some), factor, e, fraction);
        _mm512_mask_cvtepi32_storeu_epi16(y + k, some, v);
    }
}

TARGET static void norm(const int32_t *x, int n, int fraction, const uint8_t *shift,
                        int32_t epsilon, int16_t *y) {
    struct spread spread = spread_of(x, n);
    int32_t mean = (int32_t)floor_divide(_mm512_reduce_add_epi64(spread.sum), n);
    int32_t above = _mm512_reduce_max_epi32(spread.high) - mean;
    int32_t below = mean - _mm512_reduce_min_epi32(spread.low);
    int32_t top = above > below ? above : below;
    if (top == 0) {
        memset(y, 0, (size_t)n * sizeof *y);
        return;
    }
    int s = norm_shift((uint32_t)top);
    struct centre by = {.mean = _mm512_set1_epi32(mean),
                        .up = _mm_cvtsi32_si128(s < 0 ? -s : 0),
                        .down = _mm_cvtsi32_si128(s < 0 ? 0 : s)};
    int32_t r = norm_reciprocal(sum_of_squares(&by, x, n), n, epsilon, s);
    normalise(&by, r, fraction, shift, x, n, y);
}

TARGET static void store_i16(const int32_t *v, int n, int limit, int16_t *out) {
    for (int k = 0; k < n; k += 16) {
        __mmask16 some = lanes(n - k);
        __m512i value = _mm512_maskz_loadu_epi32(some, v + k);
        _mm512_mask_cvtepi32_storeu_epi16(out + k, some, clamped(value, limit));
    }
}

TARGET static void add_residual(const int32_t *v, int n, int32_t *x) {
    for (int k = 0; k < n; k += 16) {
        __mmask16 some = lanes(n - k);
        __m512i value = clamped(_mm512_maskz_loadu_epi32(some, v + k), REST);
        value = _mm512_add_epi32(value, _mm512_maskz_loadu_epi32(some, x + k));
        _mm512_mask_storeu_epi32(x + k, some, clamped(value, REST));
    }
}

/* Look-ups one by one: a gather is no faster and much slower on some CPUs. */
TARGET static void activate(const int32_t *v, int n, const int16_t *table,
                            int16_t *out) {
    const __m512i offset = _mm512_set1_epi32(32768);
    uint16_t index[LANES];
    for (int k = 0; k < n; k += LANES) {
        int left = n - k;
        __m512i value = _mm512_maskz_loadu_epi32(lanes(left), v + k);
        value = _mm512_add_epi32(clamped(value, VALUE_LIMIT), offset);
        _mm256_storeu_si256((__m256i *)index, _mm512_cvtepi32_epi16(value));
        if (left >= LANES) {
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) out[k + i] = table[index[i]];
        } else {
            for (int i = 0; i < left; i++) out[k + i] = table[index[i]];
        }
    }
}

TARGET static void store_logits(const int32_t *v, int n, int32_t *out) {
    for (int k = 0; k < n; k += 16) {
        __mmask16 some = lanes(n - k);
        __m512i value = _mm512_maskz_loadu_epi32(some, v + k);
        value = _mm512_slli_epi32(clamped(value, HEAD_LIMIT), LOGIT_SHIFT);
        _mm512_mask_storeu_epi32(out + k, some, value);
    }
}

/* --- Attention --- */

typedef int32_t unit; /* a pair of int16 */
typedef __m512i column, factor, sums;

INLINE sums no_sums(void) { return _mm512_setzero_si512(); }
INLINE column column_at(const unit *from) { return _mm512_loadu_si512(from); }
INLINE factor factor_of(unit pair) { return _mm512_set1_epi32(pair); }
INLINE void store_sums(int32_t *to, sums sum) { _mm512_storeu_si512(to, sum); }

/* Assembly, since gcc 12 copies the accumulators of this instruction's intrinsic to the
 * stack and back at every step. */
INLINE sums add_products(sums sum, factor by, column values) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(by), "v"(values));
    return sum;
}

#include "rows_attention.h"

TARGET static void put_values(int16_t *to, int width, const int16_t *v) {
    const __mmask32 every_other = ~ODD_WORDS;
    for (int i = 0; i < width; i += LANES, to += 2 * LANES) {
        /* Also where a row of the cache is padded: its zeros do no harm. */
        __m256i words = _mm256_maskz_loadu_epi16(lanes(width - i), v + i);
        _mm512_mask_storeu_epi16(to, every_other, _mm512_cvtepu16_epi32(words));
    }
}

/* What exponentials() needs of a row. */
struct softmax {
    __m512i top, bound, sharpness;
};

/* z of §6 for 16 scores; bounded differences keep it within 21 bits. */
INLINE __m512i exponents(const struct softmax *by, __m512i scores) {
    __m512i d = _mm512_min_epu32(_mm512_sub_epi32(by->top, scores), by->bound);
    __m512i even = _mm512_mul_epu32(d, by->sharpness);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(d, 32), by->sharpness);
    return _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 24), ODD_LANES,
                                 _mm512_slli_epi64(odd, 8));
}

/* e of §6 for 32 positions, from their z, as pairs (t, t + 16). */
INLINE __m512i exponentials(__m512i lower, __m512i upper) {
    __m512i u = _mm512_mask_mov_epi16(lower, ODD_WORDS, _mm512_slli_epi32(upper, 16));
    __m512i shift =
        _mm512_mask_mov_epi16(_mm512_srli_epi32(lower, 16), ODD_WORDS, upper);
    __m512i v = _mm512_mulhi_epu16(u, _mm512_set1_epi16(2625));
    v = _mm512_mulhi_epu16(u, _mm512_sub_epi16(_mm512_set1_epi16(15189), v));
    v = _mm512_mulhi_epu16(u, _mm512_sub_epi16(_mm512_set1_epi16((short)45336), v));
    v = _mm512_sub_epi16(_mm512_set1_epi16(-1), v);
    return _mm512_srlv_epi16(_mm512_srli_epi16(v, 1), shift);
}

TARGET static int32_t top_score(const int32_t *scores, int n) {
    __m512i any = _mm512_set1_epi32(scores[0]), top = any;
    for (int t = 0; t < n; t += LANES) {
        __m512i v = _mm512_mask_loadu_epi32(any, lanes(n - t), scores + t);
        top = _mm512_max_epi32(top, v);
    }
    return _mm512_reduce_max_epi32(top);
}

/* Writes e of n scores over them, as pairs, zeros up to `groups`; returns their sum.
 * A group's pairs take half the room of its scores, so nothing unread is lost. */
TARGET static uint32_t exponentiate(int32_t *row, int n, int groups,
                                    uint32_t sharpness) {
    const struct softmax by = {
        .top = _mm512_set1_epi32(top_score(row, n)),
        .bound = _mm512_set1_epi32((int32_t)sharpness_bound(sharpness)),
        .sharpness = _mm512_set1_epi64(sharpness)};
    const __m512i ones = _mm512_set1_epi16(1), none = _mm512_set1_epi32(16 << 16);
    __m512i sum = _mm512_setzero_si512();
    for (int g = 0; g < groups; g++) {
        int left = n - g * GROUP;
        __m512i lower = exponents(&by, _mm512_loadu_si512(row + g * GROUP));
        __m512i upper = exponents(&by, _mm512_loadu_si512(row + g * GROUP + LANES));
        if (left < GROUP) { /* `none` shifts everything out */
            left = left < 0 ? 0 : left;
            lower = _mm512_mask_mov_epi32(none, lanes(left), lower);
            upper =
                _mm512_mask_mov_epi32(none, lanes(left < 16 ? 0 : left - 16), upper);
        }
        __m512i e = exponentials(lower, upper);
        sum = add_products(sum, e, ones);
        _mm512_storeu_si512(row + g * LANES, e);
    }
    return (uint32_t)_mm512_reduce_add_epi32(sum);
}

/* Turns e into weights; returns their sum. */
/* weight[t] of §6. */
TARGET static int32_t weigh(int32_t *row, int groups, uint32_t inverse) {
    const __m512i factor = _mm512_set1_epi16((short)inverse);
    const __m512i ones = _mm512_set1_epi16(1);
    __m512i sum = _mm512_setzero_si512();
    for (int g = 0; g < groups; g++) {
        __m512i e = _mm512_loadu_si512(row + g * LANES);
        __m512i weights = _mm512_mulhi_epu16(e, factor);
        sum = add_products(sum, weights, ones);
        _mm512_storeu_si512(row + g * LANES, weights);
    }
    return _mm512_reduce_add_epi32(sum);
}

TARGET static void mix_row(const int32_t *sums, int width, int32_t reciprocal,
                           int16_t *mixed) {
    const __m512i by = _mm512_set1_epi32(reciprocal);
    const __m512i half = _mm512_set1_epi64(1 << 30);
    for (int i = 0; i < width; i += LANES) {
        __m512i v = _mm512_loadu_si512(sums + i);
        __m512i even = _mm512_add_epi64(_mm512_mul_epi32(v, by), half);
        __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(v, 32), by);
        odd = _mm512_add_epi64(odd, half);
        v = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 31), ODD_LANES,
                                  _mm512_slli_epi64(odd, 1));
        _mm512_mask_cvtepi32_storeu_epi16(mixed + i, lanes(width - i), v);
    }
}

ROWS_OF(avx512);

#endif
