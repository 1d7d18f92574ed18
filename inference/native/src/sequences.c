/* Sequences and their caches.
 *
 * A closed sequence's cache is kept for the next one, since the system takes long to
 * hand out pages. Kept and open ones together never exceed what was once open together,
 * so this takes no memory beyond what the caller has allowed.
 */
#include <stdlib.h>

#include "model.h"

static size_t head_bytes(const struct assay_model *m, int capacity) {
    return m->rows->cache_bytes(m->head_width, capacity);
}

size_t assay_cache_bytes(const struct assay_model *m, int capacity) {
    return head_bytes(m, capacity) * (size_t)m->shape.layers * (size_t)m->shape.heads;
}

void *sequence_cache(const struct assay_model *m, const struct sequence *sequence,
                     int layer, int head) {
    size_t index = (size_t)layer * (size_t)m->shape.heads + (size_t)head;
    return (unsigned char *)sequence->cache.data +
           index * head_bytes(m, sequence->capacity);
}

static int grow(struct assay_model *m) {
    int count = m->sequence_count ? 2 * m->sequence_count : 16;
    struct sequence *grown =
        realloc(m->sequences, (size_t)count * sizeof *m->sequences);
    if (!grown) return -1;
    m->sequences = grown;
    for (int i = m->sequence_count; i < count; i++)
        grown[i] = (struct sequence){0, 0, 0, {NULL, 0}};
    m->sequence_count = count;
    return 0;
}

/* A free number: one whose cache is large enough, but not twice as large, or else one
 * without a cache. -1 without memory. */
static int free_number(struct assay_model *m, size_t bytes) {
    int empty = -1;
    for (int i = 0; i < m->sequence_count; i++) {
        const struct sequence *s = &m->sequences[i];
        if (s->capacity) continue;
        if (s->cache.bytes >= bytes && s->cache.bytes / 2 <= bytes) return i;
        if (empty < 0 && !s->cache.data) empty = i;
    }
    if (empty >= 0) return empty;
    int next = m->sequence_count;
    return grow(m) ? -1 : next;
}

/* Gives kept caches back until `bytes` more stay within the bound. */
static void make_room(struct assay_model *m, size_t bytes) {
    for (int i = 0; i < m->sequence_count; i++) {
        struct sequence *s = &m->sequences[i];
        if (m->open_bytes + m->idle_bytes + bytes <= m->most_open_bytes) return;
        if (s->capacity || !s->cache.data) continue;
        m->idle_bytes -= s->cache.bytes;
        block_close(&s->cache);
    }
}

int assay_open(struct assay_model *m, int capacity, int *sequence) {
    *sequence = -1;
    if (m->missing) return ASSAY_TENSOR_MISSING;
    if (capacity < 1 || capacity > m->shape.context) return ASSAY_BAD_CAPACITY;
    size_t bytes = assay_cache_bytes(m, capacity);
    int number = free_number(m, bytes);
    if (number < 0) return ASSAY_NO_MEMORY;
    struct sequence *s = &m->sequences[number];
    if (s->cache.data) {
        m->idle_bytes -= s->cache.bytes;
    } else {
        make_room(m, bytes);
        if (block_open(&s->cache, bytes)) return ASSAY_NO_MEMORY;
    }
    m->open_bytes += s->cache.bytes;
    if (m->open_bytes > m->most_open_bytes) m->most_open_bytes = m->open_bytes;
    s->capacity = capacity;
    s->length = 0;
    *sequence = number;
    return ASSAY_OK;
}

int sequences_find(const struct assay_model *m, int number, struct sequence **out) {
    if (number < 0 || number >= m->sequence_count) return ASSAY_UNKNOWN_SEQUENCE;
    if (m->sequences[number].capacity == 0) return ASSAY_UNKNOWN_SEQUENCE;
    *out = &m->sequences[number];
    return ASSAY_OK;
}

int assay_close(struct assay_model *m, int number) {
    struct sequence *s;
    int status = sequences_find(m, number, &s);
    if (status) return status;
    m->open_bytes -= s->cache.bytes;
    m->idle_bytes += s->cache.bytes;
    s->capacity = 0;
    return ASSAY_OK;
}

void sequences_close_all(struct assay_model *m) {
    for (int i = 0; i < m->sequence_count; i++) block_close(&m->sequences[i].cache);
    free(m->sequences);
}
