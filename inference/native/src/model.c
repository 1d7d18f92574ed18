/* A model's life: created from a shape, given tensors, destroyed. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "workspace.h"

static int within(int32_t value, int32_t lowest, int32_t highest) {
    return lowest <= value && value <= highest;
}

static int shape_is_valid(const struct assay_shape *s) {
    return within(s->profile, PROFILE_W8A16, PROFILE_W12A16) &&
           within(s->vocab, 1, MAX_VOCAB) && within(s->context, 1, MAX_CONTEXT) &&
           within(s->width, 1, MAX_WIDTH) && within(s->inner, 1, MAX_INNER) &&
           within(s->layers, 1, MAX_LAYERS) && within(s->heads, 1, s->width) &&
           s->width % s->heads == 0 && s->width / s->heads <= MAX_HEAD_WIDTH &&
           within(s->epsilon, 0, MAX_EPSILON);
}

static void cut_product(const struct assay_model *m, struct product *product,
                        struct cutter *cutter, int outputs, int terms) {
    int panel = m->gemm->panel;
    size_t padded = (size_t)((outputs + panel - 1) / panel * panel);
    product->profile = m->shape.profile;
    product->outputs = outputs;
    product->terms = terms;
    product->packed =
        cut(cutter, m->gemm->packed_bytes(m->shape.profile, outputs, terms));
    product->multiplier = cut(cutter, padded * sizeof(int32_t));
    product->bias = cut(cutter, padded * sizeof(int32_t));
}

static void cut_layer(const struct assay_model *m, struct layer *layer,
                      struct cutter *cutter) {
    int width = m->shape.width, inner = m->shape.inner;
    layer->norm1 = cut(cutter, (size_t)width);
    cut_product(m, &layer->qkv, cutter, 3 * width, width);
    layer->sharpness = cut(cutter, (size_t)m->shape.heads * sizeof(uint32_t));
    cut_product(m, &layer->proj, cutter, width, width);
    layer->norm2 = cut(cutter, (size_t)width);
    cut_product(m, &layer->fc, cutter, inner, width);
    layer->activation = cut(cutter, TABLE_SIZE * sizeof(int16_t));
    cut_product(m, &layer->out, cutter, width, inner);
}

void model_cut(struct assay_model *m, struct cutter *cutter) {
    size_t width = (size_t)m->shape.width;
    m->token_embedding =
        cut(cutter, (size_t)m->shape.vocab * width * sizeof(int16_t));
    m->token_shift = cut(cutter, width);
    m->position_embedding =
        cut(cutter, (size_t)m->shape.context * width * sizeof(int32_t));
    for (int l = 0; l < m->shape.layers; l++) cut_layer(m, &m->layers[l], cutter);
    m->final_shift = cut(cutter, width);
    cut_product(m, &m->head, cutter, m->shape.vocab, m->shape.width);
}

static int reserve(struct assay_model *m) {
    struct cutter cutter = {NULL, 0};
    model_cut(m, &cutter);
    if (block_open(&m->weights, cutter.used)) return ASSAY_NO_MEMORY;
    cutter.base = m->weights.data;
    cutter.used = 0;
    model_cut(m, &cutter);
    m->pool = pool_open(m->threads);
    m->workspace = workspace_create();
    return m->pool && m->workspace ? ASSAY_OK : ASSAY_NO_MEMORY;
}

int assay_interface(void) { return ASSAY_INTERFACE; }

int assay_create(const struct assay_shape *shape, int threads, const char *isa,
                 struct assay_model **model) {
    *model = NULL;
    if (!shape_is_valid(shape)) return ASSAY_BAD_SHAPE;
    if (!within(threads, 1, POOL_MAX_THREADS)) return ASSAY_BAD_THREADS;
    const struct gemm *gemm = gemm_select(isa);
    const struct rows *rows = rows_select(isa);
    if (!gemm || !rows) return ASSAY_UNKNOWN_ISA;
    struct assay_model *m = calloc(1, sizeof *m);
    if (!m) return ASSAY_NO_MEMORY;
    m->shape = *shape;
    m->head_width = shape->width / shape->heads;
    m->threads = threads;
    m->gemm = gemm;
    m->rows = rows;
    m->missing = GLOBAL_TENSORS + LAYER_TENSORS * shape->layers;
    int status = reserve(m);
    if (status) {
        assay_destroy(m);
        return status;
    }
    *model = m;
    return ASSAY_OK;
}

void assay_destroy(struct assay_model *m) {
    if (!m) return;
    pool_close(m->pool);
    workspace_destroy(m->workspace);
    sequences_close_all(m);
    block_close(&m->weights);
    free(m);
}

const char *assay_isa(const struct assay_model *model) { return model->gemm->name; }

size_t assay_weight_bytes(const struct assay_model *model) {
    return model->weights.bytes;
}
