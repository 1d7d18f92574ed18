/* Steps: what is asked is checked, laid out in rows and handed to the pool. */
#include "forward.h"

/* Memory of one step grows with its rows; this many fill any cache anyway. */
#define MAX_ROWS (1 << 20)

static int choice_is_valid(const struct assay_piece *piece) {
    if (!piece->wanted) return 1;
    if (piece->temperature == 0) return 1;
    return piece->temperature > 0 && piece->temperature <= MAX_TEMPERATURE &&
           piece->top_k >= 0 && piece->top_p >= 1 && piece->top_p <= MILLION;
}

static int check_tokens(const struct assay_model *m, const int32_t *ids, int count,
                        struct assay_fault *fault) {
    for (int i = 0; i < count; i++) {
        if (ids[i] >= 0 && ids[i] < m->shape.vocab) continue;
        fault->token = i;
        return ASSAY_BAD_TOKEN;
    }
    return ASSAY_OK;
}

static int check_piece(const struct assay_model *m, const struct assay_piece *piece,
                       const int32_t *ids, struct assay_fault *fault) {
    struct sequence *sequence;
    int status = sequences_find(m, piece->sequence, &sequence);
    if (status) return status;
    if (sequence->seen == m->steps) return ASSAY_REPEATED_SEQUENCE;
    sequence->seen = m->steps;
    if (piece->start != sequence->length) return ASSAY_BAD_START;
    if (piece->count > sequence->capacity - sequence->length)
        return ASSAY_OVER_CAPACITY;
    if (!choice_is_valid(piece)) return ASSAY_BAD_CHOICE;
    return check_tokens(m, ids, piece->count, fault);
}

/* Checks all pieces and measures the step. */
static int measure(struct assay_model *m, const struct assay_piece *pieces,
                   int count, const int32_t *ids, struct extent *extent,
                   struct assay_fault *fault) {
    *extent = (struct extent){0, 0, count, 0};
    if (m->missing) return ASSAY_TENSOR_MISSING;
    m->steps++;
    if (count < 1) return ASSAY_BAD_COUNT;
    for (int i = 0; i < count; i++) {
        fault->piece = i;
        if (pieces[i].count < 1 || pieces[i].count > MAX_ROWS - extent->rows)
            return ASSAY_BAD_COUNT;
        int status = check_piece(m, &pieces[i], ids + extent->rows, fault);
        if (status) return status;
        int capacity = m->sequences[pieces[i].sequence].capacity;
        size_t scratch =
            m->rows->attend_scratch(m->head_width, capacity, pieces[i].count);
        if (scratch > extent->scratch) extent->scratch = scratch;
        extent->rows += pieces[i].count;
        extent->wanted += pieces[i].wanted != 0;
    }
    return ASSAY_OK;
}

static void lay_out(const struct assay_model *m, const struct assay_piece *pieces,
                    int count) {
    struct workspace *w = m->workspace;
    int row = 0, slot = 0;
    for (int i = 0; i < count; i++) {
        struct span *span = &w->span[i];
        span->sequence = &m->sequences[pieces[i].sequence];
        span->row = row;
        span->start = pieces[i].start;
        span->count = pieces[i].count;
        span->slot = pieces[i].wanted ? slot : -1;
        if (pieces[i].wanted) w->piece[slot++] = i;
        for (int r = 0; r < span->count; r++) w->position[row++] = span->start + r;
    }
}

static int run(struct assay_model *m, const struct assay_piece *pieces, int count,
               const int32_t *ids, int32_t *chosen, const struct trace *trace,
               struct assay_fault *fault) {
    struct assay_fault ignored;
    if (!fault) fault = &ignored;
    *fault = (struct assay_fault){-1, -1};
    struct pass pass = {m, m->workspace, pieces, ids, chosen, {0, 0, 0, 0}, trace};
    int status = measure(m, pieces, count, ids, &pass.extent, fault);
    if (!status) status = workspace_fit(m, &pass.extent);
    if (status) return status;
    lay_out(m, pieces, count);
    for (int i = 0; i < count; i++) chosen[i] = -1;
    pool_run(m->pool, forward, &pass);
    for (int i = 0; i < count; i++)
        m->sequences[pieces[i].sequence].length += pieces[i].count;
    m->workspace->spans = count;
    return ASSAY_OK;
}

int assay_step(struct assay_model *m, const struct assay_piece *pieces, int count,
               const int32_t *ids, int32_t *chosen, struct assay_fault *fault) {
    return run(m, pieces, count, ids, chosen, NULL, fault);
}

int assay_logits(const struct assay_model *m, int piece, int32_t *out) {
    const struct workspace *w = m->workspace;
    if (piece < 0 || piece >= w->spans || w->span[piece].slot < 0)
        return ASSAY_NO_LOGITS;
    size_t vocab = (size_t)m->shape.vocab;
    const int32_t *logits = w->logits + (size_t)w->span[piece].slot * vocab;
    for (size_t j = 0; j < vocab; j++) out[j] = logits[j];
    return ASSAY_OK;
}

size_t assay_trace_length(const struct assay_model *m, int position) {
    struct trace trace;
    if (position < 0 || position >= m->shape.context) return 0;
    return trace_layout(m, position, &trace);
}

int assay_trace(struct assay_model *m, const struct assay_piece *piece,
                const int32_t *ids, int32_t *values, struct assay_fault *fault) {
    struct assay_piece greedy = *piece;
    struct trace trace;
    int32_t chosen;
    greedy.wanted = 1; /* the head belongs to the trace */
    greedy.temperature = 0;
    /* A position that is out of range is refused before the trace is written. */
    int64_t position = (int64_t)piece->start + piece->count - 1;
    int known = position >= 0 && position < m->shape.context;
    trace_layout(m, known ? (int)position : 0, &trace);
    trace.values = values;
    return run(m, &greedy, 1, ids, &chosen, &trace, fault);
}
