/* One step's forward pass; private to the engine. */
#ifndef ASSAY_FORWARD_H
#define ASSAY_FORWARD_H

#include "workspace.h"

/* The operations of a layer in the order of spec, section 10. */
enum operation {
    OP_NORM1,
    OP_QKV,
    OP_SCORES,
    OP_WEIGHTS,
    OP_MIXED,
    OP_PROJ,
    OP_NORM2,
    OP_FC,
    OP_ACTIVATION,
    OP_OUT,
    OPERATIONS
};

/* Where the operations of the last row go. */
struct trace {
    int32_t *values;
    size_t offset[OPERATIONS]; /* within a layer */
    size_t layer_length;
    int keys; /* positions that the row attends to */
};

/* Everything that the threads of a step share. */
struct pass {
    struct assay_model *model;
    struct workspace *space; /* its spans, positions and pieces are filled in */
    const struct assay_piece *pieces;
    const int32_t *ids;
    int32_t *chosen; /* one per piece */
    struct extent extent;
    const struct trace *trace; /* NULL: off */
};

/* The pool's job; `pass` is a struct pass. */
void forward(void *pass, int thread);

/* Lays out a trace and returns the number of its values. */
size_t trace_layout(const struct assay_model *model, int position, struct trace *trace);

/* Copies an operation's values of the last row; nothing when the trace is off. */
void trace_embed(const struct pass *pass, const int32_t *values);
void trace_narrow(const struct pass *pass, int layer, enum operation operation,
                  const int16_t *values, int count);
void trace_wide(const struct pass *pass, int layer, enum operation operation,
                const int32_t *values, int count);
void trace_final(const struct pass *pass, const int16_t *values);
void trace_head(const struct pass *pass, const int32_t *values);

/* Where an operation's values go. Only when the trace is on. */
int32_t *trace_place(const struct pass *pass, int layer, enum operation operation);

#endif
