/* The products with NEON, which every 64-bit ARM has.
 *
 * smlal multiplies int16 lanes by one lane of activations and adds to int32 lanes;
 * weights of one byte are widened on the way. A kernel computes 16 outputs (four
 * vectors) by up to 4 rows: 16 vectors of sums, 4 of activations, 3 of weights.
 *
 * The kernels are macros over the number of rows: the sums must be named variables to
 * stay in registers, and few rows should not pay for four. */
#include "gemm_kernels.h"

#ifdef GEMM_NEON

#include <arm_neon.h>
#include <string.h>

#define EACH_ROW_1(DO, k) DO(0, k)
#define EACH_ROW_2(DO, k) EACH_ROW_1(DO, k) DO(1, k)
#define EACH_ROW_3(DO, k) EACH_ROW_2(DO, k) DO(2, k)
#define EACH_ROW_4(DO, k) EACH_ROW_3(DO, k) DO(3, k)

#define START(r, k)                                                                    \
    int32x4_t a##r = vdupq_n_s32(0), b##r = a##r, c##r = a##r, d##r = a##r;

#define LOAD_TERMS(r, k) const int16x8_t x##r = vld1q_s16(x + (r) * stride);

#define ADD(r, k)                                                                      \
    a##r = vmlal_laneq_s16(a##r, vget_low_s16(w0), x##r, k);                           \
    b##r = vmlal_high_laneq_s16(b##r, w0, x##r, k);                                    \
    c##r = vmlal_laneq_s16(c##r, vget_low_s16(w1), x##r, k);                           \
    d##r = vmlal_high_laneq_s16(d##r, w1, x##r, k);

#define FINISH_STRIP(r, SUM)                                                           \
    add_to(totals + (r) * WIDE_PANEL, SUM(a##r));                                      \
    add_to(totals + (r) * WIDE_PANEL + 4, SUM(b##r));                                  \
    add_to(totals + (r) * WIDE_PANEL + 8, SUM(c##r));                                  \
    add_to(totals + (r) * WIDE_PANEL + 12, SUM(d##r));

#define SHIFTED(sum) vshrq_n_s32(sum, block_shift)
#define FINISH(r, k) FINISH_STRIP(r, SHIFTED)

#define SHIFTED_GROUP(sum) SHIFTED(vshlq_s32(sum, exponent))
#define FINISH_GROUP(r, k)                                                             \
    {                                                                                  \
        const int32x4_t exponent =                                                     \
            vdupq_n_s32(exponents[(r) * groups + done / W8B8_BLOCK]);                  \
        FINISH_STRIP(r, SHIFTED_GROUP)                                                 \
    }

static inline void add_to(int32_t *total, int32x4_t sum) {
    vst1q_s32(total, vaddq_s32(vld1q_s32(total), sum));
}

/* One term: 16 weights, of one byte or of two. */
#define INT8_STEP(EACH_ROW, k)                                                         \
    {                                                                                  \
        const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(w));                      \
        const int16x8_t w0 = vmovl_s8(vget_low_s8(bytes)), w1 = vmovl_high_s8(bytes);  \
        EACH_ROW(ADD, k)                                                               \
        w += 16;                                                                       \
    }

#define INT16_STEP(EACH_ROW, k)                                                        \
    {                                                                                  \
        const int16x8_t w0 = vreinterpretq_s16_u8(vld1q_u8(w));                        \
        const int16x8_t w1 = vreinterpretq_s16_u8(vld1q_u8(w + 16));                   \
        EACH_ROW(ADD, k)                                                               \
        w += 32;                                                                       \
    }

#define KERNEL(NAME, EACH_ROW, STEP, BLOCK, SHIFT, FINISH_BLOCK)                       \
    static void NAME(const uint8_t *w, const int16_t *x, ptrdiff_t stride, int terms,  \
                     const int32_t *exponents, int32_t *totals) {                      \
        enum { block_shift = SHIFT };                                                  \
        const ptrdiff_t groups = group_count(terms);                                   \
        for (int done = 0; done < terms; done += BLOCK) {                              \
            const int count = smaller(BLOCK, terms - done);                            \
            EACH_ROW(START, )                                                          \
            for (int k = 0; k < count; k += 8, x += 8) {                               \
                EACH_ROW(LOAD_TERMS, )                                                 \
                STEP(EACH_ROW, 0)                                                      \
                STEP(EACH_ROW, 1)                                                      \
                STEP(EACH_ROW, 2)                                                      \
                STEP(EACH_ROW, 3)                                                      \
                STEP(EACH_ROW, 4)                                                      \
                STEP(EACH_ROW, 5)                                                      \
                STEP(EACH_ROW, 6)                                                      \
                STEP(EACH_ROW, 7)                                                      \
            }                                                                          \
            EACH_ROW(FINISH_BLOCK, )                                                   \
        }                                                                              \
        (void)groups, (void)exponents;                                                 \
    }

#define KERNELS_FOR(ROWS)                                                              \
    KERNEL(w8a16_##ROWS, EACH_ROW_##ROWS, INT8_STEP, W8A16_BLOCK, W8A16_SHIFT, FINISH) \
    KERNEL(w8b8_##ROWS, EACH_ROW_##ROWS, INT8_STEP, W8B8_BLOCK, W8B8_SHIFT,            \
           FINISH_GROUP)                                                               \
    KERNEL(w12a16_##ROWS, EACH_ROW_##ROWS, INT16_STEP, W12A16_BLOCK, W12A16_SHIFT,     \
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

static const struct packing STRIPS = {WIDE_PANEL, WIDE_STRIP, 1, 0};

static size_t neon_packed_bytes(int profile, int outputs, int terms) {
    return packing_bytes(&STRIPS, profile, outputs, terms);
}

static void neon_pack(int profile, int terms, int outputs, int first, int count,
                      const void *rows, void *packed) {
    packing_pack(&STRIPS, profile, terms, outputs, first, count, rows, packed);
}

/* A rounding shift by a negative count is the spec's rounding, with no overflow. */
static int32_t neon_round(const int16_t *x, int16_t *y) {
    int16x8_t top = vdupq_n_s16(0);
    for (int k = 0; k < W8B8_BLOCK; k += 8)
        top = vmaxq_s16(top, vabsq_s16(vld1q_s16(x + k)));
    const int exponent = group_exponent((unsigned)vmaxvq_s16(top));
    const int16x8_t shift = vdupq_n_s16((int16_t)-exponent);
    for (int k = 0; k < W8B8_BLOCK; k += 8) {
        int16x8_t terms = vrshlq_s16(vld1q_s16(x + k), shift);
        terms = vmaxq_s16(vminq_s16(terms, vdupq_n_s16(127)), vdupq_n_s16(-127));
        vst1q_s16(y + k, terms);
    }
    return exponent;
}

static void neon_prepare(int profile, int terms, int rows, int first, int count,
                         const int16_t *x, ptrdiff_t stride, void *prepared) {
    wide_prepare(neon_round, profile, terms, rows, first, count, x, stride, prepared);
}

/* --- Tiles --- */

/* scale(total, multiplier) + bias: a narrowing shift that rounds is scale. */
static inline int32x4_t scale_lanes(int32x4_t total, int32x4_t multiplier,
                                    int32x4_t bias) {
    const int64x2_t low = vmull_s32(vget_low_s32(total), vget_low_s32(multiplier));
    const int64x2_t high = vmull_high_s32(total, multiplier);
    return vaddq_s32(vrshrn_high_n_s64(vrshrn_n_s64(low, 32), high, 32), bias);
}

static void scale_tile(const struct product *product, int panel_index, int count,
                       int32_t *values) {
    for (int at = 0; at < WIDE_PANEL; at += 4) {
        const ptrdiff_t output = (ptrdiff_t)panel_index * WIDE_PANEL + at;
        const int32x4_t multiplier = vld1q_s32(product->multiplier + output);
        const int32x4_t bias = vld1q_s32(product->bias + output);
        for (int r = 0; r < count; r++) {
            int32_t *value = values + r * WIDE_PANEL + at;
            vst1q_s32(value, scale_lanes(vld1q_s32(value), multiplier, bias));
        }
    }
}

static void neon_tile(const struct product *product, int panel_index,
                      const void *prepared, int rows, int first, int count,
                      int32_t *values) {
    wide_totals(KERNELS, product, panel_index, prepared, rows, first, count, values);
    scale_tile(product, panel_index, count, values);
}

const struct gemm gemm_neon = {
    "neon",    WIDE_PANEL, WIDE_ROW_BLOCK, neon_packed_bytes,
    neon_pack, wide_bytes, neon_prepare,   neon_tile,
};

#endif
