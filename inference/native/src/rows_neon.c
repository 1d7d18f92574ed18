/* The row operations for NEON, which every aarch64 CPU has.
 *
 * What is left of a row after its last full vector is done one by one. NEON shifts by a
 * negative count to the right, and rounds and narrows in the same step. */
#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#include "row_math.h"
#include "rows_versions.h"

#define TARGET
#define INLINE __attribute__((always_inline)) static inline
#define LANES 8
#define PACK 1
#define MAX_ROWS 4
#define MAX_COLUMNS 2

/* --- Layer norm and epilogues --- */

struct spread {
    int64_t sum;
    int32_t low, high;
};

static struct spread spread_of(const int32_t *x, int n) {
    int32x4_t low = vdupq_n_s32(x[0]), high = low;
    int64x2_t sum = vdupq_n_s64(0);
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const int32x4_t v = vld1q_s32(x + k);
        low = vminq_s32(low, v);
        high = vmaxq_s32(high, v);
        sum = vpadalq_s32(sum, v);
    }
    struct spread all = {vaddvq_s64(sum), vminvq_s32(low), vmaxvq_s32(high)};
    for (; k < n; k++) {
        all.sum += x[k];
        all.low = x[k] < all.low ? x[k] : all.low;
        all.high = x[k] > all.high ? x[k] : all.high;
    }
    return all;
}

/* What leads to c of §5. */
struct centre {
    int32_t mean;
    int s;
};

INLINE int32x4_t centred(const struct centre *by, const int32_t *x) {
    const int32x4_t d = vsubq_s32(vld1q_s32(x), vdupq_n_s32(by->mean));
    return vshlq_s32(d, vdupq_n_s32(-by->s));
}

static int32_t centred_one(const struct centre *by, int32_t x) {
    int32_t d = x - by->mean;
    return by->s < 0 ? d * (1 << -by->s) : d >> by->s;
}

static uint64_t sum_of_squares(const struct centre *by, const int32_t *x, int n) {
    int64x2_t low = vdupq_n_s64(0), high = low;
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const int32x4_t c = centred(by, x + k);
        low = vmlal_s32(low, vget_low_s32(c), vget_low_s32(c));
        high = vmlal_high_s32(high, c, c);
    }
    uint64_t sum = (uint64_t)vaddvq_s64(vaddq_s64(low, high));
    for (; k < n; k++) {
        const int64_t c = centred_one(by, x[k]);
        sum += (uint64_t)(c * c);
    }
    return sum;
}

/* 4 channels of §5 from c, r and -t, before the clamp: they fit 30 bits. */
INLINE int32x4_t normalised(int32x4_t c, int32x2_t r, int32x4_t shift) {
    const int64x2_t low = vmull_s32(vget_low_s32(c), r);
    const int64x2_t high = vmull_s32(vget_high_s32(c), r);
    return vcombine_s32(vmovn_s64(vrshlq_s64(low, vmovl_s32(vget_low_s32(shift)))),
                        vmovn_s64(vrshlq_s64(high, vmovl_s32(vget_high_s32(shift)))));
}

/* clamp(v, 32767), narrowed. */
INLINE int16x8_t narrow(int32x4_t low, int32x4_t high) {
    const int16x8_t v = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
    return vmaxq_s16(v, vdupq_n_s16(-VALUE_LIMIT));
}

static void normalise(const struct centre *by, int32_t r, int fraction,
                      const uint8_t *shift, const int32_t *x, int n, int16_t *y) {
    const int32x2_t factor = vdup_n_s32(r);
    const int16x8_t least = vdupq_n_s16((int16_t)(fraction - 40));
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const int16x8_t e = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(shift + k)));
        const int16x8_t t = vaddq_s16(least, e);
        const int32x4_t low =
            normalised(centred(by, x + k), factor, vmovl_s16(vget_low_s16(t)));
        const int32x4_t high =
            normalised(centred(by, x + k + 4), factor, vmovl_s16(vget_high_s16(t)));
        vst1q_s16(y + k, narrow(low, high));
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
    struct centre by = {.mean = mean, .s = norm_shift((uint32_t)top)};
    int32_t r = norm_reciprocal(sum_of_squares(&by, x, n), n, epsilon, by.s);
    normalise(&by, r, fraction, shift, x, n, y);
}

INLINE int32x4_t clamped(int32x4_t v, int32_t limit) {
    return vmaxq_s32(vminq_s32(v, vdupq_n_s32(limit)), vdupq_n_s32(-limit));
}

static void store_i16(const int32_t *v, int n, int limit, int16_t *out) {
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const int32x4_t low = clamped(vld1q_s32(v + k), limit);
        const int32x4_t high = clamped(vld1q_s32(v + k + 4), limit);
        vst1q_s16(out + k, vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
    }
    for (; k < n; k++) out[k] = (int16_t)clamp_i32(v[k], limit);
}

static void add_residual(const int32_t *v, int n, int32_t *x) {
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const int32x4_t value = clamped(vld1q_s32(v + k), REST);
        vst1q_s32(x + k, clamped(vaddq_s32(value, vld1q_s32(x + k)), REST));
    }
    for (; k < n; k++) x[k] = clamp_i32(x[k] + clamp_i32(v[k], REST), REST);
}

static void activate(const int32_t *v, int n, const int16_t *table, int16_t *out) {
    int32_t index[LANES];
    int k = 0;
    for (; k + LANES <= n; k += LANES) {
        const int32x4_t offset = vdupq_n_s32(32768);
        vst1q_s32(index, vaddq_s32(clamped(vld1q_s32(v + k), VALUE_LIMIT), offset));
        vst1q_s32(index + 4,
                  vaddq_s32(clamped(vld1q_s32(v + k + 4), VALUE_LIMIT), offset));
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) out[k + i] = table[index[i]];
    }
    for (; k < n; k++) out[k] = table[clamp_i32(v[k], VALUE_LIMIT) + 32768];
}

static void store_logits(const int32_t *v, int n, int32_t *out) {
    int k = 0;
    for (; k + 4 <= n; k += 4) {
        const int32x4_t value = clamped(vld1q_s32(v + k), HEAD_LIMIT);
        vst1q_s32(out + k, vshlq_n_s32(value, LOGIT_SHIFT));
    }
    for (; k < n; k++) out[k] = clamp_i32(v[k], HEAD_LIMIT) * (1 << LOGIT_SHIFT);
}

/* --- Attention --- */

typedef int16_t unit;
typedef int16x8_t column, factor;
typedef int32x4x2_t sums;

INLINE sums no_sums(void) { return (sums){{vdupq_n_s32(0), vdupq_n_s32(0)}}; }
INLINE column column_at(const unit *from) { return vld1q_s16(from); }
INLINE factor factor_of(unit value) { return vdupq_n_s16(value); }
INLINE void store_sums(int32_t *to, sums sum) {
    vst1q_s32(to, sum.val[0]);
    vst1q_s32(to + 4, sum.val[1]);
}
INLINE sums add_products(sums sum, factor by, column values) {
    sum.val[0] = vmlal_s16(sum.val[0], vget_low_s16(values), vget_low_s16(by));
    sum.val[1] = vmlal_high_s16(sum.val[1], values, by);
    return sum;
}

#include "rows_attention.h"

static void put_values(int16_t *to, int width, const int16_t *v) {
    memcpy(to, v, (size_t)width * sizeof *v);
}

/* What exponents() needs of a row. */
struct softmax {
    uint32x4_t top, bound;
    uint32x2_t sharpness;
};

/* z of §6 for 4 scores; bounded differences keep it within 21 bits. */
INLINE uint32x4_t exponents(const struct softmax *by, const int32_t *scores) {
    const uint32x4_t score = vreinterpretq_u32_s32(vld1q_s32(scores));
    const uint32x4_t d = vminq_u32(vsubq_u32(by->top, score), by->bound);
    const uint64x2_t low = vmull_u32(vget_low_u32(d), by->sharpness);
    const uint64x2_t high = vmull_u32(vget_high_u32(d), by->sharpness);
    return vcombine_u32(vshrn_n_u64(low, 24), vshrn_n_u64(high, 24));
}

/* H of §6. */
INLINE uint16x8_t upper_product(uint16x8_t a, uint16x8_t b) {
    const uint32x4_t low = vmull_u16(vget_low_u16(a), vget_low_u16(b));
    const uint32x4_t high = vmull_high_u16(a, b);
    return vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(high, 16));
}

/* e of §6 for 8 positions, from their z. */
INLINE uint16x8_t exponentials(uint32x4_t low, uint32x4_t high) {
    const uint16x8_t u = vcombine_u16(vmovn_u32(low), vmovn_u32(high));
    const uint16x8_t whole = vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(high, 16));
    uint16x8_t v = upper_product(u, vdupq_n_u16(2625));
    v = upper_product(u, vsubq_u16(vdupq_n_u16(15189), v));
    v = upper_product(u, vsubq_u16(vdupq_n_u16(45336), v));
    v = vshrq_n_u16(vmvnq_u16(v), 1);
    return vshlq_u16(v, vnegq_s16(vreinterpretq_s16_u16(whole)));
}

static int32_t top_score(const int32_t *scores, int n) {
    int32x4_t highest = vdupq_n_s32(scores[0]);
    int t = 0;
    for (; t + 4 <= n; t += 4) highest = vmaxq_s32(highest, vld1q_s32(scores + t));
    int32_t top = vmaxvq_s32(highest);
    for (; t < n; t++) top = scores[t] > top ? scores[t] : top;
    return top;
}

/* The first `left` of 8 lanes, zeros in the others. */
INLINE uint16x8_t first_lanes(uint16x8_t v, int left) {
    static const int16_t LANE[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    return vandq_u16(v, vcltq_s16(vld1q_s16(LANE), vdupq_n_s16((int16_t)left)));
}

static uint32_t exponentiate(int32_t *row, int n, int groups, uint32_t sharpness) {
    const struct softmax by = {.top = vdupq_n_u32((uint32_t)top_score(row, n)),
                               .bound = vdupq_n_u32(sharpness_bound(sharpness)),
                               .sharpness = vdup_n_u32(sharpness)};
    uint32x4_t sum = vdupq_n_u32(0);
    for (int g = 0; g < groups; g++) {
        const int32_t *scores = row + g * GROUP;
        uint16x8_t e = exponentials(exponents(&by, scores), exponents(&by, scores + 4));
        if (n - g * GROUP < GROUP) e = first_lanes(e, n - g * GROUP);
        sum = vpadalq_u16(sum, e);
        vst1q_u16((uint16_t *)row + g * LANES, e);
    }
    return vaddvq_u32(sum);
}

/* weight[t] of §6. */
static int32_t weigh(int32_t *row, int groups, uint32_t inverse) {
    const uint16x8_t by = vdupq_n_u16((uint16_t)inverse);
    uint16_t *units = (uint16_t *)row;
    uint32x4_t sum = vdupq_n_u32(0);
    for (int g = 0; g < groups; g++) {
        const uint16x8_t weights = upper_product(vld1q_u16(units + g * LANES), by);
        sum = vpadalq_u16(sum, weights);
        vst1q_u16(units + g * LANES, weights);
    }
    return (int32_t)vaddvq_u32(sum);
}

static void mix_row(const int32_t *sums, int width, int32_t reciprocal,
                    int16_t *mixed) {
    const int32x2_t by = vdup_n_s32(reciprocal);
    int i = 0;
    for (; i + 4 <= width; i += 4) {
        const int32x4_t v = vld1q_s32(sums + i);
        const int32x2_t low = vrshrn_n_s64(vmull_s32(vget_low_s32(v), by), 31);
        const int32x2_t high = vrshrn_n_s64(vmull_s32(vget_high_s32(v), by), 31);
        vst1_s16(mixed + i, vmovn_s32(vcombine_s32(low, high)));
    }
    for (; i < width; i++) mixed[i] = mix(sums[i], reciprocal);
}

ROWS_OF(neon);

#endif
