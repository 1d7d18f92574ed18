/* What a model consists of; private to the engine. */
#ifndef ASSAY_MODEL_H
#define ASSAY_MODEL_H

#include "assay.h"
#include "gemm.h"
#include "memory.h"
#include "pool.h"
#include "rows.h"
#include "spec.h"

struct layer {
    uint8_t *norm1, *norm2;
    uint32_t *sharpness;
    int16_t *activation;
    struct product qkv, proj, fc, out;
};

/* The cache of one sequence: layer by layer, head by head. */
struct sequence {
    int capacity; /* 0: this number is free, but may keep its cache (sequences.c) */
    int length;   /* positions in the cache */
    int64_t seen; /* the last step that named it, to notice a second piece */
    struct block cache;
};

struct assay_model {
    struct assay_shape shape;
    int head_width, threads;
    const struct gemm *gemm;
    const struct rows *rows;
    struct pool *pool;

    struct block weights;
    int16_t *token_embedding;
    uint8_t *token_shift, *final_shift;
    int32_t *position_embedding;
    struct product head;
    struct layer layers[MAX_LAYERS];
    /* Which tensors have been set, by number (tensors.c). */
    uint8_t is_set[GLOBAL_TENSORS + LAYER_TENSORS * MAX_LAYERS];
    int missing;

    struct sequence *sequences;
    int sequence_count;
    /* Caches in use, kept for later, and the most that were in use at a time. */
    size_t open_bytes, idle_bytes, most_open_bytes;
    int64_t steps; /* asked for so far, refused ones too */

    /* What a step works in, kept for the next one (workspace.h). */
    struct workspace *workspace;
};

/* Cuts the weights' block; to be run twice, see memory.h. */
void model_cut(struct assay_model *model, struct cutter *cutter);

int sequences_find(const struct assay_model *model, int number, struct sequence **out);
void sequences_close_all(struct assay_model *model);

/* The cache of a head within its sequence's. */
void *sequence_cache(const struct assay_model *model, const struct sequence *sequence,
                     int layer, int head);

#endif
