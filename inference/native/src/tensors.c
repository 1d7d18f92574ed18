/* A model's tensors by their names: spec, section 9. */
#include <string.h>

#include "model.h"

/* The first entries stand alone, the others exist once per layer. */
static const char *const NAMES[GLOBAL_TENSORS + LAYER_TENSORS] = {
    "token_embedding", "token_shift",    "position_embedding", "final.shift",
    "head.weight",     "head.multiplier", "head.bias",
    "norm1.shift",     "norm2.shift",    "sharpness",          "activation",
    "qkv.weight",      "qkv.multiplier", "qkv.bias",
    "proj.weight",     "proj.multiplier", "proj.bias",
    "fc.weight",       "fc.multiplier",  "fc.bias",
    "out.weight",      "out.multiplier", "out.bias",
};

/* Where a tensor goes: copied to `target`, or packed into `product`. */
struct slot {
    int number; /* in is_set */
    const void *target;
    const struct product *product;
    size_t bytes;
};

/* Reads the L of "layers.L." as the spec writes it, without leading zeros, and returns
 * what follows; NULL if the name is no such name. */
static const char *read_layer(const char *name, int layers, int *layer) {
    static const char prefix[] = "layers.";
    if (strncmp(name, prefix, sizeof prefix - 1)) return NULL;
    name += sizeof prefix - 1;
    if (name[0] == '0' && name[1] != '.') return NULL;
    int number = 0;
    const char *digit = name;
    for (; *digit >= '0' && *digit <= '9' && number < layers; digit++)
        number = number * 10 + (*digit - '0');
    if (digit == name || *digit != '.' || number >= layers) return NULL;
    *layer = number;
    return digit + 1;
}

static int find_name(const char *name, int first, int count) {
    for (int i = first; i < first + count; i++)
        if (strcmp(name, NAMES[i]) == 0) return i;
    return -1;
}

static struct slot copied(const void *target, size_t count, size_t size) {
    return (struct slot){0, target, NULL, count * size};
}

static struct slot of_product(const struct product *p, int part) {
    size_t outputs = (size_t)p->outputs;
    if (part == 1) return copied(p->multiplier, outputs, sizeof(int32_t));
    if (part == 2) return copied(p->bias, outputs, sizeof(int32_t));
    size_t size = p->profile == PROFILE_W12A16 ? sizeof(int16_t) : sizeof(int8_t);
    return (struct slot){0, NULL, p, outputs * (size_t)p->terms * size};
}

static struct slot global_slot(const struct assay_model *m, int index) {
    size_t width = (size_t)m->shape.width;
    switch (index) {
    case 0:
        return copied(m->token_embedding, (size_t)m->shape.vocab * width, 2);
    case 1:
        return copied(m->token_shift, width, 1);
    case 2:
        return copied(m->position_embedding, (size_t)m->shape.context * width, 4);
    case 3:
        return copied(m->final_shift, width, 1);
    default:
        return of_product(&m->head, index - 4);
    }
}

static struct slot layer_slot(const struct assay_model *m, const struct layer *layer,
                              int index) {
    const struct product *const products[] = {&layer->qkv, &layer->proj, &layer->fc,
                                              &layer->out};
    switch (index) {
    case 0:
        return copied(layer->norm1, (size_t)m->shape.width, 1);
    case 1:
        return copied(layer->norm2, (size_t)m->shape.width, 1);
    case 2:
        return copied(layer->sharpness, (size_t)m->shape.heads, 4);
    case 3:
        return copied(layer->activation, TABLE_SIZE, 2);
    default:
        return of_product(products[(index - 4) / 3], (index - 4) % 3);
    }
}

static int find_slot(const struct assay_model *m, const char *name, struct slot *slot) {
    int layer = 0;
    const char *rest = read_layer(name, m->shape.layers, &layer);
    if (rest) {
        int index = find_name(rest, GLOBAL_TENSORS, LAYER_TENSORS);
        if (index < 0) return -1;
        *slot = layer_slot(m, &m->layers[layer], index - GLOBAL_TENSORS);
        slot->number = index + layer * LAYER_TENSORS;
        return 0;
    }
    int index = find_name(name, 0, GLOBAL_TENSORS);
    if (index < 0) return -1;
    *slot = global_slot(m, index);
    slot->number = index;
    return 0;
}

struct packing_job {
    const struct assay_model *model;
    const struct product *product;
    const unsigned char *rows;
    size_t row_bytes;
};

static void pack_panels(void *context, int thread) {
    const struct packing_job *job = context;
    const struct product *p = job->product;
    const struct gemm *gemm = job->model->gemm;
    int panels = (p->outputs + gemm->panel - 1) / gemm->panel;
    (void)thread;
    for (int panel; pool_take(job->model->pool, panels, 1, &panel);) {
        int first = panel * gemm->panel, left = p->outputs - first;
        int count = left < gemm->panel ? left : gemm->panel;
        /* The packed form is ours to write; only the kernels take it as constant. */
        gemm->pack(p->profile, p->terms, p->outputs, first, count,
                   job->rows + (size_t)first * job->row_bytes, (void *)p->packed);
    }
}

int assay_set_tensor(struct assay_model *m, const char *name, const void *data,
                     size_t bytes) {
    struct slot slot;
    if (find_slot(m, name, &slot)) return ASSAY_UNKNOWN_TENSOR;
    if (bytes != slot.bytes) return ASSAY_BAD_TENSOR;
    if (slot.product) {
        struct packing_job job = {m, slot.product, data,
                                  slot.bytes / (size_t)slot.product->outputs};
        pool_run(m->pool, pack_panels, &job);
    } else {
        memcpy((void *)slot.target, data, bytes);
    }
    m->missing -= !m->is_set[slot.number];
    m->is_set[slot.number] = 1;
    return ASSAY_OK;
}
