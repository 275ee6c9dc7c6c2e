/* Bytes that lie elsewhere. */
#ifndef FOOTFALL_SLICE_H
#define FOOTFALL_SLICE_H

#include <stdint.h>
#include <string.h>

typedef struct {
    const char *at;
    uint32_t size;
} Slice;

static inline int same(Slice a, Slice b) {
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

#endif
