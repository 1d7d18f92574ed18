/* Choosing a token from logits: docs/spec/arithmetic.md §8. */
#ifndef ASSAY_SAMPLE_H
#define ASSAY_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_API __attribute__((visibility("default")))

/* Bytes of scratch that sample_token needs; aligned for uint64_t, one per thread. */
SAMPLE_API size_t sample_scratch_bytes(int vocab);

/* The id chosen from logits[0..vocab), each within +-(2^30 - 1), vocab 1..65536.
 * temperature is in millionths, 0 (greedy) to 100,000,000; top_k is 0 for all; top_p
 * is in millionths, 1 to 1,000,000; draw is the spec's r. Greedy ignores the last
 * four arguments. */
SAMPLE_API int sample_token(const int32_t *logits, int vocab, int64_t temperature,
                            int64_t top_k, int64_t top_p, uint64_t draw, void *scratch);

#endif
