/* Scalar steps that every version of the row operations shares.
 *
 * Source: docs/spec/arithmetic.md §1, §5, §6. A right shift of a negative number is
 * taken to be arithmetic, as gcc and clang document; negative numbers are never
 * shifted left.
 */
#ifndef ASSAY_ROW_MATH_H
#define ASSAY_ROW_MATH_H

#include <stddef.h>
#include <stdint.h>

#include "spec.h"

/* clamp of §1. */
static inline int32_t clamp_i32(int32_t v, int32_t limit) {
    return v < -limit ? -limit : v > limit ? limit : v;
}

/* bitlen of §1. */
static inline int bit_length(uint64_t v) {
    return v == 0 ? 0 : 64 - __builtin_clzll(v);
}

static inline size_t round_up(size_t v, size_t step) {
    return (v + step - 1) / step * step;
}

/* floor(a / b) of §1 for b > 0; C's division truncates. */
static inline int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* isqrt of §1: the largest r with r * r <= v, by Newton's method in integers. From a
 * start not below the root every step falls until it has arrived. */
static inline uint64_t integer_sqrt(uint64_t v) {
    if (v == 0) return 0;
    uint64_t root = (uint64_t)1 << ((bit_length(v) + 1) / 2);
    for (;;) {
        uint64_t next = (root + v / root) / 2;
        if (next >= root) return root;
        root = next;
    }
}

/* f of §5. */
static inline int norm_fraction(int width) {
    return width < WIDE_NORM ? NORM_FRACTION : NORM_FRACTION - 1;
}

/* s of §5: brings the largest deviation `top` >= 1 to 24 bits, or up by 2^16. */
static inline int norm_shift(uint32_t top) {
    int s = bit_length(top) - 24;
    return s < -16 ? -16 : s;
}

/* r of §5, below 2^30, from the sum of c[k]^2. */
static inline int32_t norm_reciprocal(uint64_t squares, int n, int32_t epsilon, int s) {
    uint64_t e = (uint64_t)epsilon;
    uint64_t v = squares / (uint64_t)n + (s < 0 ? e << (-2 * s) : e >> (2 * s));
    return (int32_t)(((uint64_t)1 << 40) / integer_sqrt(v));
}

/* y[k] of §5 from c[k]; t is 40 - f - e[k]. */
static inline int16_t norm_channel(int32_t c, int32_t r, int t) {
    int64_t v = ((int64_t)c * r + ((int64_t)1 << (t - 1))) >> t;
    return (int16_t)clamp_i32((int32_t)v, VALUE_LIMIT);
}

/* A bound for top - score[t] of §6 that changes no weight.
 * With L = floor((2^44 - 1) / C), z < 2^20 holds exactly for differences up to L. All above L have weight 0, and so
 * has L + 1: min(difference, L + 1) gives the same weights. (L + 1) * C is at most
 * 2^44 + 2^32, so z then fits 21 bits and the shift 1 + (z >> 16) is at most 17,
 * which clears exp16's 16 bits without a comparison. */
static inline uint32_t sharpness_bound(uint32_t sharpness) {
    uint64_t bound = (((uint64_t)1 << 44) - 1) / sharpness + 1;
    return bound > UINT32_MAX ? UINT32_MAX : (uint32_t)bound;
}

/* exp16 of §6 for u in 0..65535. */
static inline uint32_t exp16(uint32_t u) {
    uint32_t inner = 15189 - ((u * 2625) >> 16);
    uint32_t outer = 45336 - ((u * inner) >> 16);
    return 65535 - ((u * outer) >> 16);
}

/* `inverse` of §6; sum >= 32767, so it is below 65536 but for rounding. */
static inline uint32_t softmax_inverse(uint32_t sum) {
    uint32_t inverse = ((uint32_t)1 << 31) / sum;
    return inverse > 65535 ? 65535 : inverse;
}

/* floor(2^31 / whole) of §6, below 2^27 since whole >= 31. */
static inline int32_t mix_reciprocal(int32_t whole) {
    return (int32_t)(((uint32_t)1 << 31) / (uint32_t)whole);
}

/* `mixed` of §6 from the weighted sum and that quotient. */
static inline int16_t mix(int32_t weighted, int32_t reciprocal) {
    return (int16_t)(((int64_t)weighted * reciprocal + (1 << 30)) >> 31);
}

#endif
