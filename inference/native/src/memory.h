/* Large blocks of memory, cut into aligned pieces. */
#ifndef ASSAY_MEMORY_H
#define ASSAY_MEMORY_H

#include <stddef.h>

/* Every piece starts on a cache line: the kernels' vectors are that wide. */
#define MEMORY_ALIGNMENT 64

struct block {
    void *data;   /* NULL while nothing is held */
    size_t bytes; /* what it takes: whole huge pages */
};

/* Takes a block from the system, all zeros and in huge pages where there are any: a
 * step streams all weights, and small pages would cost a table walk each 4 KiB.
 * Returns 0, or -1 if there is no memory; then the block is empty. */
int block_open(struct block *block, size_t bytes);

/* Gives it back; an empty block is left alone. */
void block_close(struct block *block);

/* Cuts a block into pieces. With `base` NULL it only measures: run the same cuts once
 * to learn `used`, open a block of that size, and run them again. */
struct cutter {
    unsigned char *base;
    size_t used;
};

/* The next piece, or NULL while measuring. */
void *cut(struct cutter *cutter, size_t bytes);

#endif
