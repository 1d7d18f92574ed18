/* The products with AVX-512 VNNI: packing, activation rows and whole tiles. */
#include "gemm_avx512.h"

#ifdef GEMM_X86

/* Pairs or quads of terms, 48 outputs side by side. */
static const struct packing PACKINGS[3] = {
    [PROFILE_W8A16] = {PANEL, PANEL, 2, 0},
    [PROFILE_W8B8] = {PANEL, PANEL, 4, 128},
    [PROFILE_W12A16] = {PANEL, PANEL, 2, 0},
};

static size_t avx512_packed_bytes(int profile, int outputs, int terms) {
    return packing_bytes(&PACKINGS[profile], profile, outputs, terms);
}

static void avx512_pack(int profile, int terms, int outputs, int first, int count,
                        const void *rows, void *packed) {
    packing_pack(&PACKINGS[profile], profile, terms, outputs, first, count, rows,
                 packed);
}

/* --- Activations. W8B8 keeps mantissas as bytes, then the groups of all rows. --- */

/* As in wide_stride, 64 bytes more than whole cache lines. */
static ptrdiff_t byte_stride(int terms) {
    return (padded_terms(terms) + 63) / 64 * 64 + 64;
}

static ptrdiff_t row_stride(int profile, int terms) {
    return profile == PROFILE_W8B8 ? byte_stride(terms)
                                   : wide_stride(terms) * (ptrdiff_t)sizeof(int16_t);
}

static struct group *row_groups(const void *prepared, int rows, int terms, int row) {
    uint8_t *end = (uint8_t *)prepared + rows * byte_stride(terms);
    return (struct group *)(void *)end + (ptrdiff_t)row * group_count(terms);
}

static size_t avx512_prepared_bytes(int profile, int rows, int terms) {
    if (profile != PROFILE_W8B8)
        return wide_bytes(profile, rows, terms);
    size_t groups = (size_t)rows * (size_t)group_count(terms) * sizeof(struct group);
    return (size_t)rows * (size_t)byte_stride(terms) + groups;
}

/* Reads up to 32 terms; those past `left` are zero and not touched. */
AVX512 static inline __m512i load_terms(const int16_t *x, int left) {
    if (left >= 32)
        return _mm512_loadu_si512(x);
    const uint32_t mask = left > 0 ? ((uint32_t)1 << left) - 1 : 0;
    return _mm512_maskz_loadu_epi16(mask, x);
}

/* Rounds a number without overflow: ((x >> (s - 1)) + 1) >> 1 is
 * (x + 2^(s - 1)) >> s, for floors nest. */
AVX512 static inline __m512i round_terms(__m512i x, int exponent) {
    if (exponent) {
        x = _mm512_sra_epi16(x, _mm_cvtsi32_si128(exponent - 1));
        x = _mm512_srai_epi16(_mm512_add_epi16(x, _mm512_set1_epi16(1)), 1);
    }
    x = _mm512_min_epi16(x, _mm512_set1_epi16(127));
    return _mm512_max_epi16(x, _mm512_set1_epi16(-127));
}

AVX512 static int largest_magnitude(const __m512i *x) {
    __m512i top = _mm512_setzero_si512();
    for (int i = 0; i < 4; i++) top = _mm512_max_epu16(top, _mm512_abs_epi16(x[i]));
    __m512i odd = _mm512_srli_epi32(top, 16);
    __m512i even = _mm512_and_si512(top, _mm512_set1_epi32(0xffff));
    return (int)_mm512_reduce_max_epu32(_mm512_max_epu32(odd, even));
}

/* Rounds the group at x, of which the row has `left` terms, to `bytes` mantissas. */
AVX512 static struct group round_bytes(const int16_t *x, int left, int bytes,
                                       uint8_t *y) {
    __m512i terms[4];
    for (int i = 0; i < 4; i++) terms[i] = load_terms(x + i * 32, left - i * 32);
    const int exponent = group_exponent((unsigned)largest_magnitude(terms));
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i * 32 < bytes; i++) {
        const __m512i rounded = round_terms(terms[i], exponent);
        const __m512i pairs = _mm512_madd_epi16(rounded, _mm512_set1_epi16(1));
        sum = _mm512_add_epi32(sum, pairs);
        _mm256_store_si256((void *)(y + i * 32), _mm512_cvtepi16_epi8(rounded));
    }
    return (struct group){-128 * _mm512_reduce_add_epi32(sum), exponent};
}

AVX512 static void avx512_prepare(int profile, int terms, int rows, int first,
                                  int count, const int16_t *x, ptrdiff_t stride,
                                  void *prepared) {
    if (profile != PROFILE_W8B8) {
        wide_prepare(NULL, profile, terms, rows, first, count, x, stride, prepared);
        return;
    }
    const int padded = padded_terms(terms);
    for (int row = first; row < first + count; row++, x += stride) {
        uint8_t *y = (uint8_t *)prepared + row * byte_stride(terms);
        struct group *group = row_groups(prepared, rows, terms, row);
        for (int at = 0; at < terms; at += W8B8_BLOCK)
            *group++ = round_bytes(x + at, terms - at, smaller(W8B8_BLOCK, padded - at),
                                   y + at);
    }
}

/* --- Tiles --- */

/* scale(total, multiplier) + bias. Even and odd lanes are multiplied apart; of the even
 * lanes' 64-bit results the upper halves move down, of the odd ones' they are in place,
 * so that no arithmetic shift of 64 bits is needed. */
AVX512 static inline __m512i scale_lanes(__m512i total, __m512i multiplier,
                                         __m512i bias) {
    const __m512i half = _mm512_set1_epi64((int64_t)1 << 31);
    const __m512i even = _mm512_mul_epi32(total, multiplier);
    const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(total, 32),
                                         _mm512_srli_epi64(multiplier, 32));
    const __m512i low = _mm512_srli_epi64(_mm512_add_epi64(even, half), 32);
    const __m512i high = _mm512_add_epi64(odd, half);
    return _mm512_add_epi32(_mm512_mask_blend_epi32(0xAAAA, low, high), bias);
}

AVX512 static void scale_tile(const struct product *product, int panel_index, int count,
                              int32_t *values) {
    for (int at = 0; at < PANEL; at += 16) {
        const ptrdiff_t output = (ptrdiff_t)panel_index * PANEL + at;
        const __m512i multiplier = _mm512_load_si512(product->multiplier + output);
        const __m512i bias = _mm512_load_si512(product->bias + output);
        for (int r = 0; r < count; r++) {
            int32_t *value = values + r * PANEL + at;
            const __m512i total = _mm512_load_si512(value);
            _mm512_store_si512(value, scale_lanes(total, multiplier, bias));
        }
    }
}

static void avx512_tile(const struct product *product, int panel_index,
                        const void *prepared, int rows, int first, int count,
                        int32_t *values) {
    const int profile = product->profile, terms = product->terms;
    const size_t panel_bytes = avx512_packed_bytes(profile, PANEL, terms);
    const uint8_t *w =
        (const uint8_t *)product->packed + (size_t)panel_index * panel_bytes;
    const ptrdiff_t stride = row_stride(profile, terms);
    const uint8_t *x = (const uint8_t *)prepared + first * stride;
    const struct group *groups =
        profile == PROFILE_W8B8 ? row_groups(prepared, rows, terms, first) : NULL;
    memset(values, 0, (size_t)count * PANEL * sizeof *values);
    avx512_kernels[profile][count - 1](w, x, stride, padded_terms(terms), groups,
                                       values);
    scale_tile(product, panel_index, count, values);
}

const struct gemm gemm_avx512 = {
    "avx512",       PANEL,
    ROW_BLOCK,      avx512_packed_bytes,
    avx512_pack,    avx512_prepared_bytes,
    avx512_prepare, avx512_tile,
};

#endif
