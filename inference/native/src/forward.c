/* One step's forward pass: spec, sections 4 to 8.
 *
 * All threads run the same stages; within a stage they take tasks that write to
 * disjoint places. A row's values never depend on other rows of the batch.
 *
 * Of the last layer only keys and values are computed for all rows. The rest, and the
 * head, only for the rows whose logits are wanted, which move together first.
 */
#include "forward.h"

#include "row_math.h"
#include "sample.h"

/* A thread's view of the pass. */
struct lane {
    const struct pass *pass;
    const struct assay_model *model;
    struct workspace *space;
    int thread;
    int rows; /* computed now: all, later the wanted ones */
    int32_t *residual;
    int16_t *normed; /* these two: shared by all threads, or this thread's own */
    void *prepared;
};

/* What becomes of a tile's row: `count` values of output `column` on. */
typedef void epilogue(const struct lane *lane, int layer, int row, int column,
                      int count, const int32_t *values);

static int smaller(int a, int b) { return a < b ? a : b; }

/* Takes single tasks: those of a stage that are few or of different length. */
static int take(const struct lane *lane, int total, int *task) {
    return pool_take(lane->model->pool, total, 1, task);
}

static void meet(const struct lane *lane) { pool_meet(lane->model->pool); }

static void *scratch_of(const struct lane *lane) {
    return lane->space->own[lane->thread].scratch;
}

/* The traced row is the last one. Only one thread copies, and before it comes to the
 * next meeting, so that nothing is overwritten meanwhile. */
static int copies_trace(const struct lane *lane) {
    return lane->pass->trace && lane->thread == 0;
}

static int16_t *narrow_row(int16_t *rows, int row, int width) {
    return rows + (ptrdiff_t)row * width;
}

static int32_t *wide_row(int32_t *rows, int row, int width) {
    return rows + (ptrdiff_t)row * width;
}

/* --- Rows into products --- */

/* Spec, section 4. */
static void embed(const struct lane *lane, int row) {
    const struct assay_model *m = lane->model;
    int width = m->shape.width;
    const int16_t *token =
        m->token_embedding + (ptrdiff_t)lane->pass->ids[row] * width;
    const int32_t *position =
        m->position_embedding + (ptrdiff_t)lane->space->position[row] * width;
    int32_t *x = wide_row(lane->residual, row, width);
    for (int k = 0; k < width; k++) {
        /* At most 2^29 + 2^30: a product, since a negative shift is undefined in C. */
        int32_t sum = token[k] * (1 << m->token_shift[k]) + position[k];
        x[k] = clamp_i32(sum, REST);
    }
}

/* Brings rows first ... first + count - 1 of x into the kernels' form. */
static void prepare_rows(const struct lane *lane, const int16_t *x, int terms,
                         int first, int count) {
    lane->model->gemm->prepare(lane->model->shape.profile, terms, lane->rows, first,
                               count, x + (ptrdiff_t)first * terms, terms,
                               lane->prepared);
}

/* Spec, section 5. */
static void norm_rows(const struct lane *lane, const uint8_t *shift, int first,
                      int count) {
    const struct assay_model *m = lane->model;
    int width = m->shape.width, fraction = norm_fraction(width);
    for (int row = first; row < first + count; row++)
        m->rows->norm(wide_row(lane->residual, row, width), width, fraction, shift,
                      m->shape.epsilon, narrow_row(lane->normed, row, width));
    prepare_rows(lane, lane->normed, width, first, count);
}

static int row_blocks(const struct lane *lane) {
    int block = lane->model->gemm->row_block;
    return (lane->rows + block - 1) / block;
}

/* A single block of rows is normalised and prepared by every thread for itself, which
 * takes less time than to wait for one that does it for all. */
static int is_single(const struct lane *lane) { return row_blocks(lane) == 1; }

static void use_buffers(struct lane *lane, int rows, int32_t *residual) {
    lane->rows = rows;
    lane->residual = residual;
    struct own *own = &lane->space->own[lane->thread];
    lane->normed = is_single(lane) ? own->normed : lane->space->normed;
    lane->prepared = is_single(lane) ? own->prepared : lane->space->prepared;
}

static void embed_stage(const struct lane *lane) {
    for (int row; take(lane, lane->rows, &row);) embed(lane, row);
    meet(lane);
}

static void norm_stage(const struct lane *lane, const uint8_t *shift) {
    int block = lane->model->gemm->row_block;
    if (is_single(lane)) {
        norm_rows(lane, shift, 0, lane->rows);
        return;
    }
    for (int task; take(lane, row_blocks(lane), &task);) {
        int first = task * block;
        norm_rows(lane, shift, first, smaller(block, lane->rows - first));
    }
    meet(lane);
}

static void prepare_stage(const struct lane *lane, const int16_t *x, int terms) {
    int block = lane->model->gemm->row_block;
    if (is_single(lane)) {
        prepare_rows(lane, x, terms, 0, lane->rows);
        return;
    }
    for (int task; take(lane, row_blocks(lane), &task);) {
        int first = task * block;
        prepare_rows(lane, x, terms, first, smaller(block, lane->rows - first));
    }
    meet(lane);
}

/* --- Products --- */

/* Rows of a task: so many that their prepared form takes about half of a core's L2
 * cache, in which one panel of weights has room beside them. */
static int rows_per_task(const struct gemm *gemm, int terms) {
    int rows = (384 << 10) / (2 * terms) / gemm->row_block * gemm->row_block;
    return rows > gemm->row_block ? rows : gemm->row_block;
}

static void product_task(const struct lane *lane, const struct product *product,
                         int layer, epilogue *epilogue, int panel, int first, int end) {
    const struct gemm *gemm = lane->model->gemm;
    int32_t *values = lane->space->own[lane->thread].values;
    int column = panel * gemm->panel;
    int outputs = smaller(gemm->panel, product->outputs - column);
    for (; first < end; first += gemm->row_block) {
        int count = smaller(gemm->row_block, end - first);
        gemm->tile(product, panel, lane->prepared, lane->rows, first, count, values);
        for (int r = 0; r < count; r++)
            epilogue(lane, layer, first + r, column, outputs, values + r * gemm->panel);
    }
}

/* The prepared rows times one matrix. Tasks go through the panels of some rows, then
 * through those of the next rows. */
static void product_stage(const struct lane *lane, const struct product *product,
                          int layer, epilogue *epilogue) {
    const struct gemm *gemm = lane->model->gemm;
    int panels = (product->outputs + gemm->panel - 1) / gemm->panel;
    int share = rows_per_task(gemm, product->terms);
    int tasks = panels * ((lane->rows + share - 1) / share);
    for (int task, count; (count = pool_take(lane->model->pool, tasks, tasks, &task));)
        for (; count > 0; count--, task++) {
            int first = task / panels * share;
            product_task(lane, product, layer, epilogue, task % panels, first,
                         smaller(first + share, lane->rows));
        }
    meet(lane);
}

/* Spec, section 6: queries and keys share a bound; values, the last third, have
 * another. */
static void keep_qkv(const struct lane *lane, int layer, int row, int column, int count,
                     const int32_t *values) {
    int width = lane->model->shape.width;
    int16_t *out = narrow_row(lane->space->qkv, row, 3 * width) + column;
    int left = 2 * width - column; /* columns before the values */
    int bounded = left < 0 ? 0 : smaller(left, count);
    (void)layer;
    if (bounded) lane->model->rows->store_i16(values, bounded, KEY_LIMIT, out);
    if (count > bounded)
        lane->model->rows->store_i16(values + bounded, count - bounded, VALUE_LIMIT,
                                     out + bounded);
}

/* Spec, section 7: x after proj and after out. */
static void add_to_residual(const struct lane *lane, int layer, int row, int column,
                            int count, const int32_t *values) {
    int32_t *x = wide_row(lane->residual, row, lane->model->shape.width);
    (void)layer;
    lane->model->rows->add_residual(values, count, x + column);
}

/* Spec, section 7: i and g. */
static void activate(const struct lane *lane, int layer, int row, int column, int count,
                     const int32_t *values) {
    const struct assay_model *m = lane->model;
    int16_t *out = narrow_row(lane->space->inner, row, m->shape.inner) + column;
    m->rows->activate(values, count, m->layers[layer].activation, out);
    if (lane->pass->trace && row == lane->rows - 1) {
        int16_t before[1024]; /* more than any panel */
        m->rows->store_i16(values, count, VALUE_LIMIT, before);
        int32_t *place = trace_place(lane->pass, layer, OP_FC) + column;
        for (int j = 0; j < count; j++) place[j] = before[j];
    }
}

/* Spec, section 7: logit[j]. */
static void keep_logits(const struct lane *lane, int layer, int row, int column,
                        int count, const int32_t *values) {
    int32_t *out = wide_row(lane->space->logits, row, lane->model->shape.vocab);
    (void)layer;
    lane->model->rows->store_logits(values, count, out + column);
}

/* --- Attention --- */

/* One head of one piece: its keys and values into the cache, then its queries. */
static void attend(const struct lane *lane, int layer, const struct span *span,
                   int head, int first, int mixed_row) {
    const struct assay_model *m = lane->model;
    int h = m->head_width, width = m->shape.width, stride = 3 * width;
    int capacity = span->sequence->capacity;
    void *cache = sequence_cache(m, span->sequence, layer, head);
    const int16_t *q = narrow_row(lane->space->qkv, span->row, stride) + head * h;
    for (int r = 0; r < span->count; r++) {
        const int16_t *k = q + (ptrdiff_t)r * stride + width;
        m->rows->cache_put(cache, h, capacity, span->start + r, k, k + width);
    }
    if (mixed_row < 0) return;
    int32_t *scores = NULL, *weights = NULL;
    if (lane->pass->trace) {
        ptrdiff_t place = (ptrdiff_t)head * lane->pass->trace->keys;
        scores = trace_place(lane->pass, layer, OP_SCORES) + place;
        weights = trace_place(lane->pass, layer, OP_WEIGHTS) + place;
    }
    m->rows->attend(cache, h, capacity, m->layers[layer].sharpness[head],
                    span->start + first, span->count - first,
                    q + (ptrdiff_t)first * stride, stride,
                    narrow_row(lane->space->mixed, mixed_row, width) + head * h, width,
                    scratch_of(lane), scores, weights);
}

static void attend_stage(const struct lane *lane, int layer) {
    int heads = lane->model->shape.heads, tasks = lane->pass->extent.spans * heads;
    int last = layer == lane->model->shape.layers - 1;
    /* Of a long piece not all heads to one thread; of many short ones some at once. */
    int most = heads / (2 * lane->model->threads);
    for (int task, count;
         (count = pool_take(lane->model->pool, tasks, most, &task));)
        for (; count > 0; count--, task++) {
            const struct span *span = &lane->space->span[task / heads];
            if (last)
                attend(lane, layer, span, task % heads, span->count - 1, span->slot);
            else
                attend(lane, layer, span, task % heads, 0, span->row);
        }
    meet(lane);
}

/* --- The whole --- */

static void attention_half(const struct lane *lane, int index) {
    const struct layer *layer = &lane->model->layers[index];
    int width = lane->model->shape.width, last = lane->rows - 1;
    norm_stage(lane, layer->norm1);
    if (copies_trace(lane))
        trace_narrow(lane->pass, index, OP_NORM1,
                     narrow_row(lane->normed, last, width), width);
    product_stage(lane, &layer->qkv, index, keep_qkv);
    if (copies_trace(lane))
        trace_narrow(lane->pass, index, OP_QKV,
                     narrow_row(lane->space->qkv, last, 3 * width), 3 * width);
    attend_stage(lane, index);
}

static void feed_forward_half(const struct lane *lane, int index) {
    const struct layer *layer = &lane->model->layers[index];
    int width = lane->model->shape.width, inner = lane->model->shape.inner;
    int last = lane->rows - 1;
    int32_t *x = wide_row(lane->residual, last, width);
    prepare_stage(lane, lane->space->mixed, width);
    if (copies_trace(lane))
        trace_narrow(lane->pass, index, OP_MIXED,
                     narrow_row(lane->space->mixed, last, width), width);
    product_stage(lane, &layer->proj, index, add_to_residual);
    if (copies_trace(lane)) trace_wide(lane->pass, index, OP_PROJ, x, width);
    norm_stage(lane, layer->norm2);
    if (copies_trace(lane))
        trace_narrow(lane->pass, index, OP_NORM2,
                     narrow_row(lane->normed, last, width), width);
    product_stage(lane, &layer->fc, index, activate);
    if (copies_trace(lane))
        trace_narrow(lane->pass, index, OP_ACTIVATION,
                     narrow_row(lane->space->inner, last, inner), inner);
    prepare_stage(lane, lane->space->inner, inner);
    product_stage(lane, &layer->out, index, add_to_residual);
    if (copies_trace(lane)) trace_wide(lane->pass, index, OP_OUT, x, width);
}

/* Goes on with the wanted rows alone. */
static void keep_wanted(struct lane *lane) {
    int width = lane->model->shape.width;
    for (int i; take(lane, lane->pass->extent.wanted, &i);) {
        const struct span *span = &lane->space->span[lane->space->piece[i]];
        const int32_t *from =
            wide_row(lane->residual, span->row + span->count - 1, width);
        int32_t *to = wide_row(lane->space->wanted_residual, i, width);
        for (int k = 0; k < width; k++) to[k] = from[k];
    }
    meet(lane);
    use_buffers(lane, lane->pass->extent.wanted, lane->space->wanted_residual);
}

static void choose_stage(const struct lane *lane) {
    int vocab = lane->model->shape.vocab;
    for (int i; take(lane, lane->rows, &i);) {
        int index = lane->space->piece[i];
        const struct assay_piece *piece = &lane->pass->pieces[index];
        lane->pass->chosen[index] = sample_token(
            wide_row(lane->space->logits, i, vocab), vocab, piece->temperature,
            piece->top_k, piece->top_p, piece->draw, scratch_of(lane));
    }
}

static void head_half(const struct lane *lane) {
    norm_stage(lane, lane->model->final_shift);
    if (copies_trace(lane)) trace_final(lane->pass, lane->normed);
    product_stage(lane, &lane->model->head, 0, keep_logits);
    if (copies_trace(lane)) trace_head(lane->pass, lane->space->logits);
    choose_stage(lane);
}

void forward(void *context, int thread) {
    const struct pass *pass = context;
    struct lane lane = {pass, pass->model, pass->space, thread, 0, NULL, NULL, NULL};
    use_buffers(&lane, pass->extent.rows, pass->space->residual);
    embed_stage(&lane);
    if (copies_trace(&lane))
        trace_embed(pass, wide_row(lane.residual, pass->extent.rows - 1,
                                   pass->model->shape.width));
    int last = pass->model->shape.layers - 1;
    for (int layer = 0; layer < last; layer++) {
        attention_half(&lane, layer);
        feed_forward_half(&lane, layer);
    }
    attention_half(&lane, last);
    if (pass->extent.wanted == 0) return;
    keep_wanted(&lane);
    feed_forward_half(&lane, last);
    head_half(&lane);
}
