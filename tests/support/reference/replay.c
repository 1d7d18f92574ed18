/* Replays what tests/deep/test_native_builds.py recorded, on every instruction set that
 * this build and CPU have: for builds that Python cannot load (sanitizers, other
 * architectures). Prints one line per set and number of threads that gave the recorded
 * values, and ends with 1 at the first that did not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay.h"

struct recording {
    struct assay_shape shape;
    struct assay_piece choice; /* how every token is chosen */
    int32_t length;            /* tokens */
    int32_t trace_length;
    int32_t tensors;
    int32_t *ids;    /* [length] */
    int32_t *chosen; /* [length] the token after each */
    int32_t *logits; /* [length][vocab] */
    int32_t *trace;  /* [trace_length] of the last position */
    long tensors_at; /* in the file */
};

static void fail(const char *what) {
    fprintf(stderr, "replay: %s\n", what);
    exit(1);
}

static void read_bytes(FILE *file, void *to, size_t bytes) {
    if (fread(to, 1, bytes, file) != bytes) fail("the recording is cut short");
}

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (!memory) fail("no memory");
    return memory;
}

static int32_t *read_numbers(FILE *file, size_t count) {
    int32_t *numbers = allocate(count * sizeof *numbers);
    read_bytes(file, numbers, count * sizeof *numbers);
    return numbers;
}

static struct recording read_recording(FILE *file) {
    struct recording r;
    read_bytes(file, &r.shape, sizeof r.shape);
    read_bytes(file, &r.choice, sizeof r.choice);
    read_bytes(file, &r.length, sizeof r.length);
    read_bytes(file, &r.trace_length, sizeof r.trace_length);
    read_bytes(file, &r.tensors, sizeof r.tensors);
    r.ids = read_numbers(file, (size_t)r.length);
    r.chosen = read_numbers(file, (size_t)r.length);
    r.logits = read_numbers(file, (size_t)r.length * (size_t)r.shape.vocab);
    r.trace = read_numbers(file, (size_t)r.trace_length);
    r.tensors_at = ftell(file);
    return r;
}

static void set_tensors(FILE *file, const struct recording *r,
                        struct assay_model *model) {
    fseek(file, r->tensors_at, SEEK_SET);
    for (int32_t i = 0; i < r->tensors; i++) {
        char name[64] = "";
        int32_t bytes;
        read_bytes(file, name, sizeof name);
        read_bytes(file, &bytes, sizeof bytes);
        void *data = allocate((size_t)bytes);
        read_bytes(file, data, (size_t)bytes);
        if (assay_set_tensor(model, name, data, (size_t)bytes)) fail(name);
        free(data);
    }
}

static int open_sequence(struct assay_model *model, int capacity) {
    int sequence;
    if (assay_open(model, capacity, &sequence)) fail("a sequence does not open");
    return sequence;
}

static struct assay_piece piece_of(const struct recording *r, int sequence, int start,
                                   int count) {
    struct assay_piece piece = r->choice;
    piece.sequence = sequence;
    piece.start = start;
    piece.count = count;
    piece.wanted = 1;
    return piece;
}

/* Whether what came after tokens 0 ... end - 1 is what was recorded. */
static void check(const struct recording *r, struct assay_model *model, int piece,
                  int end, int32_t token) {
    size_t vocab = (size_t)r->shape.vocab;
    int32_t *logits = allocate(vocab * sizeof *logits);
    if (assay_logits(model, piece, logits)) fail("there are no logits");
    const int32_t *wanted = r->logits + (size_t)(end - 1) * vocab;
    if (memcmp(logits, wanted, vocab * sizeof *logits)) fail("other logits");
    if (token != r->chosen[end - 1]) fail("another token");
    free(logits);
}

/* One sequence token by token, a second one at once in the same last step. */
static void check_steps(const struct recording *r, struct assay_model *model) {
    int slow = open_sequence(model, r->length), fast = open_sequence(model, r->length);
    int32_t *ids = allocate((size_t)(r->length + 1) * sizeof *ids);
    for (int i = 0; i < r->length; i++) {
        struct assay_piece pieces[2] = {piece_of(r, slow, i, 1),
                                        piece_of(r, fast, 0, r->length)};
        int both = i == r->length - 1;
        int32_t chosen[2];
        ids[0] = r->ids[i];
        memcpy(ids + 1, r->ids, (size_t)r->length * sizeof *ids);
        if (assay_step(model, pieces, 1 + both, ids, chosen, NULL)) fail("a step");
        check(r, model, 0, i + 1, chosen[0]);
        if (both) check(r, model, 1, r->length, chosen[1]);
    }
    free(ids);
    if (assay_close(model, slow) || assay_close(model, fast)) fail("a close");
    if (assay_close(model, fast) != ASSAY_UNKNOWN_SEQUENCE) fail("a second close");
}

static void check_trace(const struct recording *r, struct assay_model *model) {
    int sequence = open_sequence(model, r->length);
    size_t length = assay_trace_length(model, r->length - 1);
    if (length != (size_t)r->trace_length) fail("a trace of another length");
    int32_t *values = allocate(length * sizeof *values);
    struct assay_piece piece = piece_of(r, sequence, 0, r->length);
    if (assay_trace(model, &piece, r->ids, values, NULL)) fail("a trace");
    if (memcmp(values, r->trace, length * sizeof *values)) fail("another trace");
    free(values);
}

static void replay(FILE *file, const struct recording *r, const char *isa,
                   int threads) {
    struct assay_model *model;
    int status = assay_create(&r->shape, threads, isa, &model);
    if (status == ASSAY_UNKNOWN_ISA) return;
    if (status) fail("the model is not created");
    set_tensors(file, r, model);
    check_steps(r, model);
    check_trace(r, model);
    assay_destroy(model);
    printf("%s %d\n", isa, threads);
}

int main(int count, char **arguments) {
    static const char *const isas[] = {"plain", "avx2", "avx512", "neon"};
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file) fail("usage: replay RECORDING");
    struct recording r = read_recording(file);
    for (int i = 0; i < 4; i++)
        for (int threads = 1; threads <= 3; threads++)
            replay(file, &r, isas[i], threads);
    fclose(file);
    free(r.ids);
    free(r.chosen);
    free(r.logits);
    free(r.trace);
    return 0;
}
