/* What the catalogue declares of the event types that can be plain: the names of each type's fields, all of which are text
   that may be counted. Made once for all chunks; read by parsed.h. */
#ifndef FOOTFALL_TYPED_H
#define FOOTFALL_TYPED_H

#include <Python.h>

#include "table.h"

enum { NO_MEMORY = -1, NOT_THERE = -2 };

typedef struct {
    PyObject_HEAD
    Table names, fields;      /* of types, and of fields of any type */
    uint32_t *begins, *owned; /* by type: where the numbers of its fields begin in `owned`; one more at the end */
    uint32_t widest;          /* as many fields has a type at most */
    PyObject *declared;       /* keeps the bytes of names */
} Types;

static PyTypeObject *types_type;

/* The number of a name, NOT_THERE where it has none. */
static inline int64_t find_name(const Table *table, Slice name) {
    if (table->count == 0) {
        return NOT_THERE;
    }
    const uint64_t hash = hash_name(0, name);
    for (uint32_t slot = (uint32_t)hash & table->mask; table->slots[slot]; slot = (slot + 1) & table->mask) {
        const Name *known = &table->names[table->slots[slot] - 1];
        if (known->hash == hash && same(known->name, name)) {
            return table->slots[slot] - 1;
        }
    }
    return NOT_THERE;
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

/* One declared type, (name, fields), as the next one; -1 on an exception. */
static int declare(Types *self, PyObject *declared, uint32_t *owned) {
    PyObject *name, *fields;
    if (!PyArg_ParseTuple(declared, "UO!", &name, &PyTuple_Type, &fields)) {
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
        self->owned[(*owned)++] = (uint32_t)number;
    }
    self->begins[self->names.count] = *owned;
    const uint32_t width = (uint32_t)PyTuple_GET_SIZE(fields);
    self->widest = width > self->widest ? width : self->widest;
    return 0;
}

PyDoc_STRVAR(types_doc,
    "Types(declared)\n\n"
    "The types of which all is text that may be counted: a tuple of (name, names of its fields). Raises ValueError where a\n"
    "type is there twice.");

static PyObject *types_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *declared;
    if (!PyArg_ParseTuple(arguments, "O!", &PyTuple_Type, &declared) || (named && PyDict_GET_SIZE(named))) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "Types takes no keyword arguments");
    }
    const Py_ssize_t count = PyTuple_GET_SIZE(declared);
    size_t fields = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *name, *owned;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(declared, index), "UO!", &name, &PyTuple_Type, &owned)) {
            return NULL;
        }
        fields += (size_t)PyTuple_GET_SIZE(owned);
    }
    Types *self = (Types *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->declared = Py_NewRef(declared);
    self->begins = PyMem_Calloc((size_t)count + 1, sizeof(uint32_t));
    self->owned = PyMem_Calloc(fields + 1, sizeof(uint32_t));
    uint32_t owned = 0;
    int held = self->begins && self->owned;
    if (!held) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t index = 0; held && index < count; index++) {
        held = declare(self, PyTuple_GET_ITEM(declared, index), &owned) == 0;
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
    .name = "agents.core.native.plain.Types",
    .basicsize = sizeof(Types),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = types_slots,
};

#endif
