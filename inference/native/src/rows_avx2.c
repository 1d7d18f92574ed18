/* The row operations for AVX2.
 *
 * AVX2 cannot mask cheaply, so what is left of a row after its last full vector is done
 * one by one. */
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "row_math.h"
#include "rows_versions.h"

#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET __attribute__((always_inline)) static inline
#define LANES 8
#define PACK 2
#define MAX_ROWS 4
#define MAX_COLUMNS 2

/* For blends: the upper half of each 64-bit lane, and of each 32-bit lane. */
#define ODD_LANES 0xAA
#define ODD_WORDS 0xAA

INLINE __m256i load(const void *from) { return _mm256_loadu_si256(from); }
INLINE void store(void *to, __m256i v) { _mm256_storeu_si256(to, v); }

/* The int16 in the lower half of each 32-bit lane, side by side. */
INLINE __m128i narrow(__m256i v) {
    const __m256i packed = _mm256_packs_epi32(v, v);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

INLINE uint64_t sum_of_4(__m256i v) {
    uint64_t lane[4];
    store(lane, v);
    return lane[0] + lane[1] + lane[2] + lane[3];
}

INLINE uint32_t sum_of_8(__m256i v) {
    const __m256i even = _mm256_blend_epi32(v, _mm256_setzero_si256(), ODD_LANES);
    return (uint32_t)sum_of_4(_mm256_add_epi64(even, _mm256_srli_epi64(v, 32)));
}

/* --- Layer norm and epilogues --- */

struct spread {
    int64_t sum;
    int32_t low, high;
};

TARGET static struct spread spread_of(const int32_t *x, int n) {
    __m256i low = _mm256_set1_epi32(x[0]), high = low, sum = _mm256_setzero_si256();
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const __m256i v = load(x + k);
        low = _mm256_min_epi32(low, v);
        high = _mm256_max_epi32(high, v);
        sum = _mm256_add_epi64(sum, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)));
        sum = _mm256_add_epi64(sum,
                               _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1)));
    }
    int32_t lows[LANES], highs[LANES];
    store(lows, low);
    store(highs, high);
    struct spread all = {(int64_t)sum_of_4(sum), x[0], x[0]};
    for (int i = 0; i < LANES; i++) {
        all.low = lows[i] < all.low ? lows[i] : all.low;
        all.high = highs[i] > all.high ? highs[i] : all.high;
    }
    for (; k < n; k++) {
        all.sum += x[k];
        all.low = x[k] < all.low ? x[k] : all.low;
        all.high = x[k] > all.high ? x[k] : all.high;
    }
    return all;
}

/* Shifts to c of §5; one of the two is 0. */
struct centre {
    int32_t mean;
    int up, down;
};

INLINE __m256i centred(const struct centre *by, const int32_t *x) {
    const __m256i d = _mm256_sub_epi32(load(x), _mm256_set1_epi32(by->mean));
    const __m256i raised = _mm256_sll_epi32(d, _mm_cvtsi32_si128(by->up));
    return _mm256_sra_epi32(raised, _mm_cvtsi32_si128(by->down));
}

static int32_t centred_one(const struct centre *by, int32_t x) {
    return ((x - by->mean) >> by->down) * (1 << by->up);
}

TARGET static uint64_t sum_of_squares(const struct centre *by, const int32_t *x,
                                      int n) {
    __m256i even = _mm256_setzero_si256(), odd = even;
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const __m256i c = centred(by, x + k), upper = _mm256_srli_epi64(c, 32);
        even = _mm256_add_epi64(even, _mm256_mul_epi32(c, c));
        odd = _mm256_add_epi64(odd, _mm256_mul_epi32(upper, upper));
    }
    uint64_t sum = sum_of_4(_mm256_add_epi64(even, odd));
    for (; k < n; k++) {
        const int64_t c = centred_one(by, x[k]);
        sum += (uint64_t)(c * c);
    }
    return sum;
}

/* y of §5 from c. (product + 2^(t-1)) >> t is ((product >> (t-1)) + 1) >> 1, and as the
 * first quotient fits int32, no arithmetic shift of 64 bits is needed: even lanes move down,
 * odd ones up into their place. */
TARGET static void normalise(const struct centre *by, int32_t r, int fraction,
                             const uint8_t *shift, const int32_t *x, int n,
                             int16_t *y) {
    const __m256i factor = _mm256_set1_epi32(r), one = _mm256_set1_epi32(1);
    const __m256i most = _mm256_set1_epi32(39 - fraction);
    const __m256i least = _mm256_set1_epi32(32 - 39 + fraction);
    const __m256i limit = _mm256_set1_epi32(VALUE_LIMIT),
                  floor = _mm256_set1_epi32(-VALUE_LIMIT);
    const __m256i lower_half = _mm256_set1_epi64x(0xFFFFFFFF);
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const __m256i c = centred(by, x + k);
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(shift + k));
        const __m256i e = _mm256_cvtepu8_epi32(bytes);
        const __m256i down = _mm256_and_si256(_mm256_sub_epi32(most, e), lower_half);
        const __m256i up = _mm256_srli_epi64(_mm256_add_epi32(least, e), 32);
        const __m256i even = _mm256_srlv_epi64(_mm256_mul_epi32(c, factor), down);
        __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(c, 32), factor);
        odd = _mm256_sllv_epi64(odd, up);
        __m256i v = _mm256_blend_epi32(even, odd, ODD_LANES);
        v = _mm256_srai_epi32(_mm256_add_epi32(v, one), 1);
        v = _mm256_max_epi32(_mm256_min_epi32(v, limit), floor);
        _mm_storeu_si128((__m128i *)(y + k), narrow(v));
    }
    for (; k < n; k++) {
        y[k] = norm_channel(centred_one(by, x[k]), r, 40 - fraction - shift[k]);
    }
}

static void norm(const int32_t *x, int n, int fraction, const uint8_t *shift,
                 int32_t epsilon, int16_t *y) {
    struct spread spread = spread_of(x, n);
    int32_t mean = (int32_t)floor_divide(spread.sum, n);
    int32_t above = spread.high - mean, below = mean - spread.low;
    int32_t top = above > below ? above : below;
    if (top == 0) {
        memset(y, 0, (size_t)n * sizeof *y);
        return;
    }
    int s = norm_shift((uint32_t)top);
    struct centre by = {.mean = mean, .up = s < 0 ? -s : 0, .down = s < 0 ? 0 : s};
    int32_t r = norm_reciprocal(sum_of_squares(&by, x, n), n, epsilon, s);
    normalise(&by, r, fraction, shift, x, n, y);
}

INLINE __m256i clamped(__m256i v, int32_t limit) {
    v = _mm256_min_epi32(v, _mm256_set1_epi32(limit));
    return _mm256_max_epi32(v, _mm256_set1_epi32(-limit));
}

TARGET static void store_i16(const int32_t *v, int n, int limit, int16_t *out) {
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        _mm_storeu_si128((__m128i *)(out + k), narrow(clamped(load(v + k), limit)));
    }
    for (; k < n; k++) out[k] = (int16_t)clamp_i32(v[k], limit);
}

TARGET static void add_residual(const int32_t *v, int n, int32_t *x) {
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const __m256i value = clamped(load(v + k), REST);
        store(x + k, clamped(_mm256_add_epi32(value, load(x + k)), REST));
    }
    for (; k < n; k++) x[k] = clamp_i32(x[k] + clamp_i32(v[k], REST), REST);
}

TARGET static void activate(const int32_t *v, int n, const int16_t *table,
                            int16_t *out) {
    uint32_t index[LANES];
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const __m256i value = clamped(load(v + k), VALUE_LIMIT);
        store(index, _mm256_add_epi32(value, _mm256_set1_epi32(32768)));
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) out[k + i] = table[index[i]];
    }
    for (; k < n; k++) out[k] = table[clamp_i32(v[k], VALUE_LIMIT) + 32768];
}

TARGET static void store_logits(const int32_t *v, int n, int32_t *out) {
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        store(out + k,
              _mm256_slli_epi32(clamped(load(v + k), HEAD_LIMIT), LOGIT_SHIFT));
    }
    for (; k < n; k++) out[k] = clamp_i32(v[k], HEAD_LIMIT) * (1 << LOGIT_SHIFT);
}

/* --- Attention --- */

typedef int32_t unit; /* a pair of int16 */
typedef __m256i column, factor, sums;

INLINE sums no_sums(void) { return _mm256_setzero_si256(); }
INLINE column column_at(const unit *from) { return load(from); }
INLINE factor factor_of(unit pair) { return _mm256_set1_epi32(pair); }
INLINE void store_sums(int32_t *to, sums sum) { store(to, sum); }
INLINE sums add_products(sums sum, factor by, column values) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(by, values));
}

#include "rows_attention.h"

static void put_values(int16_t *to, int width, const int16_t *v) {
    for (int i = 0; i < width; i++) to[PACK * i] = v[i];
}

/* What exponents() needs of a row. */
struct softmax {
    __m256i top, bound, sharpness;
};

/* z of §6 for 8 scores; bounded differences keep it within 21 bits. */
INLINE __m256i exponents(const struct softmax *by, const int32_t *scores) {
    const __m256i difference = _mm256_sub_epi32(by->top, load(scores));
    const __m256i d = _mm256_min_epu32(difference, by->bound);
    const __m256i even = _mm256_mul_epu32(d, by->sharpness);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(d, 32), by->sharpness);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 24), _mm256_slli_epi64(odd, 8),
                              ODD_LANES);
}

/* e of §6 for 16 positions, from their z, as pairs (t, t + 8). */
INLINE __m256i exponentials(__m256i lower, __m256i upper) {
    const __m256i raised = _mm256_slli_epi32(upper, 16);
    const __m256i u = _mm256_blend_epi16(lower, raised, ODD_WORDS);
    __m256i v = _mm256_mulhi_epu16(u, _mm256_set1_epi16(2625));
    v = _mm256_mulhi_epu16(u, _mm256_sub_epi16(_mm256_set1_epi16(15189), v));
    v = _mm256_mulhi_epu16(u, _mm256_sub_epi16(_mm256_set1_epi16((short)45336), v));
    v = _mm256_srli_epi16(_mm256_sub_epi16(_mm256_set1_epi16(-1), v), 1);
    /* AVX2 shifts no 16-bit lanes by different counts. */
    const __m256i first = _mm256_blend_epi16(v, _mm256_setzero_si256(), ODD_WORDS);
    const __m256i second = _mm256_srli_epi32(v, 16);
    const __m256i low = _mm256_srlv_epi32(first, _mm256_srli_epi32(lower, 16));
    const __m256i high = _mm256_srlv_epi32(second, _mm256_srli_epi32(upper, 16));
    return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}

TARGET static int32_t top_score(const int32_t *scores, int n) {
    int32_t top = scores[0];
    for (int t = 1; t < n; t++) top = scores[t] > top ? scores[t] : top;
    return top;
}

/* `v` in the first `left` lanes; in the others a z that leaves nothing of e. */
INLINE __m256i first_lanes(__m256i v, int left) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i some = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), lane);
    return _mm256_blendv_epi8(_mm256_set1_epi32(16 << 16), v, some);
}

TARGET static uint32_t exponentiate(int32_t *row, int n, int groups,
                                    uint32_t sharpness) {
    const struct softmax by = {
        .top = _mm256_set1_epi32(top_score(row, n)),
        .bound = _mm256_set1_epi32((int32_t)sharpness_bound(sharpness)),
        .sharpness = _mm256_set1_epi64x(sharpness)};
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (int g = 0; g < groups; g++) {
        int left = n - g * GROUP;
        __m256i lower = exponents(&by, row + g * GROUP);
        __m256i upper = exponents(&by, row + g * GROUP + LANES);
        if (left < GROUP) {
            lower = first_lanes(lower, left);
            upper = first_lanes(upper, left - LANES);
        }
        const __m256i e = exponentials(lower, upper);
        sum = add_products(sum, e, ones);
        store(row + g * LANES, e);
    }
    return sum_of_8(sum);
}

/* weight[t] of §6. */
TARGET static int32_t weigh(int32_t *row, int groups, uint32_t inverse) {
    const __m256i by = _mm256_set1_epi16((short)inverse), ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (int g = 0; g < groups; g++) {
        const __m256i weights = _mm256_mulhi_epu16(load(row + g * LANES), by);
        sum = add_products(sum, weights, ones);
        store(row + g * LANES, weights);
    }
    return (int32_t)sum_of_8(sum);
}

TARGET static void mix_row(const int32_t *sums, int width, int32_t reciprocal,
                           int16_t *mixed) {
    const __m256i by = _mm256_set1_epi32(reciprocal);
    const __m256i half = _mm256_set1_epi64x(1 << 30);
    int i = 0;
    for (; i + LANES <= width; i += LANES) {
        const __m256i v = load(sums + i), upper = _mm256_srli_epi64(v, 32);
        const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(v, by), half);
        const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(upper, by), half);
        const __m256i all = _mm256_blend_epi32(_mm256_srli_epi64(even, 31),
                                               _mm256_slli_epi64(odd, 1), ODD_LANES);
        _mm_storeu_si128((__m128i *)(mixed + i), narrow(all));
    }
    for (; i < width; i++) mixed[i] = mix(sums[i], reciprocal);
}

ROWS_OF(avx2);

#endif
