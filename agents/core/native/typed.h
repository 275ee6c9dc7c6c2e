/* What the catalogue declares of the event types that the fast path takes: the names of each type's fields, of which some are text
   and the others, the measures, whole numbers or flags. Made once for all chunks; read by members.h and shapes.h. */
#ifndef FOOTFALL_TYPED_H
#define FOOTFALL_TYPED_H

#include <Python.h>

#include "table.h"

enum { NO_MEMORY = -1, NOT_THERE = -2 };

typedef struct {
    uint32_t field;
    int is_flag, is_required;
} Measure;

typedef struct {
    PyObject_HEAD
    Table names, fields;        /* of types, and of fields of any type */
    uint32_t *begins, *owned;   /* by type: where the numbers of its texts begin in `owned`; one more at the end */
    uint32_t *measures_begin;   /* the same of its measures */
    Measure *measures;
    uint32_t widest;            /* as many texts has a type at most */
    PyObject *declared;       /* keeps the bytes of names */
} Types;

static PyTypeObject *types_type;
static const char DECLARED[] = "UO!O!"; /* (name, names of texts, measures) */

/* The number of a name, NOT_THERE where it has none. */
static inline int64_t find_name(const Table *table, Slice name) {
    if (table->count == 0) {
        return NOT_THERE;
    }
    const uint64_t hash = hash_name(0, name);
    const uint32_t held = table->slots[slot_of(table, &NAMES, hash, &(Name){hash, name, 0}, INT_MAX)];
    if (held == 0) {
        return NOT_THERE;
    }
    return held - 1;
}

/* As `number_of`, with more room where names collide. */
static int64_t number_surely(Table *table, PyObject *text) {
    Py_ssize_t size;
    const char *at = PyUnicode_AsUTF8AndSize(text, &size); /* raises TypeError */
    if (at == NULL) {
        return NO_MEMORY;
    }
    int64_t number;
    while ((number = number_of(table, 0, (Slice){at, (uint32_t)size})) == NOT_THERE) {
        if (grow(table) < 0) {
            number = NO_MEMORY;
            break;
        }
    }
    if (number == NO_MEMORY) {
        PyErr_NoMemory();
    }
    return number;
}

static int declare_measure(Types *self, PyObject *declared, Measure *measure) {
    PyObject *name;
    if (!PyArg_ParseTuple(declared, "Upp", &name, &measure->is_flag, &measure->is_required)) {
        return -1;
    }
    const int64_t number = number_surely(&self->fields, name);
    measure->field = (uint32_t)number;
    return number < 0 ? -1 : 0;
}

/* One declared type as the next one; -1 on an exception. */
static int declare(Types *self, PyObject *declared) {
    PyObject *name, *fields, *measures;
    if (!PyArg_ParseTuple(declared, DECLARED, &name, &PyTuple_Type, &fields, &PyTuple_Type, &measures)) {
        return -1;
    }
    const uint32_t before = self->names.count;
    if (number_surely(&self->names, name) < 0) {
        return -1;
    }
    if (self->names.count == before) {
        PyErr_SetString(PyExc_ValueError, "a type is declared twice");
        return -1;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(fields); index++) {
        const int64_t number = number_surely(&self->fields, PyTuple_GET_ITEM(fields, index));
        if (number < 0) {
            return -1;
        }
        self->owned[self->begins[before] + index] = (uint32_t)number;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(measures); index++) {
        Measure *measure = &self->measures[self->measures_begin[before] + index];
        if (declare_measure(self, PyTuple_GET_ITEM(measures, index), measure) < 0) {
            return -1;
        }
    }
    self->begins[before + 1] = self->begins[before] + (uint32_t)PyTuple_GET_SIZE(fields);
    self->measures_begin[before + 1] = self->measures_begin[before] + (uint32_t)PyTuple_GET_SIZE(measures);
    const uint32_t width = (uint32_t)PyTuple_GET_SIZE(fields);
    self->widest = width > self->widest ? width : self->widest;
    return 0;
}

PyDoc_STRVAR(types_doc,
    "Types(declared)\n\n"
    "The types of which every field may be counted: a tuple of (name, names of its texts, its measures), a measure being\n"
    "(name, whether it is a flag, whether it must be there). Raises ValueError where a type is there twice.");

static PyObject *types_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *declared;
    if (!PyArg_ParseTuple(arguments, "O!", &PyTuple_Type, &declared) || (named && PyDict_GET_SIZE(named))) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "Types takes no keyword arguments");
    }
    const Py_ssize_t count = PyTuple_GET_SIZE(declared);
    size_t fields = 0, measures = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *name, *owned, *measured;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(declared, index), DECLARED, &name, &PyTuple_Type, &owned, &PyTuple_Type,
                              &measured)) {
            return NULL;
        }
        fields += (size_t)PyTuple_GET_SIZE(owned);
        measures += (size_t)PyTuple_GET_SIZE(measured);
    }
    Types *self = (Types *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->declared = Py_NewRef(declared);
    self->begins = PyMem_Calloc((size_t)count + 1, sizeof(uint32_t));
    self->owned = PyMem_Calloc(fields + 1, sizeof(uint32_t));
    self->measures_begin = PyMem_Calloc((size_t)count + 1, sizeof(uint32_t));
    self->measures = PyMem_Calloc(measures + 1, sizeof(Measure));
    int held = self->begins && self->owned && self->measures_begin && self->measures;
    if (!held) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t index = 0; held && index < count; index++) {
        held = declare(self, PyTuple_GET_ITEM(declared, index)) == 0;
    }
    if (!held) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void types_dealloc(Types *self) {
    free_table(&self->names);
    free_table(&self->fields);
    PyMem_Free(self->begins);
    PyMem_Free(self->owned);
    PyMem_Free(self->measures_begin);
    PyMem_Free(self->measures);
    Py_XDECREF(self->declared);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot types_slots[] = {
    {Py_tp_new, types_new},
    {Py_tp_dealloc, types_dealloc},
    {Py_tp_doc, (void *)types_doc},
    {0, NULL},
};

static PyType_Spec types_spec = {
    .name = "agents.core.native.fast_path.Types",
    .basicsize = sizeof(Types),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = types_slots,
};

#endif
