/* The buffers that a step works in. */
#include "workspace.h"

#include <stdlib.h>

#include "sample.h"

struct workspace *workspace_create(void) {
    return calloc(1, sizeof(struct workspace));
}

void workspace_destroy(struct workspace *workspace) {
    if (!workspace) return;
    block_close(&workspace->block);
    free(workspace);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static int larger_int(int a, int b) { return a > b ? a : b; }

static size_t prepared_bytes(const struct assay_model *m, int rows) {
    const struct assay_shape *s = &m->shape;
    return larger(m->gemm->prepared_bytes(s->profile, rows, s->width),
                  m->gemm->prepared_bytes(s->profile, rows, s->inner));
}

static void cut_own(const struct assay_model *m, size_t scratch, struct own *own,
                    struct cutter *cutter) {
    size_t rows = (size_t)m->gemm->row_block, panel = (size_t)m->gemm->panel;
    size_t width = (size_t)m->shape.width;
    own->scratch = cut(cutter, scratch);
    own->values = cut(cutter, rows * panel * sizeof *own->values);
    own->normed = cut(cutter, rows * width * sizeof *own->normed);
    own->prepared = cut(cutter, prepared_bytes(m, m->gemm->row_block));
}

static void workspace_cut(const struct assay_model *m, struct workspace *w,
                          struct cutter *cutter) {
    size_t rows = (size_t)w->extent.rows, wanted = (size_t)w->extent.wanted;
    size_t width = (size_t)m->shape.width;
    size_t scratch = larger(w->extent.scratch, sample_scratch_bytes(m->shape.vocab));
    w->span = cut(cutter, (size_t)w->extent.spans * sizeof *w->span);
    w->position = cut(cutter, rows * sizeof *w->position);
    w->piece = cut(cutter, wanted * sizeof *w->piece);
    w->residual = cut(cutter, rows * width * sizeof *w->residual);
    w->wanted_residual = cut(cutter, wanted * width * sizeof *w->wanted_residual);
    w->normed = cut(cutter, rows * width * sizeof *w->normed);
    w->qkv = cut(cutter, rows * 3 * width * sizeof *w->qkv);
    w->mixed = cut(cutter, rows * width * sizeof *w->mixed);
    w->inner = cut(cutter, rows * (size_t)m->shape.inner * sizeof *w->inner);
    w->prepared = cut(cutter, prepared_bytes(m, w->extent.rows));
    w->logits = cut(cutter, wanted * (size_t)m->shape.vocab * sizeof *w->logits);
    w->own = cut(cutter, (size_t)m->threads * sizeof *w->own);
    for (int t = 0; t < m->threads; t++) {
        struct own measured;
        cut_own(m, scratch, w->own ? &w->own[t] : &measured, cutter);
    }
}

int workspace_fit(struct assay_model *m, const struct extent *extent) {
    struct workspace *w = m->workspace;
    struct extent *room = &w->extent;
    w->spans = 0;
    if (w->block.data && extent->rows <= room->rows && extent->wanted <= room->wanted &&
        extent->spans <= room->spans && extent->scratch <= room->scratch)
        return ASSAY_OK;
    block_close(&w->block);
    room->rows = larger_int(room->rows, extent->rows);
    room->wanted = larger_int(room->wanted, extent->wanted);
    room->spans = larger_int(room->spans, extent->spans);
    room->scratch = larger(room->scratch, extent->scratch);

    struct cutter cutter = {NULL, 0};
    workspace_cut(m, w, &cutter);
    if (block_open(&w->block, cutter.used)) {
        *room = (struct extent){0, 0, 0, 0};
        return ASSAY_NO_MEMORY;
    }
    cutter = (struct cutter){w->block.data, 0};
    workspace_cut(m, w, &cutter);
    return ASSAY_OK;
}
