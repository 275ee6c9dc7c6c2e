/* The compiled form of the fast path of the first fold: the same decisions in the same order as agents/core/accept/fallback.py
   over records that events.h has read. What needs the state is asked of a host, see agents/core/accept/fast_path.py; a
   property test holds both forms, and the record-wise fold, to the same chunk and the same state. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "events.h"
#include "records.h"
#include "run.h"

PyDoc_STRVAR(run_doc,
    "run(host, columns, measures, hours, at, facts) -> (at, events, taken, append_time, watermark, closing, size)\n\n"
    "Fold records from index `at` for as long as the fast path takes them, into the seven columns `columns` and `measures`. `facts` is\n"
    "(append_time, watermark, closing, hour_end, clock_ahead, lateness, silent, size, limit). Returns the index of the\n"
    "first record not wholly taken, how many of its events were, how many events in all, and how things stand then. Where a\n"
    "run raises, what it took is in the state and not in the columns: there can be no other.");

static PyObject *fast_path_run(FastPath *self, PyObject *arguments) {
    Run run = {.last_hour = -1};
    PyObject *columns;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(arguments, "OO!OO!n(LLLLLLpLL)", &run.host, &PyTuple_Type, &columns, &run.measures, &PySet_Type, &run.hours,
                          &at, &run.append_time, &run.watermark, &run.closing_before, &run.hour_end, &run.ahead,
                          &run.lateness, &run.silent, &run.size, &run.limit)) {
        return NULL;
    }
    if (self->is_spent) {
        return PyErr_Format(PyExc_RuntimeError, "a run before did not end");
    }
    if (PyTuple_GET_SIZE(columns) != COLUMNS || at < 0) {
        return PyErr_Format(PyExc_ValueError, "%d columns", COLUMNS);
    }
    for (int column = 0; column < COLUMNS; column++) {
        run.columns[column] = PyTuple_GET_ITEM(columns, column);
    }
    self->is_spent = 1;
    self->run++;
    long long taken = 0;
    int64_t events = 0;
    while (at < (Py_ssize_t)self->parsed.record_count && run.size < run.limit) {
        const Record *record = &self->parsed.records[at];
        events = fold_record(self, &run, record);
        taken += events;
        if (events < 0 || record->count == 0 || events < record->count) {
            break;
        }
        events = 0;
        at++;
    }
    if (events < 0 || close_sources(self, &run) < 0 || hand_over(self, &run) < 0) {
        return NULL;
    }
    self->is_spent = 0;
    return Py_BuildValue("nLLLLLL", at, (long long)events, taken, run.append_time, run.watermark, run.closing_before,
                         run.size);
}

PyDoc_STRVAR(holds_doc, "holds(at) -> bool\n\nWhether anything of the record at an index was read; if not, a run begins in vain.");

static PyObject *fast_path_holds(FastPath *self, PyObject *argument) {
    const Py_ssize_t at = PyLong_AsSsize_t(argument);
    if (at == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(at >= 0 && at < (Py_ssize_t)self->parsed.record_count && self->parsed.records[at].count > 0);
}

/* ---- reading */

static int number_attribute(PyObject *object, const char *name, int64_t *found) {
    PyObject *value = PyObject_GetAttrString(object, name);
    *found = value ? PyLong_AsLongLong(value) : -1;
    Py_XDECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* The bytes of an attribute, which the object keeps; empty where it is None. */
static int bytes_attribute(PyObject *object, const char *name, Slice *found) {
    PyObject *value = PyObject_GetAttrString(object, name);
    if (value == NULL) {
        return -1;
    }
    found->at = PyBytes_Check(value) ? PyBytes_AS_STRING(value) : "";
    const Py_ssize_t size = PyBytes_Check(value) ? PyBytes_GET_SIZE(value) : 0;
    found->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX; /* so large a one is in doubt, whatever it is */
    Py_DECREF(value);
    return 0;
}

static int read_one(Parsed *parsed, PyObject *object) {
    Record *record = &parsed->records[parsed->record_count];
    Slice key, value;
    PyObject *headers = PyObject_GetAttrString(object, "headers");
    const int headed = headers ? PyObject_IsTrue(headers) : -1;
    Py_XDECREF(headers);
    if (headed < 0 || number_attribute(object, "offset", &record->offset) < 0 ||
        number_attribute(object, "append_time", &record->append_time) < 0 || bytes_attribute(object, "key", &key) < 0 ||
        bytes_attribute(object, "value", &value) < 0) {
        return -1;
    }
    if (headed) {
        key.size = 0;
    }
    if (read_record(parsed, key, value, record) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    parsed->record_count++;
    return 0;
}

/* As `read_one`, of every record of a sequence of ours. */
static int read_stored_records(Parsed *parsed, const Records *records) {
    for (Py_ssize_t index = 0; index < records->count; index++) {
        const Stored *stored = &records->stored[index];
        Record *record = &parsed->records[parsed->record_count++];
        record->offset = stored->offset;
        record->append_time = stored->append_time;
        const Slice key = {stored->key, stored->key_size > 0 && !stored->header_count ? (uint32_t)stored->key_size : 0};
        const Slice value = {stored->value, stored->value_size > 0 ? (uint32_t)stored->value_size : 0};
        if (read_record(parsed, key, value, record) < 0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static int read_listed_records(Parsed *parsed, PyObject *records) {
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(records); index++) {
        if (read_one(parsed, PyList_GET_ITEM(records, index)) < 0) {
            return -1;
        }
    }
    return 0;
}

static void *zeroed(uint32_t count, size_t size) {
    return PyMem_Calloc(count ? count : 1, size);
}

PyDoc_STRVAR(fast_path_doc,
    "FastPath(records, types)\n\n"
    "The records, Records or a list of objects as RawRecord is one, read as far as the fast path takes them: events of `types`.");

static PyObject *fast_path_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *records, *types;
    if (!PyArg_ParseTuple(arguments, "OO!", &records, types_type, &types) ||
        (named && PyDict_GET_SIZE(named))) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "FastPath takes no keyword arguments");
    }
    FastPath *self = (FastPath *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Parsed *parsed = &self->parsed;
    const int are_ours = Py_IS_TYPE(records, records_type);
    const Py_ssize_t count = are_ours ? ((Records *)records)->count : PyList_Check(records) ? PyList_GET_SIZE(records) : -1;
    if (count < 0) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_TypeError, "neither Records nor a list");
    }
    self->owner = are_ours ? Py_BuildValue("OO", records, types)
                           : Py_BuildValue("NO", PyList_GetSlice(records, 0, count), types);
    parsed->event_room = (uint32_t)count + FIRST_ROOM;
    parsed->records = malloc(((size_t)count + 1) * sizeof(Record));
    parsed->events = malloc(parsed->event_room * sizeof(Event));
    parsed->types = (Types *)types;
    parsed->fields = calloc((size_t)parsed->types->fields.count + 1, sizeof(Field));
    parsed->name = malloc(sizeof(uint32_t) + (size_t)parsed->types->widest * (MOST_FIELD + 1));
    int held = self->owner && parsed->records && parsed->events && parsed->fields && parsed->name;
    if (held) {
        held = (are_ours ? read_stored_records(parsed, (Records *)records)
                         : read_listed_records(parsed, PyTuple_GET_ITEM(self->owner, 0))) == 0;
    }
    if (held) {
        self->companies = zeroed(parsed->companies.count, sizeof(Company));
        self->sources = zeroed(parsed->sources.count, sizeof(Source));
        self->shapes = zeroed(parsed->shapes.count, sizeof(Shape));
        self->users = zeroed(parsed->users.count, sizeof(uint32_t));
        self->opened = zeroed(parsed->sources.count, sizeof(uint32_t));
        self->entered = zeroed(parsed->companies.count, sizeof(uint32_t));
        self->rows = PyMem_Malloc(((size_t)parsed->event_count + 1) * COLUMNS * sizeof(int64_t));
        self->measures = PyMem_Malloc(((size_t)parsed->measure_count + 1) * sizeof(int64_t));
        held = self->measures && self->companies && self->sources && self->shapes && self->users && self->opened && self->entered &&
               self->rows;
    }
    if (!held) {
        Py_DECREF(self);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void fast_path_dealloc(FastPath *self) {
    const Parsed *parsed = &self->parsed;
    for (uint32_t index = 0; self->companies && index < parsed->companies.count; index++) {
        Py_XDECREF(self->companies[index].name);
        Py_XDECREF(self->companies[index].counts);
        PyMem_Free(self->companies[index].offsets);
    }
    for (uint32_t index = 0; self->sources && index < parsed->sources.count; index++) {
        Py_XDECREF(self->sources[index].source);
        Py_XDECREF(self->sources[index].pseudonym);
    }
    PyMem_Free(self->companies);
    PyMem_Free(self->sources);
    PyMem_Free(self->shapes);
    PyMem_Free(self->users);
    PyMem_Free(self->opened);
    PyMem_Free(self->entered);
    PyMem_Free(self->rows);
    PyMem_Free(self->measures);
    free_parsed(&self->parsed);
    Py_XDECREF(self->owner);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- the module */

static PyMethodDef fast_path_methods[] = {
    {"holds", (PyCFunction)fast_path_holds, METH_O, holds_doc},
    {"run", (PyCFunction)fast_path_run, METH_VARARGS, run_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot fast_path_slots[] = {
    {Py_tp_new, fast_path_new},
    {Py_tp_dealloc, fast_path_dealloc},
    {Py_tp_methods, fast_path_methods},
    {Py_tp_doc, (void *)fast_path_doc},
    {0, NULL},
};

static PyType_Spec fast_path_spec = {
    .name = "agents.core.native.fast_path.FastPath",
    .basicsize = sizeof(FastPath),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = fast_path_slots,
};

static int fill_module(PyObject *module) {
    for (int method = 0; method < ASKED; method++) {
        methods[method] = PyUnicode_InternFromString(asked[method]);
        if (methods[method] == NULL) {
            return -1;
        }
    }
    frombytes = PyUnicode_InternFromString("frombytes");
    if (frombytes == NULL) {
        return -1;
    }
    if (take_key() < 0) {
        return -1;
    }
    PyObject *type = PyType_FromSpec(&fast_path_spec);
    if (type == NULL || PyModule_AddIntConstant(module, "MOST_EVENTS", MOST_EVENTS) < 0 ||
        PyModule_AddIntConstant(module, "MOST_BYTES", MOST_BYTES) < 0 ||
        PyModule_AddIntConstant(module, "MOST_HEADERS", MOST_HEADERS) < 0 ||
        PyModule_AddIntConstant(module, "SHORTEST_EVENT", SHORTEST_EVENT) < 0 ||
        PyModule_AddIntConstant(module, "MOST_INT", (long)MOST_INT) < 0 ||
        PyModule_AddStringConstant(module, "CONTROL_PREFIX", CONTROL_PREFIX) < 0) {
        Py_XDECREF(type);
        return -1;
    }
    records_type = (PyTypeObject *)PyType_FromSpec(&records_spec);
    types_type = (PyTypeObject *)PyType_FromSpec(&types_spec);
    const int held = records_type && types_type && PyModule_AddObjectRef(module, "FastPath", type) == 0 &&
                     PyModule_AddObjectRef(module, "Types", (PyObject *)types_type) == 0 &&
                     PyModule_AddObjectRef(module, "Records", (PyObject *)records_type) == 0;
    Py_DECREF(type);
    return held ? 0 : -1;
}

static PyMethodDef module_methods[] = {
    {"cut", cut, METH_VARARGS, cut_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, fill_module},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "agents.core.native.fast_path",
    .m_doc = "The fast path of the first fold, compiled.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_fast_path(void) {
    return PyModuleDef_Init(&module);
}
