/* Matrix products of the arithmetic spec, section 3, on packed weights.
 *
 * A product has `outputs` rows of weights, each of `terms` numbers. Outputs are cut
 * into panels of `gemm.panel`, activation rows into blocks of `gemm.row_block`; one
 * tile() call computes one panel for one block of rows. A caller packs the weights
 * once, prepares the activation rows of a step once, and hands tiles to its threads
 * in any order: tiles share nothing that they write.
 *
 * Every buffer that a function here writes or reads in its own form (packed,
 * prepared, values, multiplier, bias) must be aligned to GEMM_ALIGNMENT bytes.
 * Nothing is checked: weights within the profile's range, activations within +-32767
 * and at most 8192 terms are the caller's promise, and the spec's bounds follow from
 * it.
 */
#ifndef ASSAY_GEMM_H
#define ASSAY_GEMM_H

#include <stddef.h>
#include <stdint.h>

#define GEMM_ALIGNMENT 64

enum profile { PROFILE_W8A16 = 0, PROFILE_W8B8 = 1, PROFILE_W12A16 = 2 };

/* One matrix of weights with the numbers that bring its sums to their format. */
struct product {
    int profile;               /* enum profile */
    int outputs;               /* rows of weights */
    int terms;                 /* weights per row, 1 ... 8192 */
    const void *packed;        /* made by gemm.pack() */
    const int32_t *multiplier; /* 0 ... 2^31 - 1; padded with zeros to whole panels */
    const int32_t *bias;       /* within +-(2^30 - 1); padded with zeros likewise */
};

/* The products for one instruction set. Immutable; all sets give the same values. */
struct gemm {
    const char *name; /* "avx512", "avx2", "neon" or "plain" */
    int panel;        /* outputs per panel, a multiple of 16 */
    int row_block;    /* most rows per tile() call */

    /* Size of the packed form of a matrix, whole panels. */
    size_t (*packed_bytes)(int profile, int outputs, int terms);

    /* Packs weight rows first ... first + count - 1 of `outputs`, found row-major at
     * `rows` (int8, or int16 for PROFILE_W12A16; rows points at row `first`).
     * `first` is a multiple of panel. If count ends inside a panel, then the panel's
     * rest is packed as zeros, so only the last call may end so. */
    void (*pack)(int profile, int terms, int outputs, int first, int count,
                 const void *rows, void *packed);

    /* Size of the prepared form of `rows` activation rows. */
    size_t (*prepared_bytes)(int profile, int rows, int terms);

    /* Brings `count` activation rows into the kernels' form, as rows first ... of a
     * buffer for `rows` rows; PROFILE_W8B8 rounds here. Rows are `stride` int16 apart;
     * x points at row `first`. Threads may prepare different blocks of rows at once:
     * `first` is a multiple of row_block. */
    void (*prepare)(int profile, int terms, int rows, int first, int count,
                    const int16_t *x, ptrdiff_t stride, void *prepared);

    /* values[r * panel + j] = scale(total, M_j) + b_j, not clamped, for prepared rows
     * first + r with r < count <= row_block and for the panel's outputs j < panel;
     * `rows` is the number of rows that the buffer was made for. */
    void (*tile)(const struct product *product, int panel_index, const void *prepared,
                 int rows, int first, int count, int32_t *values);
};

/* Returns the products for an instruction set, by name, or for "auto" the fastest that
 * this CPU and its operating system run. NULL: unknown, not built, or not runnable.
 * Visible outside the library, so that tests reach the kernels one by one. */
__attribute__((visibility("default"))) const struct gemm *gemm_select(const char *isa);

#endif
