/* The records of fetched batches (Kafka's message format 2) where they lie. Any bytes are records and verdicts: what the
   format does not allow is a record that says up to which offset nothing could be read. pipeline/kafka/block_records.py is the
   same in Python. */
#ifndef FOOTFALL_STORED_H
#define FOOTFALL_STORED_H

#include <Python.h>

#include "text.h"

enum {
    ABSENT = -1,
    SHORTEST_RECORD = 4,    /* its length, attributes, time and offset */
    MOST_HEADERS = 1 << 18, /* of a batch: each becomes objects of many times its bytes */
};

typedef struct {
    int64_t offset, append_time, unreadable_to; /* the last is ABSENT where the record can be read */
    const char *key, *value, *headers, *end;
    int32_t key_size, value_size, header_count; /* sizes ABSENT where there is none */
} Stored;

typedef struct {
    const char *name, *value;
    int32_t name_size, value_size; /* as of a record */
} Header;

/* Records of one batch, those of all of it or of a part that was cut from it; a negative count: they cannot be read. */
typedef struct {
    const char *at, *end;
    Py_ssize_t count;
    long long base, last, least; /* offsets: of the batch, and the least that is wanted */
    long long first_time, append_time;
    int stamped; /* whether all have the append time */
    int64_t headers_left;
} Block;

/* ---- readers return the place behind what they read, or NULL */

/* A number of at most so many bits, in as many bytes as that takes at most. */
static inline const char *read_varint(const char *at, const char *end, int bits, int64_t *found) {
    uint64_t value = 0;
    for (int shift = 0; at < end && shift < bits; shift += 7) {
        const unsigned char here = (unsigned char)*at++;
        const uint64_t part = here & 0x7F;
        if (bits - shift < 7 && part >> (bits - shift)) {
            return NULL;
        }
        value |= part << shift;
        if (!(here & 0x80)) {
            *found = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
            return at;
        }
    }
    return NULL;
}

static const char *read_bytes(const char *at, const char *end, const char **found, int32_t *size) {
    int64_t length;
    at = read_varint(at, end, 32, &length);
    if (at == NULL || length < ABSENT || length > end - at) {
        return NULL;
    }
    *found = at;
    *size = (int32_t)length;
    return length < 0 ? at : at + length;
}

static const char *read_header(const char *at, const char *end, Header *found) {
    at = read_bytes(at, end, &found->name, &found->name_size);
    return at ? read_bytes(at, end, &found->value, &found->value_size) : NULL;
}

static const char *skip_headers(const char *at, const char *end, int32_t count) {
    for (; at != NULL && count > 0; count--) {
        Header header;
        at = read_header(at, end, &header);
        if (at == NULL || header.name_size < 0 || !is_utf8(header.name, (size_t)header.name_size)) {
            return NULL;
        }
    }
    return at;
}

/* Key, value and headers, which are to fill the record: whether they do. */
static int read_content(const char *at, const char *end, Block *block, Stored *found) {
    int64_t headers = ABSENT;
    at = read_bytes(at, end, &found->key, &found->key_size);
    at = at ? read_bytes(at, end, &found->value, &found->value_size) : NULL;
    at = at ? read_varint(at, end, 32, &headers) : NULL;
    if (at == NULL || headers < 0 || headers > end - at) {
        return 0;
    }
    block->headers_left -= headers;
    if (block->headers_left < 0) {
        return 0;
    }
    found->headers = at;
    found->end = end;
    found->header_count = (int32_t)headers;
    return skip_headers(at, end, found->header_count) == end;
}

static void make_unreadable(Stored *found, int64_t offset, int64_t last, int64_t append_time) {
    *found = (Stored){.offset = offset, .append_time = append_time, .unreadable_to = last, .key_size = ABSENT,
                      .value_size = ABSENT};
}

/* The next record, whose offset is `least` or more; NULL where the batch is not as the format says. */
static const char *read_stored(const char *at, Block *block, int64_t least, Stored *found) {
    int64_t length, time, delta;
    at = read_varint(at, block->end, 32, &length);
    if (at == NULL || length < 1 || length > block->end - at) {
        return NULL;
    }
    const char *end = at + length;
    at = read_varint(at + 1, end, 64, &time); /* behind the attributes, which say nothing */
    at = at ? read_varint(at, end, 32, &delta) : NULL;
    if (at == NULL || delta < 0 || delta > block->last - block->base || block->base + delta < least) {
        return NULL;
    }
    found->offset = block->base + delta;
    found->append_time = block->append_time;
    found->unreadable_to = ABSENT;
    if (!read_content(at, end, block, found) ||
        (!block->stamped && __builtin_add_overflow((int64_t)block->first_time, time, &found->append_time))) {
        make_unreadable(found, found->offset, found->offset, block->append_time);
    }
    return block->headers_left < 0 ? NULL : end;
}

/* Key, value and headers together; never much, since they lie in one batch. */
static Py_ssize_t bytes_of(const Stored *stored) {
    Py_ssize_t size = (stored->key_size > 0 ? stored->key_size : 0) + (stored->value_size > 0 ? stored->value_size : 0);
    const char *at = stored->headers;
    for (int32_t part = 0; at != NULL && part < 2 * stored->header_count; part++) {
        const char *found;
        int32_t length = 0;
        at = read_bytes(at, stored->end, &found, &length); /* never NULL, since they were read before */
        size += length > 0 ? length : 0;
    }
    return size;
}

/* -1 with an exception. */
static int parse_block(PyObject *told, Block *block) {
    PyObject *bytes;
    Py_ssize_t begin, end;
    if (!PyArg_ParseTuple(told, "O!nnnLLLLLp", &PyBytes_Type, &bytes, &begin, &end, &block->count, &block->base,
                          &block->last, &block->least, &block->first_time, &block->append_time, &block->stamped)) {
        return -1;
    }
    if (begin < 0 || begin > end || end > PyBytes_GET_SIZE(bytes) || block->base < 0 || block->last < block->base) {
        PyErr_SetString(PyExc_ValueError, "a block that lies outside its bytes or offsets");
        return -1;
    }
    block->at = PyBytes_AS_STRING(bytes) + begin;
    block->end = PyBytes_AS_STRING(bytes) + end;
    block->headers_left = MOST_HEADERS;
    if (block->count > (end - begin) / SHORTEST_RECORD) {
        block->count = -1;
    }
    return 0;
}

PyDoc_STRVAR(cut_doc,
    "cut(block, most) -> [(begin, end, count)] | None\n\n"
    "Where in the bytes of a block as Records takes it its parts of `most` records lie; None where it cannot be read.");

static PyObject *cut(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *told;
    Py_ssize_t most;
    Block block;
    if (!PyArg_ParseTuple(arguments, "O!n", &PyTuple_Type, &told, &most) || parse_block(told, &block) < 0) {
        return NULL;
    }
    if (most < 1) {
        return PyErr_Format(PyExc_ValueError, "parts of no records");
    }
    const char *bytes = PyBytes_AS_STRING(PyTuple_GET_ITEM(told, 0)), *at = block.count < 0 ? NULL : block.at;
    PyObject *parts = PyList_New(0);
    int64_t least = block.base;
    for (Py_ssize_t left = block.count; parts != NULL && at != NULL && left > 0;) {
        const Py_ssize_t count = left < most ? left : most;
        const char *begin = at;
        for (Py_ssize_t index = 0; at != NULL && index < count; index++) {
            Stored found = {.offset = ABSENT};
            at = read_stored(at, &block, least, &found);
            least = found.offset + 1;
        }
        PyObject *part = at ? Py_BuildValue("nnn", begin - bytes, at - bytes, count) : NULL;
        if (at != NULL && (part == NULL || PyList_Append(parts, part) < 0)) {
            Py_CLEAR(parts);
        }
        Py_XDECREF(part);
        left -= count;
    }
    if (parts == NULL || at == block.end) {
        return parts;
    }
    Py_DECREF(parts);
    Py_RETURN_NONE;
}

#endif
