/* Large blocks of memory, cut into aligned pieces. */
#define _GNU_SOURCE /* madvise under -std=c11 */
#define _DARWIN_C_SOURCE
#include "memory.h"

#include <stdint.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define HUGE_PAGE ((size_t)2 << 20)

/* What is mapped for a block: room to start it at a huge page's border. */
static size_t mapped_bytes(size_t bytes) { return bytes + HUGE_PAGE; }

static unsigned char *at_border(unsigned char *mapping) {
    size_t over = (uintptr_t)mapping % HUGE_PAGE;
    return over ? mapping + (HUGE_PAGE - over) : mapping;
}

int block_open(struct block *block, size_t bytes) {
    block->data = NULL;
    block->bytes = 0;
    size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (whole < bytes || mapped_bytes(whole) < whole) return -1;
    unsigned char *mapping = mmap(NULL, mapped_bytes(whole), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return -1;
    unsigned char *data = at_border(mapping);
    /* Only the block itself stays mapped, so that closing needs no second address. */
    size_t before = (size_t)(data - mapping), after = HUGE_PAGE - before;
    if (before) munmap(mapping, before);
    if (after) munmap(data + whole, after);
#ifdef MADV_HUGEPAGE
    /* Not the end, of whose huge page a part would be wasted. A refusal only means
     * small pages. */
    if (bytes >= HUGE_PAGE) madvise(data, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    block->data = data;
    block->bytes = whole;
    return 0;
}

void block_close(struct block *block) {
    if (block->data) munmap(block->data, block->bytes);
    block->data = NULL;
    block->bytes = 0;
}

void *cut(struct cutter *cutter, size_t bytes) {
    size_t start = cutter->used;
    size_t lines = (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT;
    cutter->used += lines * MEMORY_ALIGNMENT;
    return cutter->base ? cutter->base + start : NULL;
}
