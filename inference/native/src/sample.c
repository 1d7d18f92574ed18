/* Chooses a token: docs/spec/arithmetic.md §8.
 *
 * Nothing is sorted. The ranking enters only through "the first few of it", and these
 * are all tokens above some logit and, of those at that logit, the ones with the lowest
 * ids. The logit is found digit by digit: a histogram over the gaps to the top logit,
 * then one over the gaps within the bucket where the sum arrives. Tokens beyond that
 * bucket are dropped each time, the others stay in rising id order, as the last step
 * wants them. */
#include "sample.h"

#include <string.h>

#include "sample_tables.h"
#include "spec.h"

#define DIGIT_BITS 11
#define BUCKETS (1 << DIGIT_BITS)
#define BLOCK 512

/* The tokens still in question, in rising id order. */
struct candidates {
    int count;
    uint32_t largest; /* no gap is above */
    uint32_t *gap;    /* top logit - logit */
    uint32_t *weight; /* 1 while only ranks matter */
    uint32_t *id;
    uint64_t *bucket; /* BUCKETS sums */
};

size_t sample_scratch_bytes(int vocab) {
    return BUCKETS * sizeof(uint64_t) + 3 * (size_t)vocab * sizeof(uint32_t);
}

static struct candidates candidates_in(void *scratch, int vocab) {
    struct candidates p = {.count = 0, .bucket = scratch};
    p.gap = (uint32_t *)(p.bucket + BUCKETS);
    p.weight = p.gap + vocab;
    p.id = p.weight + vocab;
    return p;
}

/* The first token of the highest logit. Blocks are compared first: their maxima need
 * no branch, and one block alone is searched. */
static int first_top(const int32_t *logits, int vocab) {
    int32_t top = logits[0];
    int start = 0;
    for (int first = 0; first < vocab; first += BLOCK) {
        int end = vocab - first < BLOCK ? vocab : first + BLOCK;
        int32_t highest = logits[first];
        for (int j = first + 1; j < end; j++) {
            highest = logits[j] > highest ? logits[j] : highest;
        }
        if (highest > top) {
            top = highest;
            start = first;
        }
    }
    while (logits[start] != top) start++;
    return start;
}

/* exp31 of §8. */
static uint64_t exp31(uint32_t u) {
    return ((uint64_t)COARSE[u >> 8] * FINE[u & 255]) >> 31;
}

/* The largest gap whose weight can be above 0: the shift 4 + (z >> 16) must not pass
 * 31, so z < 28 * 2^16 and gap * K < 28 * 2^48. */
static uint32_t largest_gap(uint64_t k) {
    uint64_t gap = (((uint64_t)28 << 48) - 1) / k;
    return gap > INT32_MAX ? INT32_MAX : (uint32_t)gap;
}

/* weight[j] of §8; `gap`, its d[j], is at most largest_gap(k). */
static uint32_t weight_of(uint32_t gap, uint64_t k) {
    uint32_t z = (uint32_t)((gap * k) >> 32);
    return (uint32_t)(exp31(z & 65535) >> (4 + (z >> 16)));
}

/* The shift that leaves DIGIT_BITS of values up to `largest`. */
static int top_digit(uint32_t largest) {
    int shift = 0;
    while (largest >> shift >= BUCKETS) shift++;
    return shift;
}

/* A bound for the gaps of the first `rank` tokens, at most `largest`: it saves most
 * tokens the way through the lists below. */
static uint32_t bound_of_rank(const int32_t *logits, int vocab, int32_t top,
                              int64_t rank, uint32_t largest, uint64_t *bucket) {
    int shift = top_digit(largest);
    memset(bucket, 0, BUCKETS * sizeof *bucket);
    for (int j = 0; j < vocab; j++) {
        uint32_t gap = (uint32_t)(top - logits[j]);
        /* What lies beyond may count as `largest`: the last bucket is cut there anyway.
         */
        bucket[(gap < largest ? gap : largest) >> shift]++;
    }
    uint64_t reached = 0;
    uint32_t place = 0, last = largest >> shift;
    while (place < last && (reached += bucket[place]) < (uint64_t)rank) place++;
    return place < last ? ((place + 1) << shift) - 1 : largest;
}

/* Takes all tokens whose gaps are at most `largest`. */
static void collect(struct candidates *p, const int32_t *logits, int vocab, int32_t top,
                    uint32_t largest) {
    int count = 0;
    for (int j = 0; j < vocab; j++) {
        uint32_t gap = (uint32_t)(top - logits[j]);
        p->gap[count] = gap;
        p->id[count] = (uint32_t)j;
        count += gap <= largest;
    }
    p->count = count;
    p->largest = largest;
}

static uint64_t total_weight(const struct candidates *p) {
    uint64_t total = 0;
    for (int i = 0; i < p->count; i++) total += p->weight[i];
    return total;
}

/* Drops gaps above `largest`, and those that equal it but for the first `ties`. */
static void drop(struct candidates *p, uint32_t largest, uint64_t ties) {
    int count = 0;
    for (int i = 0; i < p->count; i++) {
        uint32_t gap = p->gap[i], is_last = gap == largest;
        p->gap[count] = gap;
        p->weight[count] = p->weight[i];
        p->id[count] = p->id[i];
        count += gap < largest || (is_last && ties > 0);
        ties -= is_last && ties > 0;
    }
    p->count = count;
    p->largest = largest;
}

/* Keeps the shortest prefix of the ranking whose weights sum to `need` or more; it is
 * at least 1 and at most the sum of all. */
static void keep_prefix(struct candidates *p, uint64_t need) {
    uint32_t prefix = 0; /* smaller gaps are in for sure; they sum to `reached` */
    uint64_t reached = 0;
    for (;;) {
        int shift = top_digit(p->largest - prefix);
        memset(p->bucket, 0, BUCKETS * sizeof *p->bucket);
        for (int i = 0; i < p->count; i++) {
            /* A gap below the prefix wraps; so it lies beyond the buckets. */
            uint32_t place = (p->gap[i] - prefix) >> shift;
            if (place < BUCKETS) p->bucket[place] += p->weight[i];
        }
        uint32_t place = 0;
        while (reached + p->bucket[place] < need) reached += p->bucket[place++];
        prefix += place << shift;
        if (shift == 0) break;
        drop(p, prefix + ((uint32_t)1 << shift) - 1, UINT64_MAX);
    }
    /* All tokens of one gap have the same weight, and here it is not 0. */
    uint64_t weight = 0;
    for (int i = 0; weight == 0; i++) weight = p->gap[i] == prefix ? p->weight[i] : 0;
    drop(p, prefix, (need - reached + weight - 1) / weight);
}

static int draw_from(const struct candidates *p, uint64_t draw) {
    uint64_t rest = draw % total_weight(p);
    int i = 0;
    while (p->weight[i] <= rest) rest -= p->weight[i++];
    return (int)p->id[i];
}

int sample_token(const int32_t *logits, int vocab, int64_t temperature, int64_t top_k,
                 int64_t top_p, uint64_t draw, void *scratch) {
    int first = first_top(logits, vocab);
    if (temperature == 0) return first;
    int32_t top = logits[first];
    /* K of §8: 94548 is log2(e) in Q16. */
    uint64_t k = ((uint64_t)94548 << 16) * MILLION / (uint64_t)temperature;
    struct candidates p = candidates_in(scratch, vocab);
    /* Tokens without weight can neither be drawn nor lengthen a prefix, so they may go
     * before the ranking is cut. */
    uint32_t largest = largest_gap(k);
    if (top_k > 0)
        largest = bound_of_rank(logits, vocab, top, top_k, largest, p.bucket);
    collect(&p, logits, vocab, top, largest);
    if (top_k > 0 && top_k < p.count) {
        for (int i = 0; i < p.count; i++) p.weight[i] = 1;
        keep_prefix(&p, (uint64_t)top_k);
    }
    for (int i = 0; i < p.count; i++) p.weight[i] = weight_of(p.gap[i], k);
    if (top_p < MILLION) {
        uint64_t wanted = total_weight(&p) * (uint64_t)top_p;
        keep_prefix(&p, (wanted + MILLION - 1) / MILLION);
    }
    return draw_from(&p, draw);
}
