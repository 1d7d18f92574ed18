/* The engine's interface: GPT-2 by docs/spec/arithmetic.md, for any language that can
 * call C.
 *
 * A model is created from numbers, is given its tensors one by one, and then steps
 * sequences. Calls on one model must not overlap. Every function that can fail returns
 * an assay_status; a call that fails changes nothing.
 */
#ifndef ASSAY_H
#define ASSAY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ASSAY_API __attribute__((visibility("default")))
#else
#define ASSAY_API
#endif

/* Counts up when this interface changes, so that a library that was built from other
 * sources is noticed. */
#define ASSAY_INTERFACE 1

enum assay_status {
    ASSAY_OK = 0,
    ASSAY_NO_MEMORY = 1,          /* or the system starts no more threads */
    ASSAY_BAD_SHAPE = 2,          /* outside spec section 2 */
    ASSAY_BAD_THREADS = 3,        /* not 1 ... 256 */
    ASSAY_UNKNOWN_ISA = 4,        /* unknown, or not of this CPU */
    ASSAY_UNKNOWN_TENSOR = 5,     /* no tensor of this shape has the name */
    ASSAY_BAD_TENSOR = 6,         /* the size in bytes is not the tensor's */
    ASSAY_TENSOR_MISSING = 7,     /* not all tensors have been set */
    ASSAY_BAD_CAPACITY = 8,       /* not 1 ... context */
    ASSAY_UNKNOWN_SEQUENCE = 9,   /* not open */
    ASSAY_REPEATED_SEQUENCE = 10, /* two pieces of one sequence in one step */
    ASSAY_BAD_START = 11,         /* not the number of tokens fed before */
    ASSAY_BAD_COUNT = 12,         /* no pieces, or a piece without tokens */
    ASSAY_OVER_CAPACITY = 13,     /* more tokens than the sequence has room for */
    ASSAY_BAD_TOKEN = 14,         /* an id outside the vocabulary */
    ASSAY_BAD_CHOICE = 15,        /* outside spec section 8 */
    ASSAY_NO_LOGITS = 16          /* the last step has none for this piece */
};

struct assay_model;

/* Spec section 2; profile is 0 int-w8a16, 1 int-w8b8, 2 int-w12a16. */
struct assay_shape {
    int32_t profile, vocab, context, width, inner, layers, heads, epsilon;
};

/* Tokens of one sequence for one step, and how to choose the one after them. */
struct assay_piece {
    int32_t sequence; /* from assay_open() */
    int32_t start;    /* position of the first token */
    int32_t count;    /* tokens, at least 1 */
    int32_t wanted;   /* whether to choose a token; if not, the rest is unused */
    int64_t temperature, top_k, top_p;
    uint64_t draw;
};

/* Where an assay_step() found fault: a piece, and a token of it or -1. */
struct assay_fault {
    int32_t piece, token;
};

ASSAY_API int assay_interface(void);

/* isa: "auto", "avx512", "avx2", "neon" or "plain". Reserves memory for all tensors. */
ASSAY_API int assay_create(const struct assay_shape *shape, int threads,
                           const char *isa, struct assay_model **model);

/* Frees the model and its sequences. NULL is allowed. */
ASSAY_API void assay_destroy(struct assay_model *model);

/* Name of the instruction set in use. */
ASSAY_API const char *assay_isa(const struct assay_model *model);

/* Copies (weights: packs) one tensor of spec section 9 in the machine's byte order; the
 * caller may free its own at once. Values must be within the tensor's range. */
ASSAY_API int assay_set_tensor(struct assay_model *model, const char *name,
                               const void *data, size_t bytes);

/* Bytes of the packed tensors, and of the cache of a sequence. */
ASSAY_API size_t assay_weight_bytes(const struct assay_model *model);
ASSAY_API size_t assay_cache_bytes(const struct assay_model *model, int capacity);

/* Reserves the cache of a sequence of at most `capacity` positions. Numbers of closed
 * sequences are given out again. */
ASSAY_API int assay_open(struct assay_model *model, int capacity, int *sequence);
ASSAY_API int assay_close(struct assay_model *model, int sequence);

/* Feeds the pieces' tokens, `ids` one piece after the other, and writes the token
 * chosen after each piece, or -1, to `chosen`. `fault` may be NULL. */
ASSAY_API int assay_step(struct assay_model *model, const struct assay_piece *pieces,
                         int count, const int32_t *ids, int32_t *chosen,
                         struct assay_fault *fault);

/* Copies the `vocab` logits after a wanted piece of the last step. */
ASSAY_API int assay_logits(const struct assay_model *model, int piece, int32_t *out);

/* Feeds one piece as assay_step() does and writes the operations of its last row
 * (spec section 10), one after the other: assay_trace_length() values for that row's
 * position. */
ASSAY_API size_t assay_trace_length(const struct assay_model *model, int position);
ASSAY_API int assay_trace(struct assay_model *model, const struct assay_piece *piece,
                          const int32_t *ids, int32_t *values,
                          struct assay_fault *fault);

#endif
