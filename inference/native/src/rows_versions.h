/* The versions of the row operations that this platform can compile. */
#ifndef ASSAY_ROWS_VERSIONS_H
#define ASSAY_ROWS_VERSIONS_H

#include "rows.h"

extern const struct rows rows_plain;
#if defined(__x86_64__)
extern const struct rows rows_avx2;
extern const struct rows rows_avx512;
#elif defined(__aarch64__)
extern const struct rows rows_neon;
#endif

/* What the file of a version ends with: its functions, by the names of their fields. */
#define ROWS_OF(version)                                                               \
    const struct rows rows_##version = {                                               \
        #version, norm,      cache_bytes,  cache_put, attend_scratch,                  \
        attend,   store_i16, add_residual, activate,  store_logits}

#endif
