/* The buffers that a step works in; private to the engine. */
#ifndef ASSAY_WORKSPACE_H
#define ASSAY_WORKSPACE_H

#include "model.h"

/* A piece as a step sees it. */
struct span {
    struct sequence *sequence;
    int row; /* of its first token in the batch */
    int start, count;
    int slot; /* place of its last row among those whose logits are wanted, or -1 */
};

/* How large a step is. */
struct extent {
    int rows;
    int wanted; /* rows whose logits are wanted */
    int spans;
    size_t scratch; /* bytes that a thread needs to attend */
};

/* What each thread has for itself. */
struct own {
    void *scratch;   /* to attend and to choose */
    int32_t *values; /* [row_block][panel], a tile */
    int16_t *normed; /* [row_block][width] */
    void *prepared;  /* of row_block rows */
};

struct workspace {
    struct block block;
    struct extent extent; /* what the buffers have room for */
    int spans;            /* of the last step; 0 if it has no logits left */

    struct span *span;        /* [spans] */
    int32_t *position;        /* [rows] */
    int32_t *piece;           /* [wanted] the piece that a slot belongs to */
    int32_t *residual;        /* [rows][width] */
    int32_t *wanted_residual; /* [wanted][width] */
    int16_t *normed;          /* [rows][width] */
    int16_t *qkv;             /* [rows][3 * width] */
    int16_t *mixed;           /* [rows][width] */
    int16_t *inner;           /* [rows][inner] */
    void *prepared;           /* one of the above in the kernels' form */
    int32_t *logits;          /* [wanted][vocab] */
    struct own *own;          /* [threads] */
};

/* An empty workspace; NULL without memory. */
struct workspace *workspace_create(void);
void workspace_destroy(struct workspace *workspace);

/* Makes room. On ASSAY_NO_MEMORY the workspace is empty, but may be used again. */
int workspace_fit(struct assay_model *model, const struct extent *extent);

#endif
