/* The records of fetched batches (Kafka's message format 2) where they lie: a sequence of them that makes a Python object
   of one only where it is asked for. */
#ifndef FOOTFALL_RECORDS_H
#define FOOTFALL_RECORDS_H

#include <Python.h>

#include "text.h"

enum { ABSENT = -1, SHORTEST_RECORD = 7 };

typedef struct {
    int64_t offset, append_time;
    const char *key, *value, *headers, *end;
    int32_t key_size, value_size, header_count; /* sizes ABSENT where there is none */
} Stored;

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

static const char *read_varint(const char *at, const char *end, int64_t *found) {
    uint64_t value = 0;
    for (int shift = 0; at < end && shift < 64; shift += 7) {
        const unsigned char here = (unsigned char)*at++;
        value |= (uint64_t)(here & 0x7F) << shift;
        if (!(here & 0x80)) {
            *found = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
            return at;
        }
    }
    return NULL;
}

static const char *read_bytes(const char *at, const char *end, const char **found, int32_t *size) {
    int64_t length;
    at = read_varint(at, end, &length);
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

static const char *read_stored(const char *at, const char *end, int64_t base_offset, int64_t base_time, Stored *found) {
    int64_t length, time, offset, headers;
    at = read_varint(at, end, &length);
    if (at == NULL || length < 1 || length > end - at) {
        return NULL;
    }
    end = at + length;
    at = read_varint(at + 1, end, &time); /* behind the attributes, of which there are none */
    at = at ? read_varint(at, end, &offset) : NULL;
    at = at ? read_bytes(at, end, &found->key, &found->key_size) : NULL;
    at = at ? read_bytes(at, end, &found->value, &found->value_size) : NULL;
    at = at ? read_varint(at, end, &headers) : NULL;
    if (at == NULL || headers < 0 || headers > end - at) {
        return NULL;
    }
    found->offset = base_offset + offset;
    found->append_time = base_time + time;
    found->headers = at;
    found->end = end;
    found->header_count = (int32_t)headers;
    return skip_headers(at, end, found->header_count) == end ? end : NULL;
}

/* ---- the sequence */

/* Read a block, (bytes, begin, base offset, base time, append time or -1, count, least offset); -1 with an exception. */
static int read_block(Records *self, PyObject *block, Py_ssize_t *room) {
    PyObject *bytes;
    long long base_offset, base_time, append_time, least;
    Py_ssize_t begin, count;
    if (!PyArg_ParseTuple(block, "O!nLLLnL", &PyBytes_Type, &bytes, &begin, &base_offset, &base_time, &append_time,
                          &count, &least)) {
        return -1;
    }
    const Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    if (begin < 0 || begin > size) {
        PyErr_SetString(PyExc_ValueError, "a batch begins past its end");
        return -1;
    }
    const char *at = PyBytes_AS_STRING(bytes) + begin, *end = PyBytes_AS_STRING(bytes) + size;
    if (count < 0 || count > size / SHORTEST_RECORD + 1) {
        PyErr_SetString(PyExc_ValueError, "a batch says it holds more records than its bytes can");
        return -1;
    }
    if (self->count + count > *room) {
        *room = self->count + count;
        Stored *stored = PyMem_Realloc(self->stored, (size_t)(*room + 1) * sizeof(Stored));
        if (stored == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->stored = stored;
    }
    for (; count > 0; count--) {
        Stored *found = &self->stored[self->count];
        at = read_stored(at, end, base_offset, base_time, found);
        if (at == NULL) {
            PyErr_SetString(PyExc_ValueError, "a batch does not hold the records that it says it holds");
            return -1;
        }
        if (append_time >= 0) {
            found->append_time = append_time;
        }
        self->count += found->offset >= least;
    }
    if (at != end) {
        PyErr_SetString(PyExc_ValueError, "a batch holds more than its records");
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(records_doc,
    "Records(blocks, make)\n\n"
    "The records of blocks: (bytes, where in them the records of a batch begin, base offset, base time, append time of all\n"
    "or -1, how many, the least offset that is wanted). An item is make(offset, append_time, key, value, headers). Raises\n"
    "ValueError where a block is malformed.");

static PyObject *records_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *blocks, *make;
    if (!PyArg_ParseTuple(arguments, "O!O", &PyList_Type, &blocks, &make) || (named && PyDict_GET_SIZE(named))) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "Records takes no keyword arguments");
    }
    Records *self = (Records *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->make = Py_NewRef(make);
    self->owner = PyList_AsTuple(blocks);
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
        PyObject *pair = Py_BuildValue("(s#N)", name, (Py_ssize_t)name_size, bytes_or_none(value, value_size));
        if (pair == NULL) {
            Py_CLEAR(found);
            break;
        }
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
    return PyObject_CallFunction(self->make, "LLNNN", (long long)stored->offset, (long long)stored->append_time,
                                 bytes_or_none(stored->key, stored->key_size),
                                 bytes_or_none(stored->value, stored->value_size), headers);
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
    "fitting(most, size) -> int\n\n"
    "How many of the first `most` records have values of `size` bytes together at most; at least one where there is one.");

static PyObject *records_fitting(Records *self, PyObject *arguments) {
    Py_ssize_t most, size, count = 0;
    if (!PyArg_ParseTuple(arguments, "nn", &most, &size)) {
        return NULL;
    }
    for (; count < self->count && count < most; count++) {
        size -= self->stored[count].value_size > 0 ? self->stored[count].value_size : 0;
        if (size < 0) {
            break;
        }
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
