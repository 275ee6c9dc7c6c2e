/* The compiled form of agents/core/count/pre_aggregate.py: the events of a stretch of a clean chunk, grouped by what they have in common.
   A property test holds both forms to the same answer. Where too many groups collide (table.h) there is no answer, and the
   form in Python gives it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "groups.h"

enum { TIMES, COMPANY, SHAPE, USER, SOURCE, MEASURES, COLUMNS };
enum { HOUR_MS = 3600000, DAY_HOURS = 24 };

/* ---- what is given */

typedef struct {
    Py_buffer columns[COLUMNS];
    Py_ssize_t begin, end;
    Py_buffer active, installs, widths; /* a byte a shape */
    long long companies, users, sources, position; /* where the measures of the first event begin */
} Given;

/* The number in a column, from `least` to before `bound`; raises IndexError. */
static inline int take(const Given *given, int column, Py_ssize_t at, long long least, long long bound, int64_t *found) {
    *found = ((const int64_t *)given->columns[column].buf)[at];
    if (*found >= least && *found < bound) {
        return 0;
    }
    PyErr_SetString(PyExc_IndexError, "a column points past its dictionary");
    return -1;
}

/* 0, CROWDED, or -1 with an exception. */
static int fill(const Given *given, Groups *counts, Groups *users, Groups *installs) {
    const char *active = given->active.buf, *installed = given->installs.buf;
    const unsigned char *widths = given->widths.buf;
    const int64_t *measures = given->columns[MEASURES].buf;
    int64_t position = given->position;
    const int64_t measured = given->columns[MEASURES].len / (Py_ssize_t)sizeof(int64_t);
    const int64_t shapes = given->active.len;
    const long long latest = (long long)INT32_MAX * HOUR_MS;
    for (Py_ssize_t at = given->begin; at < given->end; at++) {
        int64_t time, company, shape, user, source;
        if (take(given, TIMES, at, 0, latest, &time) < 0 ||
            take(given, COMPANY, at, 0, given->companies, &company) < 0 ||
            take(given, SHAPE, at, 0, shapes, &shape) < 0 || take(given, USER, at, -1, given->users, &user) < 0 ||
            take(given, SOURCE, at, 0, given->sources, &source) < 0) {
            return -1;
        }
        const int64_t hour = time / HOUR_MS;
        int failed = put(counts, key_of(hour, shape, company, 0), at);
        if (!failed && widths[shape]) {
            if (measured - position < widths[shape]) {
                PyErr_SetString(PyExc_IndexError, "there are fewer measures than the shapes say");
                return -1;
            }
            failed = add_measures(counts, &measures[position], widths[shape], at);
            position += widths[shape];
        }
        if (!failed && user >= 0 && active[shape]) {
            failed = put(users, key_of(hour / DAY_HOURS, user, company, 0), at);
        }
        if (!failed && installed[shape]) {
            failed = put(installs, key_of(hour, shape, company, source), at);
        }
        if (failed == NO_ROOM) {
            PyErr_NoMemory();
        }
        if (failed) {
            return failed;
        }
    }
    return 0;
}

/* ---- what is answered: lists of tuples of numbers */

static PyObject *tuple_of(int size, const int64_t *numbers) {
    PyObject *tuple = PyTuple_New(size);
    for (int index = 0; tuple && index < size; index++) {
        PyObject *number = PyLong_FromLongLong(numbers[index]);
        if (number == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, index, number);
    }
    return tuple;
}

enum { OF_COUNTS, OF_USERS, OF_INSTALLS };

static PyObject *list_of(const Groups *all, int kind) {
    PyObject *list = PyList_New(all->table.count);
    for (uint32_t index = 0; list && index < all->table.count; index++) {
        const Group *group = group_at(all, index);
        const int64_t when = (int64_t)(group->key.high >> 32), what = (int64_t)(uint32_t)group->key.high;
        const int64_t company = (int64_t)(group->key.low >> 32), source = (int64_t)(uint32_t)group->key.low;
        const int64_t numbers[3][5] = {{company, what, when, group->size, group->last},
                                       {company, what, when, group->first},
                                       {company, what, source, when, group->first}};
        PyObject *tuple = tuple_of(kind == OF_USERS ? 4 : 5, numbers[kind]);
        if (tuple == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, index, tuple);
    }
    return list;
}

/* Of each group its sums, each with the index of its last event, one after the other; empty where there are none. */
static PyObject *list_of_sums(const Groups *all, const unsigned char *widths) {
    PyObject *list = PyList_New(all->width ? all->table.count : 0);
    for (uint32_t index = 0; list && index < (all->width ? all->table.count : 0); index++) {
        const int width = widths[(uint32_t)group_at(all, index)->key.high];
        PyObject *tuple = tuple_of(2 * width, (const int64_t *)&all->sums[(size_t)index * all->width]);
        if (tuple == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, index, tuple);
    }
    return list;
}

static int is_usable(const Given *given) {
    for (int column = 0; column < COLUMNS; column++) {
        const Py_buffer *held = &given->columns[column];
        if (held->itemsize != sizeof(int64_t) || held->format == NULL || strcmp(held->format, "q") != 0 ||
            (column != MEASURES && held->len / held->itemsize < given->end)) {
            PyErr_SetString(PyExc_TypeError, "columns are arrays of 64-bit numbers, of one length");
            return 0;
        }
    }
    if (given->begin < 0 || given->position < 0 || given->installs.len != given->active.len ||
        given->widths.len != given->active.len || given->active.len > INT32_MAX ||
        given->companies > INT32_MAX || given->users > INT32_MAX || given->sources > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a chunk of another shape");
        return 0;
    }
    return 1;
}

static PyObject *answer(const Given *given) {
    Groups counts = {0}, users = {0}, installs = {0};
    PyObject *found[4] = {NULL, NULL, NULL, NULL}, *all = NULL;
    const unsigned char *widths = given->widths.buf;
    for (Py_ssize_t shape = 0; shape < given->widths.len; shape++) {
        counts.width = widths[shape] > counts.width ? widths[shape] : counts.width;
    }
    const int failed = is_usable(given) ? fill(given, &counts, &users, &installs) : -1;
    if (failed == CROWDED) {
        all = Py_NewRef(Py_None);
    } else if (failed == 0) {
        found[0] = list_of(&counts, OF_COUNTS);
        found[1] = list_of(&users, OF_USERS);
        found[2] = list_of(&installs, OF_INSTALLS);
        found[3] = list_of_sums(&counts, widths);
        if (found[0] && found[1] && found[2] && found[3]) {
            all = PyTuple_Pack(4, found[0], found[1], found[2], found[3]);
        }
    }
    for (int index = 0; index < 4; index++) {
        Py_XDECREF(found[index]);
    }
    free_table(&counts.table);
    free(counts.sums);
    free_table(&users.table);
    free_table(&installs.table);
    return all;
}

PyDoc_STRVAR(pre_aggregate_doc,
    "pre_aggregate(columns, begin, end, active, installs, widths, sizes) -> (counts, users, installs, sums) or None\n\n"
    "See agents/core/count/pre_aggregate.py. `columns` are the columns times, company, shape, user, source and measures; `active`,\n"
    "`installs` and `widths` one byte a shape; `sizes` how many companies, users and sources there are, and where the\n"
    "measures of the event at `begin` begin. None where too many groups collide, or a sum is past 63 bits.");

static PyObject *pre_aggregate(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Given given = {0};
    PyObject *columns[COLUMNS], *found = NULL;
    if (!PyArg_ParseTuple(arguments, "(OOOOOO)nny*y*y*(LLLL)", &columns[TIMES], &columns[COMPANY], &columns[SHAPE],
                          &columns[USER], &columns[SOURCE], &columns[MEASURES], &given.begin, &given.end, &given.active,
                          &given.installs, &given.widths, &given.companies, &given.users, &given.sources,
                          &given.position)) {
        return NULL;
    }
    int held = 0;
    while (held < COLUMNS && PyObject_GetBuffer(columns[held], &given.columns[held], PyBUF_FORMAT) == 0) {
        held++;
    }
    if (held == COLUMNS) {
        found = answer(&given);
    }
    while (held > 0) {
        PyBuffer_Release(&given.columns[--held]);
    }
    PyBuffer_Release(&given.active);
    PyBuffer_Release(&given.installs);
    PyBuffer_Release(&given.widths);
    return found;
}

static PyMethodDef module_methods[] = {
    {"pre_aggregate", pre_aggregate, METH_VARARGS, pre_aggregate_doc},
    {NULL, NULL, 0, NULL},
};

static int begin_module(PyObject *Py_UNUSED(module)) {
    return take_key();
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, begin_module},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "agents.core.native.pre_aggregate",
    .m_doc = "Grouping the events of clean chunks, compiled.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_pre_aggregate(void) {
    return PyModuleDef_Init(&module);
}
