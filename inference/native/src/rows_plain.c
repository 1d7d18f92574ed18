/* The row operations in plain C: for CPUs without a version of their own, and the
 * yardstick for those that have one. Simple loops over contiguous data, so that a
 * compiler can vectorise them. */
#include <string.h>

#include "row_math.h"
#include "rows_versions.h"

/* §5. */
static void norm(const int32_t *x, int n, int fraction, const uint8_t *shift,
                 int32_t epsilon, int16_t *y) {
    int64_t sum = 0;
    for (int k = 0; k < n; k++) sum += x[k];
    int32_t mean = (int32_t)floor_divide(sum, n);
    int32_t top = 0;
    for (int k = 0; k < n; k++) {
        int32_t d = x[k] - mean;
        int32_t magnitude = d < 0 ? -d : d;
        if (magnitude > top) top = magnitude;
    }
    if (top == 0) {
        memset(y, 0, (size_t)n * sizeof *y);
        return;
    }
    int s = norm_shift((uint32_t)top);
    /* Exactly one of the two does something; up is a factor to keep the sign legal. */
    int32_t up = s < 0 ? 1 << -s : 1;
    int down = s < 0 ? 0 : s;
    uint64_t squares = 0;
    for (int k = 0; k < n; k++) {
        int64_t c = ((x[k] - mean) >> down) * up;
        squares += (uint64_t)(c * c);
    }
    int32_t r = norm_reciprocal(squares, n, epsilon, s);
    for (int k = 0; k < n; k++) {
        int32_t c = ((x[k] - mean) >> down) * up;
        y[k] = norm_channel(c, r, 40 - fraction - shift[k]);
    }
}

/* The cache: all keys, then all values, each position by position. */

static size_t cache_bytes(int head_width, int capacity) {
    return round_up((size_t)head_width * (size_t)capacity * 2 * sizeof(int16_t), 64);
}

static void cache_put(void *cache, int head_width, int capacity, int position,
                      const int16_t *k, const int16_t *v) {
    size_t width = (size_t)head_width;
    int16_t *keys = cache;
    int16_t *values = keys + width * (size_t)capacity;
    memcpy(keys + width * (size_t)position, k, width * sizeof *k);
    memcpy(values + width * (size_t)position, v, width * sizeof *v);
}

/* One row: scores (or weights), then the weighted sums. */
static size_t attend_scratch(int head_width, int capacity, int rows) {
    (void)rows;
    return round_up(((size_t)capacity + (size_t)head_width) * sizeof(int32_t), 64);
}

/* score[t] of §6. */
static void score(const int16_t *keys, int width, int n, const int16_t *q,
                  int32_t *scores) {
    for (int t = 0; t < n; t++) {
        const int16_t *key = keys + (ptrdiff_t)t * width;
        int32_t sum = 0;
        for (int i = 0; i < width; i++) sum += q[i] * key[i];
        scores[t] = sum;
    }
}

/* §6: turns n scores into weights and returns their sum (`whole`). */
static int32_t softmax(int32_t *scores, int n, uint32_t sharpness) {
    int32_t top = scores[0];
    for (int t = 1; t < n; t++) top = scores[t] > top ? scores[t] : top;
    uint32_t bound = sharpness_bound(sharpness), sum = 0;
    for (int t = 0; t < n; t++) {
        uint32_t difference = (uint32_t)top - (uint32_t)scores[t];
        if (difference > bound) difference = bound;
        uint32_t z = (uint32_t)(((uint64_t)difference * sharpness) >> 24);
        uint32_t e = exp16(z & 65535) >> (1 + (z >> 16));
        scores[t] = (int32_t)e;
        sum += e;
    }
    uint32_t inverse = softmax_inverse(sum), whole = 0;
    for (int t = 0; t < n; t++) {
        uint32_t weight = ((uint32_t)scores[t] * inverse) >> 16;
        scores[t] = (int32_t)weight;
        whole += weight;
    }
    return (int32_t)whole;
}

/* `mixed` of §6. */
static void mix_row(const int16_t *values, int width, int n, const int32_t *weights,
                    int32_t whole, int32_t *sums, int16_t *mixed) {
    memset(sums, 0, (size_t)width * sizeof *sums);
    for (int t = 0; t < n; t++) {
        const int16_t *value = values + (ptrdiff_t)t * width;
        for (int i = 0; i < width; i++) sums[i] += weights[t] * value[i];
    }
    int32_t reciprocal = mix_reciprocal(whole);
    for (int i = 0; i < width; i++) mixed[i] = mix(sums[i], reciprocal);
}

static void attend(const void *cache, int head_width, int capacity, uint32_t sharpness,
                   int first, int count, const int16_t *q, ptrdiff_t q_stride,
                   int16_t *mixed, ptrdiff_t mixed_stride, void *scratch,
                   int32_t *trace_scores, int32_t *trace_weights) {
    const int16_t *keys = cache;
    const int16_t *values = keys + (ptrdiff_t)head_width * capacity;
    int32_t *scores = scratch, *sums = scores + capacity;
    for (int row = 0; row < count; row++) {
        int n = first + row + 1;
        size_t bytes = (size_t)n * sizeof *scores;
        score(keys, head_width, n, q + row * q_stride, scores);
        if (trace_scores && row == count - 1) memcpy(trace_scores, scores, bytes);
        int32_t whole = softmax(scores, n, sharpness);
        if (trace_weights && row == count - 1) memcpy(trace_weights, scores, bytes);
        mix_row(values, head_width, n, scores, whole, sums, mixed + row * mixed_stride);
    }
}

static void store_i16(const int32_t *v, int n, int limit, int16_t *out) {
    for (int k = 0; k < n; k++) out[k] = (int16_t)clamp_i32(v[k], limit);
}

/* §7: x, i and g, logit. */
static void add_residual(const int32_t *v, int n, int32_t *x) {
    for (int k = 0; k < n; k++) x[k] = clamp_i32(x[k] + clamp_i32(v[k], REST), REST);
}

static void activate(const int32_t *v, int n, const int16_t *table, int16_t *out) {
    for (int k = 0; k < n; k++) out[k] = table[clamp_i32(v[k], VALUE_LIMIT) + 32768];
}

static void store_logits(const int32_t *v, int n, int32_t *out) {
    for (int k = 0; k < n; k++)
        out[k] = clamp_i32(v[k], HEAD_LIMIT) * (1 << LOGIT_SHIFT);
}

ROWS_OF(plain);
