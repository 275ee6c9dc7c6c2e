/* What a run asks of its host, the state in Python (agents/core/accept/fast_path.py): once for each name in a chunk, or for each
   source in a run. Functions return -1 where a Python exception is set. */
#ifndef FOOTFALL_HOST_H
#define FOOTFALL_HOST_H

#include <Python.h>

#include "shapes.h"

enum { UNKNOWN, USABLE, IN_DOUBT };
enum { COLUMNS = 7, HOUR_MS = 3600000, NO_TIME = -1 };

/* `place` is the number of a name in the chunk, and 1 more: 0 where it has none yet. */

typedef struct {
    PyObject *name;   /* str, once asked */
    PyObject *counts; /* array that takes the raw offset of each counted event when a run is over */
    int64_t *offsets; /* these, of the run at hand */
    uint32_t offset_count, offset_room, place;
    char state;
} Company;

typedef struct {
    PyObject *source, *pseudonym;
    uint32_t place;
    int64_t last_time, end; /* one past the last interval of its sequences, -1 where there is none */
    int64_t first_cost, touch_cost;
    uint32_t run;        /* the run in which it was opened */
    char taken, extended; /* in that run */
} Source;

typedef struct {
    uint32_t place;
    char state, active, always, unless_refused;
} Shape;

typedef struct {
    PyObject_HEAD
    Parsed parsed;
    PyObject *owner; /* keeps the bytes that are read */
    Company *companies;
    Source *sources;
    Shape *shapes;
    uint32_t *users;   /* places */
    uint32_t *opened, opened_count, *entered, entered_count, run;
    int64_t *rows, *measures; /* of the run at hand; rows column after column, each with room for all events */
    uint32_t row_count, measure_count;
    char is_spent; /* a run is under way, or ended with an exception: what it took is in the state already */
} FastPath;

typedef struct {
    PyObject *host, *columns[COLUMNS], *measures, *hours;
    long long offset, append_time, watermark, closing_before, hour_end, ahead, lateness, size, limit;
    int silent;
    int64_t last_hour;
} Run;

enum { ASK_COMPANY, ASK_OPEN, ASK_SHAPE, ASK_USER, ASK_CLOSE, ASK_REMEMBER, ASK_ADD, ASK_TOUCH, ASK_ENTER,
       ASK_NUMBER_SHAPE, ASK_NUMBER_SOURCE, ASKED };

static const char *const asked[ASKED] = {"company", "open", "shape", "user", "close", "remember", "add", "touch",
                                         "enter", "number_shape", "number_source"};
static PyObject *methods[ASKED]; /* names of the host's methods */
static PyObject *frombytes;      /* and of an array's */

static PyObject *call(PyObject *host, int method, PyObject *first, PyObject *second, PyObject *third) {
    return PyObject_CallMethodObjArgs(host, methods[method], first, second, third, NULL);
}

/* ---- what is asked of the host, once for each name in a chunk or for each source in a run; -1 on an exception */

static int open_company(FastPath *self, Run *run, uint32_t number) {
    Company *company = &self->companies[number];
    const Slice key = self->parsed.companies.names[number].name;
    PyObject *bytes = PyBytes_FromStringAndSize(key.at, key.size);
    PyObject *name = bytes ? call(run->host, ASK_COMPANY, bytes, NULL, NULL) : NULL;
    Py_XDECREF(bytes);
    if (name == NULL) {
        return -1;
    }
    if (name == Py_None) {
        company->state = IN_DOUBT;
        Py_DECREF(name);
    } else {
        company->state = USABLE;
        company->name = name;
    }
    return 0;
}

/* Raises AttributeError, TypeError or OverflowError where the host answers otherwise than it should. */
static int open_source(FastPath *self, Run *run, const Event *event, PyObject *company) {
    Source *source = &self->sources[event->source];
    const Slice text = self->parsed.sources.names[event->source].name;
    PyObject *name = PyUnicode_DecodeUTF8(text.at, text.size, NULL);
    PyObject *found = name ? call(run->host, ASK_OPEN, company, name, NULL) : NULL;
    Py_XDECREF(name);
    if (found == NULL || found == Py_None) {
        Py_XDECREF(found);
        return found == NULL ? -1 : 0;
    }
    PyObject *object, *pseudonym;
    long long last_time, end, first_cost, touch_cost;
    if (!PyArg_ParseTuple(found, "OOLLLL", &object, &pseudonym, &last_time, &end, &first_cost, &touch_cost)) {
        Py_DECREF(found);
        return -1;
    }
    Py_XSETREF(source->source, Py_NewRef(object));
    Py_XSETREF(source->pseudonym, Py_NewRef(pseudonym));
    Py_DECREF(found);
    source->last_time = last_time;
    source->end = end;
    source->first_cost = first_cost;
    source->touch_cost = touch_cost;
    source->run = self->run;
    source->taken = source->extended = 0;
    self->opened[self->opened_count++] = event->source;
    return 1;
}

static PyObject *text_or_none(const char **at) {
    const unsigned char size = (unsigned char)*(*at)++;
    if (size == 0) {
        return Py_NewRef(Py_None);
    }
    PyObject *found = PyUnicode_DecodeUTF8(*at, size - 1, NULL);
    *at += size - 1;
    return found;
}

static PyObject *shape_values(FastPath *self, uint32_t number) {
    const char *at = self->parsed.shapes.names[number].name.at;
    const Types *types = self->parsed.types;
    const uint32_t type = type_of(&self->parsed, number);
    at += sizeof(type);
    const uint32_t count = types->begins[type + 1] - types->begins[type];
    const Slice name = types->names.names[type].name;
    PyObject *values = PyTuple_New((Py_ssize_t)count + 1);
    for (uint32_t index = 0; values && index <= count; index++) {
        PyObject *value = index ? text_or_none(&at) : PyUnicode_DecodeUTF8(name.at, name.size, NULL);
        if (value == NULL) {
            Py_CLEAR(values);
            break;
        }
        PyTuple_SET_ITEM(values, index, value);
    }
    return values;
}

static int open_shape(FastPath *self, Run *run, uint32_t number) {
    Shape *shape = &self->shapes[number];
    PyObject *values = shape_values(self, number);
    PyObject *found = values ? call(run->host, ASK_SHAPE, values, NULL, NULL) : NULL;
    Py_XDECREF(values);
    if (found == NULL) {
        return -1;
    }
    shape->state = found == Py_None ? IN_DOUBT : USABLE;
    int active = 0, always = 0, unless_refused = 0, held = 0;
    if (found != Py_None) {
        held = !PyArg_ParseTuple(found, "ppp", &active, &always, &unless_refused);
    }
    shape->active = (char)active;
    shape->always = (char)always;
    shape->unless_refused = (char)unless_refused;
    Py_DECREF(found);
    return held ? -1 : 0;
}

/* The place that a number has which the host told; 0 on an exception. Takes over `found`. */
static uint32_t place_of(PyObject *found) {
    const long long number = found ? PyLong_AsLongLong(found) : -1;
    Py_XDECREF(found);
    if (number >= 0 && number < INT32_MAX) {
        return (uint32_t)number + 1;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_OverflowError, "no number of a name");
    }
    return 0;
}

static uint32_t place_user(FastPath *self, Run *run, int32_t number, PyObject *company) {
    uint32_t *place = &self->users[number];
    if (*place == 0) {
        const Slice text = self->parsed.users.names[number].name;
        PyObject *name = PyUnicode_DecodeUTF8(text.at, text.size, NULL);
        *place = name ? place_of(call(run->host, ASK_USER, company, name, NULL)) : 0;
        Py_XDECREF(name);
    }
    return *place;
}

static int append_bytes(PyObject *array, const int64_t *numbers, uint32_t count) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)numbers, (Py_ssize_t)count * (Py_ssize_t)sizeof(int64_t));
    PyObject *done = bytes ? PyObject_CallMethodOneArg(array, frombytes, bytes) : NULL;
    Py_XDECREF(bytes);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int close_source(Run *run, Source *source) {
    if (!source->taken) {
        return 0;
    }
    PyObject *last = PyLong_FromLongLong(source->last_time);
    PyObject *end = PyLong_FromLongLong(source->extended ? source->end : -1);
    PyObject *done = last && end ? call(run->host, ASK_CLOSE, source->source, last, end) : NULL;
    Py_XDECREF(last);
    Py_XDECREF(end);
    Py_XDECREF(done);
    source->run = 0;
    return done ? 0 : -1;
}

static long long number_or_raise(PyObject *found) {
    const long long number = found ? PyLong_AsLongLong(found) : -1;
    Py_XDECREF(found);
    return number;
}

/* Bytes by which the state grows with the event's sequence or id; 0 where it was seen, -1 on an exception. */
static long long remember(FastPath *self, Run *run, const Event *event, PyObject *company) {
    Source *source = &self->sources[event->source];
    if (event->sequence >= 0 && event->sequence == source->end) {
        source->end++;
        const long long cost = source->extended ? 1 : source->first_cost;
        source->extended = 1;
        return cost;
    }
    if (event->sequence < 0) {
        PyObject *id = PyUnicode_DecodeUTF8(event->id.at, event->id.size, NULL);
        PyObject *time = PyLong_FromLongLong(event->time);
        PyObject *of = PyTuple_Pack(2, company, source->source);
        PyObject *found = id && time && of ? call(run->host, ASK_REMEMBER, of, id, time) : NULL;
        Py_XDECREF(id);
        Py_XDECREF(time);
        Py_XDECREF(of);
        return number_or_raise(found);
    }
    PyObject *number = PyLong_FromLongLong(event->sequence);
    PyObject *end = PyLong_FromLongLong(source->extended ? source->end : -1);
    PyObject *found = number && end ? call(run->host, ASK_ADD, source->source, end, number) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(end);
    long long grown, first_cost, new_end;
    if (found == NULL || !PyArg_ParseTuple(found, "LLL", &grown, &new_end, &first_cost)) {
        Py_XDECREF(found);
        return -1;
    }
    Py_DECREF(found);
    source->end = new_end;
    source->first_cost = first_cost;
    source->extended = 0;
    return grown;
}

#endif
