/* Attention for vector units: what all versions have in common. Spec, section 6.
 *
 * A template: a version defines the macros and operations listed below, includes this
 * file once and gets cache_bytes, cache_put, attend_scratch and attend of rows.h.
 *
 * Scores and mixed values are both products of rows of units with columns of units, so
 * one tile of registers serves both. A unit is PACK int16 which one instruction
 * multiplies and sums; a column has LANES units. The cache is kept as tiles read it,
 * each step a column:
 *
 * keys    [block of LANES positions][unit of dimensions][position]
 * values  [group of PACK * LANES positions][t of LANES][dimension]
 *
 * A unit of values holds positions LANES apart (t, t + LANES, ...): that is how the
 * weights of PACK vectors of scores interleave without a permutation. Positions that
 * nobody wrote hold anything: their scores are masked and their weights are 0.
 *
 * Macros: TARGET (attribute), LANES, PACK (1 or 2), MAX_ROWS and
 * MAX_COLUMNS (of a tile, as the registers allow). Types: unit; column, factor and
 * sums, the registers of a tile. Operations on these: no_sums, column_at, factor_of,
 * add_products, store_sums. The functions declared under "the version's own". */

#define GROUP (PACK * LANES)
#define QUERY_UNITS (MAX_HEAD_WIDTH / PACK)
#define TILE_INLINE TARGET __attribute__((always_inline)) static inline

/* --- The version's own --- */

/* Writes v[0..width) at every PACK-th int16 from `to` on. */
static void put_values(int16_t *to, int width, const int16_t *v);
/* Writes e of n scores over them, as units, then zeros up to `groups` of GROUP; returns
 * their sum. Units take at most the room of their scores. */
static uint32_t exponentiate(int32_t *row, int n, int groups, uint32_t sharpness);
/* Turns e into weights in place; returns their sum. */
static int32_t weigh(int32_t *row, int groups, uint32_t inverse);
/* Writes mixed[0..width) from the weighted sums. */
static void mix_row(const int32_t *sums, int width, int32_t reciprocal, int16_t *mixed);

/* --- Layout --- */

struct layout {
    int width;    /* of a head */
    int units;    /* of a key */
    int columns;  /* of a value */
    size_t slots; /* positions, a multiple of GROUP */
};

static struct layout layout_of(int head_width, int capacity) {
    return (struct layout){.width = head_width,
                           .units = (head_width + PACK - 1) / PACK,
                           .columns = (head_width + LANES - 1) / LANES,
                           .slots = round_up((size_t)capacity, GROUP)};
}

/* All sizes and strides count units. */
static size_t key_units(const struct layout *l) { return l->slots * (size_t)l->units; }

static size_t value_stride(const struct layout *l) {
    return (size_t)l->columns * LANES;
}

static size_t cache_bytes(int head_width, int capacity) {
    struct layout l = layout_of(head_width, capacity);
    size_t units = key_units(&l) + l.slots / PACK * value_stride(&l);
    return round_up(units * sizeof(unit), 64);
}

TARGET static void cache_put(void *cache, int head_width, int capacity, int position,
                             const int16_t *k, const int16_t *v) {
    struct layout l = layout_of(head_width, capacity);
    size_t block = (size_t)position / LANES, lane = (size_t)position % LANES;
    unit *key = (unit *)cache + block * (size_t)l.units * LANES + lane;
    for (int i = 0; i < head_width / PACK; i++) {
        memcpy(key + (size_t)i * LANES, k + i * PACK, sizeof *key);
    }
    if (head_width % PACK) {
        int16_t last[2] = {k[head_width - 1], 0};
        memcpy(key + (size_t)(l.units - 1) * LANES, last, sizeof *key);
    }
    size_t row = block / PACK * LANES + lane;
    unit *value = (unit *)cache + key_units(&l) + row * value_stride(&l);
    put_values((int16_t *)value + block % PACK, head_width, v);
}

/* --- Products --- */

/* out[r][c] = sum over steps of a[r][step] times b[step][c], for rows r and columns c.
 * Strides count units, of `out` int32. */
struct operands {
    const unit *a;
    ptrdiff_t a_stride;
    const unit *b;
    ptrdiff_t b_step, b_column;
    int32_t *out;
    ptrdiff_t out_stride;
    int steps;
};

/* All loops over registers are unrolled, or these would live in memory. */
TILE_INLINE void tile(const struct operands *o, const int rows, const int columns) {
    const unit *a = o->a, *b = o->b;
    const ptrdiff_t a_stride = o->a_stride, b_step = o->b_step, b_column = o->b_column;
    sums sum[MAX_ROWS][4];
    column values[4];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int c = 0; c < columns; c++) sum[r][c] = no_sums();
    }
    for (int step = o->steps; step > 0; step--, a++, b += b_step) {
#pragma GCC unroll 4
        for (int c = 0; c < columns; c++) values[c] = column_at(b + c * b_column);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            factor by = factor_of(a[r * a_stride]);
#pragma GCC unroll 4
            for (int c = 0; c < columns; c++) {
                sum[r][c] = add_products(sum[r][c], by, values[c]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int c = 0; c < columns; c++) {
            store_sums(o->out + r * o->out_stride + c * LANES, sum[r][c]);
        }
    }
}

/* Tiles of ROWS rows side by side, COLUMNS columns wide, narrower at the end. */
#define DEFINE_TILES(NAME, ROWS, COLUMNS)                     \
    TARGET static void NAME(struct operands o, int columns) { \
        for (; columns >= COLUMNS; columns -= COLUMNS) {      \
            tile(&o, ROWS, COLUMNS);                          \
            o.b += COLUMNS * o.b_column;                      \
            o.out += COLUMNS * LANES;                         \
        }                                                     \
        if (columns >= 2) {                                   \
            tile(&o, ROWS, 2);                                \
            o.b += 2 * o.b_column;                            \
            o.out += 2 * LANES;                               \
        }                                                     \
        if (columns % 2) tile(&o, ROWS, 1);                   \
    }

DEFINE_TILES(tiles_of_1, 1, 4)
DEFINE_TILES(tiles_of_2, 2, 4)
DEFINE_TILES(tiles_of_most, MAX_ROWS, MAX_COLUMNS)

static void multiply(const struct operands *o, int rows, int columns) {
    if (rows == MAX_ROWS) {
        tiles_of_most(*o, columns);
    } else if (rows == 2) {
        tiles_of_2(*o, columns);
    } else {
        tiles_of_1(*o, columns);
    }
}

/* --- Attention --- */

struct task {
    struct layout l;
    const unit *keys, *values;
    uint32_t sharpness;
    const int16_t *q;
    int16_t *mixed;
    ptrdiff_t q_stride, mixed_stride;
    /* Scratch, for MAX_ROWS rows or fewer. */
    int32_t *scores, *sums;
    unit *queries;
    /* Where scores and weights of the task's last row go, or NULL. */
    int32_t *trace_scores, *trace_weights;
};

/* Rows are padded, so that equal places of them do not fall into one set of the L1
 * cache when the capacity is a power of two. */
static ptrdiff_t score_stride(const struct layout *l) {
    return (ptrdiff_t)l->slots + 16;
}

static size_t attend_scratch(int head_width, int capacity, int rows) {
    struct layout l = layout_of(head_width, capacity);
    size_t per_row = ((size_t)score_stride(&l) + MAX_HEAD_WIDTH) * sizeof(int32_t) +
                     MAX_HEAD_WIDTH * sizeof(int16_t);
    return round_up(per_row * (size_t)(rows < MAX_ROWS ? rows : MAX_ROWS), 64);
}

static void copy_query(const int16_t *q, int width, unit *to) {
    /* Its other half meets the key's 0, but nothing unwritten should be read. */
    if (width % PACK) to[width / PACK] = 0;
    memcpy(to, q, (size_t)width * sizeof *q);
}

static void copy_weights(const int32_t *row, int n, int32_t *weights) {
    const char *words = (const char *)row;
    for (int t = 0; t < n; t++) {
        int word = t / GROUP * GROUP + t % LANES * PACK + t / LANES % PACK;
        int16_t weight;
        memcpy(&weight, words + (size_t)word * sizeof weight, sizeof weight);
        weights[t] = weight;
    }
}

static void score_rows(const struct task *t, int rows, int groups) {
    for (int r = 0; r < rows; r++) {
        copy_query(t->q + r * t->q_stride, t->l.width, t->queries + r * QUERY_UNITS);
    }
    const struct operands o = {.a = t->queries,
                               .a_stride = QUERY_UNITS,
                               .b = t->keys,
                               .b_step = LANES,
                               .b_column = (ptrdiff_t)t->l.units * LANES,
                               .out = t->scores,
                               .out_stride = score_stride(&t->l),
                               .steps = t->l.units};
    multiply(&o, rows, PACK * groups);
}

/* Turns the n scores of a row into weights; returns their sum. */
static int32_t weigh_row(const struct task *t, int32_t *row, int n, int groups,
                         int is_traced) {
    if (is_traced && t->trace_scores) {
        memcpy(t->trace_scores, row, (size_t)n * sizeof *row);
    }
    uint32_t sum = exponentiate(row, n, groups, t->sharpness);
    int32_t whole = weigh(row, groups, softmax_inverse(sum));
    if (is_traced && t->trace_weights) copy_weights(row, n, t->trace_weights);
    return whole;
}

/* Rows first..first+rows-1, all against the cache up to the last one's group. */
static void attend_rows(const struct task *t, int first, int rows, int is_last) {
    const int groups = (first + rows - 1) / GROUP + 1;
    const ptrdiff_t stride = score_stride(&t->l);
    int32_t whole[MAX_ROWS];
    score_rows(t, rows, groups);
    for (int r = 0; r < rows; r++) {
        whole[r] = weigh_row(t, t->scores + r * stride, first + r + 1, groups,
                             is_last && r == rows - 1);
    }
    const struct operands o = {.a = (const unit *)t->scores,
                               .a_stride = stride * 4 / (ptrdiff_t)sizeof(unit),
                               .b = t->values,
                               .b_step = (ptrdiff_t)value_stride(&t->l),
                               .b_column = LANES,
                               .out = t->sums,
                               .out_stride = MAX_HEAD_WIDTH,
                               .steps = groups * LANES};
    multiply(&o, rows, t->l.columns);
    for (int r = 0; r < rows; r++) {
        mix_row(t->sums + r * MAX_HEAD_WIDTH, t->l.width, mix_reciprocal(whole[r]),
                t->mixed + r * t->mixed_stride);
    }
}

static void attend(const void *cache, int head_width, int capacity, uint32_t sharpness,
                   int first, int count, const int16_t *q, ptrdiff_t q_stride,
                   int16_t *mixed, ptrdiff_t mixed_stride, void *scratch,
                   int32_t *trace_scores, int32_t *trace_weights) {
    struct task t = {.l = layout_of(head_width, capacity),
                     .keys = cache,
                     .sharpness = sharpness,
                     .q = q,
                     .mixed = mixed,
                     .q_stride = q_stride,
                     .mixed_stride = mixed_stride,
                     .scores = scratch,
                     .trace_scores = trace_scores,
                     .trace_weights = trace_weights};
    const int most = count < MAX_ROWS ? count : MAX_ROWS;
    t.values = t.keys + key_units(&t.l);
    t.sums = t.scores + most * score_stride(&t.l);
    t.queries = (unit *)(t.sums + most * MAX_HEAD_WIDTH);
    for (int row = 0, rows; row < count; row += rows) {
        int left = count - row;
        rows = left >= MAX_ROWS ? MAX_ROWS : left >= 2 ? 2 : 1;
        attend_rows(&t, first + row, rows, rows == left);
        t.q += rows * q_stride;
        t.mixed += rows * mixed_stride;
    }
}
