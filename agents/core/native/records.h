/* The records of fetched batches (Kafka's message format 2) where they lie: a sequence of them that makes a Python object
   of one only where it is asked for. Any bytes are records and verdicts: what the format does not allow is a record
   that says up to which offset nothing could be read. pipeline/kafka/plain.py is the same in Python. */
#ifndef FOOTFALL_RECORDS_H
#define FOOTFALL_RECORDS_H

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

/* Records of one batch, those of all of it or of a part that was cut from it; a negative count: they cannot be read. */
typedef struct {
    const char *at, *end;
    Py_ssize_t count;
    long long base, last, least; /* offsets: of the batch, and the least that is wanted */
    long long first_time, append_time;
    int stamped; /* whether all have the append time */
    int64_t headers_left;
} Block;

typedef struct {
    PyObject_HEAD
    PyObject *owner; /* keeps the bytes, or the sequence of which this is a part */
    PyObject *make;
    Stored *stored;
    Py_ssize_t count;
    char is_part;
} Records;

static PyTypeObject *records_type;

/* ---- the format: readers return the place behind what they read, or NULL */

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

static const char *skip_headers(const char *at, const char *end, int32_t count) {
    for (; at != NULL && count > 0; count--) {
        const char *part;
        int32_t size;
        at = read_bytes(at, end, &part, &size);
        if (at == NULL || size < 0 || !is_utf8(part, (size_t)size)) {
            return NULL;
        }
        at = read_bytes(at, end, &part, &size);
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

/* ---- the sequence */

static int make_room(Records *self, Py_ssize_t count, Py_ssize_t *room) {
    if (self->count + count > *room) {
        *room = (self->count + count) / 2 * 3 + 1;
        Stored *stored = PyMem_Realloc(self->stored, (size_t)*room * sizeof(Stored));
        if (stored == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->stored = stored;
    }
    return 0;
}

/* -1 with an exception. */
static int read_block(Records *self, PyObject *told, Py_ssize_t *room) {
    Block block;
    if (!PyTuple_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "a block is a tuple");
        return -1;
    }
    if (parse_block(told, &block) < 0 || make_room(self, block.count < 1 ? 1 : block.count, room) < 0) {
        return -1;
    }
    const Py_ssize_t before = self->count;
    const char *at = block.count < 0 ? NULL : block.at;
    int64_t least = block.base;
    for (Py_ssize_t left = block.count; at != NULL && left > 0; left--) {
        Stored *found = &self->stored[self->count];
        at = read_stored(at, &block, least, found);
        if (at != NULL) {
            least = found->offset + 1;
            self->count += found->offset >= block.least;
        }
    }
    if (at != block.end) { /* none of it is judged */
        self->count = before;
        if (block.last >= block.least) {
            const long long offset = block.base > block.least ? block.base : block.least;
            make_unreadable(&self->stored[self->count++], offset, block.last, block.append_time);
        }
    }
    return 0;
}

PyDoc_STRVAR(records_doc,
    "Records(blocks, make)\n\n"
    "The records of blocks: (bytes, where in them the records begin and end, how many, the offset of the batch, its last,\n"
    "the least that is wanted, first time, append time, whether all have the latter). An item is make(offset, append_time,\n"
    "key, value, headers, unreadable_to). A block that cannot be read is one record without content up to its last offset.");

static PyObject *records_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *blocks, *make;
    if (!PyArg_ParseTuple(arguments, "OO", &blocks, &make) || (named && PyDict_GET_SIZE(named))) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "Records takes no keyword arguments");
    }
    Records *self = (Records *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->make = Py_NewRef(make);
    self->owner = PySequence_Tuple(blocks);
    Py_ssize_t room = 0;
    int held = self->owner != NULL;
    for (Py_ssize_t index = 0; held && index < PyTuple_GET_SIZE(self->owner); index++) {
        held = read_block(self, PyTuple_GET_ITEM(self->owner, index), &room) == 0;
    }
    if (!held) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void records_dealloc(Records *self) {
    if (!self->is_part) {
        PyMem_Free(self->stored);
    }
    Py_XDECREF(self->owner);
    Py_XDECREF(self->make);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t records_length(Records *self) {
    return self->count;
}

static PyObject *bytes_or_none(const char *at, int32_t size) {
    return size < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(at, size);
}

static PyObject *headers_of(const Stored *stored) {
    PyObject *found = PyTuple_New(stored->header_count);
    const char *at = stored->headers;
    for (int32_t index = 0; found && at && index < stored->header_count; index++) {
        const char *name = at, *value = at;
        int32_t name_size = 0, value_size = 0;
        at = read_bytes(at, stored->end, &name, &name_size); /* never NULL, since they were read before */
        at = at ? read_bytes(at, stored->end, &value, &value_size) : NULL;
        PyObject *pair = PyTuple_New(2);
        PyObject *text = pair ? PyUnicode_DecodeUTF8(name, name_size, NULL) : NULL;
        PyObject *content = text ? bytes_or_none(value, value_size) : NULL;
        if (content == NULL) {
            Py_XDECREF(pair);
            Py_XDECREF(text);
            Py_CLEAR(found);
            break;
        }
        PyTuple_SET_ITEM(pair, 0, text);
        PyTuple_SET_ITEM(pair, 1, content);
        PyTuple_SET_ITEM(found, index, pair);
    }
    return found;
}

static PyObject *records_item(Records *self, Py_ssize_t index) {
    if (index < 0 || index >= self->count) {
        PyErr_SetString(PyExc_IndexError, "no such record");
        return NULL;
    }
    const Stored *stored = &self->stored[index];
    PyObject *headers = headers_of(stored);
    if (headers == NULL) {
        return NULL;
    }
    PyObject *to = stored->unreadable_to < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(stored->unreadable_to);
    return PyObject_CallFunction(self->make, "LLNNNN", (long long)stored->offset, (long long)stored->append_time,
                                 bytes_or_none(stored->key, stored->key_size),
                                 bytes_or_none(stored->value, stored->value_size), headers, to);
}

static PyObject *records_part(Records *self, Py_ssize_t begin, Py_ssize_t end) {
    Records *part = (Records *)records_type->tp_alloc(records_type, 0);
    if (part != NULL) {
        part->owner = Py_NewRef(self->is_part ? self->owner : (PyObject *)self);
        part->make = Py_NewRef(self->make);
        part->stored = self->stored + begin;
        part->count = end > begin ? end - begin : 0;
        part->is_part = 1;
    }
    return (PyObject *)part;
}

static PyObject *records_subscript(Records *self, PyObject *key) {
    if (PySlice_Check(key)) {
        Py_ssize_t begin, end, step;
        if (PySlice_Unpack(key, &begin, &end, &step) < 0) {
            return NULL;
        }
        if (step != 1) {
            return PyErr_Format(PyExc_ValueError, "a part of records has no step");
        }
        PySlice_AdjustIndices(self->count, &begin, &end, step);
        return records_part(self, begin, end);
    }
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return records_item(self, index < 0 ? index + self->count : index);
}

PyDoc_STRVAR(fitting_doc,
    "fitting(most, size, header) -> int\n\n"
    "How many of the first `most` records weigh `size` together at most, bytes of keys, values and headers and `header` for\n"
    "each header; at least one where there is one.");

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

static PyObject *records_fitting(Records *self, PyObject *arguments) {
    Py_ssize_t most, size, header, count = 0;
    if (!PyArg_ParseTuple(arguments, "nnn", &most, &size, &header)) {
        return NULL;
    }
    for (; count < self->count && count < most; count++) {
        const Py_ssize_t weight = bytes_of(&self->stored[count]) + header * self->stored[count].header_count;
        if (weight > size) {
            break;
        }
        size -= weight;
    }
    return PyLong_FromSsize_t(count == 0 && self->count ? 1 : count);
}

PyDoc_STRVAR(after_doc, "after(offset) -> Records\n\nThose behind an offset.");

static PyObject *records_after(Records *self, PyObject *argument) {
    const long long offset = PyLong_AsLongLong(argument);
    if (offset == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t begin = 0, end = self->count;
    while (begin < end) {
        const Py_ssize_t middle = begin + (end - begin) / 2;
        if (self->stored[middle].offset > offset) {
            end = middle;
        } else {
            begin = middle + 1;
        }
    }
    return records_part(self, begin, self->count);
}

static PyMethodDef records_methods[] = {
    {"fitting", (PyCFunction)records_fitting, METH_VARARGS, fitting_doc},
    {"after", (PyCFunction)records_after, METH_O, after_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot records_slots[] = {
    {Py_tp_new, records_new},
    {Py_tp_dealloc, records_dealloc},
    {Py_tp_methods, records_methods},
    {Py_tp_doc, (void *)records_doc},
    {Py_sq_length, records_length},
    {Py_sq_item, records_item},
    {Py_mp_length, records_length},
    {Py_mp_subscript, records_subscript},
    {0, NULL},
};

static PyType_Spec records_spec = {
    .name = "agents.core.native.plain.Records",
    .basicsize = sizeof(Records),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = records_slots,
};

#endif
