/* Traces: the values of every operation of one row, ordered as in spec, section 10. */
#include <string.h>

#include "forward.h"

size_t trace_layout(const struct assay_model *m, int position, struct trace *trace) {
    size_t width = (size_t)m->shape.width, inner = (size_t)m->shape.inner;
    size_t keys = (size_t)position + 1, pairs = keys * (size_t)m->shape.heads;
    const size_t length[OPERATIONS] = {
        [OP_NORM1] = width,   [OP_QKV] = 3 * width, [OP_SCORES] = pairs,
        [OP_WEIGHTS] = pairs, [OP_MIXED] = width,   [OP_PROJ] = width,
        [OP_NORM2] = width,   [OP_FC] = inner,      [OP_ACTIVATION] = inner,
        [OP_OUT] = width};
    size_t offset = 0;
    for (int op = 0; op < OPERATIONS; op++) {
        trace->offset[op] = offset;
        offset += length[op];
    }
    trace->layer_length = offset;
    trace->keys = (int)keys;
    return width + offset * (size_t)m->shape.layers + width + (size_t)m->shape.vocab;
}

/* The first value after `layer` layers. */
static int32_t *after_layers(const struct pass *pass, int layer) {
    return pass->trace->values + (size_t)pass->model->shape.width +
           (size_t)layer * pass->trace->layer_length;
}

int32_t *trace_place(const struct pass *pass, int layer, enum operation operation) {
    return after_layers(pass, layer) + pass->trace->offset[operation];
}

static void copy_narrow(int32_t *to, const int16_t *values, int count) {
    for (int i = 0; i < count; i++) to[i] = values[i];
}

static void copy_wide(int32_t *to, const int32_t *values, int count) {
    memcpy(to, values, (size_t)count * sizeof *to);
}

void trace_embed(const struct pass *pass, const int32_t *values) {
    if (pass->trace) copy_wide(pass->trace->values, values, pass->model->shape.width);
}

void trace_narrow(const struct pass *pass, int layer, enum operation operation,
                  const int16_t *values, int count) {
    if (pass->trace) copy_narrow(trace_place(pass, layer, operation), values, count);
}

void trace_wide(const struct pass *pass, int layer, enum operation operation,
                const int32_t *values, int count) {
    if (pass->trace) copy_wide(trace_place(pass, layer, operation), values, count);
}

void trace_final(const struct pass *pass, const int16_t *values) {
    if (!pass->trace) return;
    int32_t *place = after_layers(pass, pass->model->shape.layers);
    copy_narrow(place, values, pass->model->shape.width);
}

void trace_head(const struct pass *pass, const int32_t *values) {
    if (!pass->trace) return;
    int32_t *place = after_layers(pass, pass->model->shape.layers);
    copy_wide(place + pass->model->shape.width, values, pass->model->shape.vocab);
}
