/* A sequence of the records of fetched batches that makes a Python object of one only where it is asked for. */
#ifndef FOOTFALL_RECORDS_H
#define FOOTFALL_RECORDS_H

#include <Python.h>

#include "refusals.h"
#include "stored.h"

typedef struct {
    PyObject_HEAD
    PyObject *owner; /* keeps the bytes, or the sequence of which this is a part */
    PyObject *make;
    Stored *stored;
    Py_ssize_t count;
    char is_part;
} Records;

static PyTypeObject *records_type;

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
        Header header = {at, at, 0, 0};
        at = read_header(at, stored->end, &header); /* never NULL, since they were read before */
        PyObject *pair = PyTuple_New(2);
        PyObject *text = pair ? PyUnicode_DecodeUTF8(header.name, header.name_size, NULL) : NULL;
        PyObject *content = text ? bytes_or_none(header.value, header.value_size) : NULL;
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

PyDoc_STRVAR(refused_doc,
    "refused(at, append_time, most) -> (offsets, verdicts)\n\n"
    "Of how many records from index `at` on it is sure without a look at the state that they are one refusal each, at most\n"
    "`most`, none appended after `append_time`. A verdict is a byte: 0 for no JSON, 1 for JSON that is no object, 2 for an\n"
    "object without `specversion`, 3 and 4 for a batch of one such item.");

static PyObject *records_refused(Records *self, PyObject *arguments) {
    Py_ssize_t at, most;
    long long append_time;
    if (!PyArg_ParseTuple(arguments, "nLn", &at, &append_time, &most)) {
        return NULL;
    }
    PyObject *offsets = PyList_New(0);
    char verdicts[MOST_REFUSED];
    Py_ssize_t count = 0;
    most = most < MOST_REFUSED ? most : MOST_REFUSED;
    for (; offsets && at >= 0 && at < self->count && count < most; at++, count++) {
        const int verdict = verdict_of(&self->stored[at], append_time);
        if (verdict == PERHAPS) {
            break;
        }
        PyObject *offset = PyLong_FromLongLong(self->stored[at].offset);
        if (offset == NULL || PyList_Append(offsets, offset) < 0) {
            Py_CLEAR(offsets);
        }
        Py_XDECREF(offset);
        verdicts[count] = (char)verdict;
    }
    return offsets ? Py_BuildValue("Ny#", offsets, verdicts, count) : NULL;
}

static PyMethodDef records_methods[] = {
    {"refused", (PyCFunction)records_refused, METH_VARARGS, refused_doc},
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
    .name = "agents.core.native.fast_path.Records",
    .basicsize = sizeof(Records),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = records_slots,
};

#endif
