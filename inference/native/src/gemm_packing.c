/* Packing of weights, the same code for every kernel's order. */
#include <string.h>

#include "gemm_kernels.h"

static ptrdiff_t packed_depth(const struct packing *packing, int terms) {
    return packing->depth ? packing->depth : padded_terms(terms);
}

static ptrdiff_t weight_bytes(int profile) { return profile == PROFILE_W12A16 ? 2 : 1; }

size_t packing_bytes(const struct packing *packing, int profile, int outputs,
                     int terms) {
    size_t panels = (size_t)(outputs + packing->panel - 1) / (size_t)packing->panel;
    return panels * (size_t)packing->panel * (size_t)padded_terms(terms) *
           (size_t)weight_bytes(profile);
}

/* Copies `size` bytes of a weight row, fewer than a chunk only at the row's end, into
 * chunks of `chunk` bytes that lie `step` bytes apart. */
static void scatter(const uint8_t *row, ptrdiff_t size, ptrdiff_t chunk, ptrdiff_t step,
                    uint8_t *out) {
    ptrdiff_t at = 0;
    if (chunk == 1)
        for (; at < size; at++, out += step) *out = row[at];
    else if (chunk == 2)
        for (; at + 2 <= size; at += 2, out += step) memcpy(out, row + at, 2);
    else if (chunk == 4)
        for (; at + 4 <= size; at += 4, out += step) memcpy(out, row + at, 4);
    for (; at < size; at += chunk, out += step)
        memcpy(out, row + at, (size_t)(size - at < chunk ? size - at : chunk));
}

/* Adds the offset to int8 weights: as bytes, -127 ... 127 + 128 is 1 ... 255. */
static void add_offset(uint8_t *bytes, size_t size, int offset) {
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(bytes[i] + offset);
}

void packing_pack(const struct packing *packing, int profile, int terms, int outputs,
                  int first, int count, const void *rows, void *packed) {
    const ptrdiff_t weight = weight_bytes(profile);
    const ptrdiff_t chunk = packed_depth(packing, terms) * weight;
    const ptrdiff_t strip = packing->width * padded_terms(terms) * weight;
    uint8_t *out = (uint8_t *)packed + first / packing->width * strip;
    const size_t size = packing_bytes(packing, profile, count, terms);
    (void)outputs;
    memset(out, 0, size);
    for (int row = 0; row < count; row++) {
        uint8_t *place = out + row / packing->width * strip;
        place += row % packing->width * chunk;
        scatter((const uint8_t *)rows + row * terms * weight, terms * weight, chunk,
                packing->width * chunk, place);
    }
    if (packing->offset)
        add_offset(out, size, packing->offset);
}
