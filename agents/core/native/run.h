/* A run: events folded one after the other for as long as they are plain, as agents/core/plain_run.py does. Functions return
   -1 where a Python exception is set. */
#ifndef FOOTFALL_RUN_H
#define FOOTFALL_RUN_H

#include "host.h"

/* ---- one event */

static int append(PyObject *list, PyObject *item) {
    return item ? PyList_Append(list, item) : -1;
}

static int append_new(PyObject *list, int64_t value) {
    PyObject *item = PyLong_FromLongLong(value);
    const int held = append(list, item);
    Py_XDECREF(item);
    return held;
}

static int note_hour(Run *run, const Event *event, const Shape *shape) {
    const int64_t hour = event->time / HOUR_MS * 2 + (shape->active && event->user != NOBODY);
    if (hour == run->last_hour) {
        return 0;
    }
    run->last_hour = hour;
    PyObject *item = PyLong_FromLongLong(hour);
    const int held = item ? PySet_Add(run->hours, item) : -1;
    Py_XDECREF(item);
    return held;
}

/* From here on nothing is in doubt; -1 on an exception. */
static int take(Plain *self, Run *run, const Event *event, Company *company) {
    Source *source = &self->sources[event->source];
    Shape *shape = &self->shapes[event->shape];
    if (!source->taken) {
        source->taken = 1;
        run->size += source->touch_cost;
        PyObject *done = call(run->host, ASK_TOUCH, source->source, NULL, NULL);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    if (event->time > source->last_time) {
        source->last_time = event->time;
    }
    if (company->number == NULL) {
        PyObject *number, *counts, *found = call(run->host, ASK_ENTER, company->name, NULL, NULL);
        long long cost;
        if (found == NULL || !PyArg_ParseTuple(found, "OO!L", &number, &PyList_Type, &counts, &cost)) {
            Py_XDECREF(found);
            return -1;
        }
        company->number = Py_NewRef(number);
        company->counts = Py_NewRef(counts);
        Py_DECREF(found);
        run->size += cost;
    }
    if (shape->number == NULL) {
        PyObject *values = shape_values(self, event->shape);
        shape->number = values ? call(run->host, ASK_NUMBER_SHAPE, values, NULL, NULL) : NULL;
        Py_XDECREF(values);
    }
    if (source->number == NULL) {
        source->number = call(run->host, ASK_NUMBER_SOURCE, source->pseudonym, NULL, NULL);
    }
    PyObject *user = event->user == NOBODY ? NULL : number_user(self, run, event->user, company->name);
    if (event->user != NOBODY && user == NULL) {
        return -1;
    }
    if (note_hour(run, event, shape) < 0 || append(run->columns[0], run->offset) < 0 ||
        append_new(run->columns[1], event->time) < 0 || append(run->columns[2], run->closing) < 0 ||
        append(run->columns[3], company->number) < 0 || append(run->columns[4], shape->number) < 0 ||
        (user ? append(run->columns[5], user) : append_new(run->columns[5], NOBODY)) < 0 ||
        append(run->columns[6], source->number) < 0 || append(company->counts, run->offset) < 0) {
        return -1;
    }
    return 0;
}

/* 1 where the event was taken, 0 where it is for the record-wise fold, -1 on an exception. */
static int fold_event(Plain *self, Run *run, const Event *event, Company *company) {
    if (event->time > run->append_time + run->ahead || event->time < run->watermark - run->lateness) {
        return 0;
    }
    const long long moved = event->time > run->watermark ? event->time : run->watermark;
    Source *source = &self->sources[event->source];
    if (source->run != self->run) {
        const int found = open_source(self, run, event, company->name);
        if (found != 1) {
            return found;
        }
    }
    if (source->last_time > NO_TIME && source->last_time < moved - run->lateness) {
        return 0;
    }
    Shape *shape = &self->shapes[event->shape];
    if (shape->state == UNKNOWN && open_shape(self, run, event->shape) < 0) {
        return -1;
    }
    if (shape->state == IN_DOUBT || !(shape->always || (run->silent && shape->unless_refused))) {
        return 0;
    }
    const long long grown = remember(self, run, event, company->name);
    if (grown <= 0) {
        return grown < 0 ? -1 : 0;
    }
    run->size += grown;
    if (take(self, run, event, company) < 0) {
        return -1;
    }
    run->watermark = moved;
    return 1;
}

/* ---- a run */

static int begin_record(Run *run, const Record *record) {
    Py_XSETREF(run->offset, PyLong_FromLongLong(record->offset));
    if (run->closing == NULL || run->closing_known != run->closing_before) {
        Py_XSETREF(run->closing, PyLong_FromLongLong(run->closing_before));
        run->closing_known = run->closing_before;
    }
    return run->offset && run->closing ? 0 : -1;
}

/* How many events of the record were taken, -1 on an exception. */
static int64_t fold_record(Plain *self, Run *run, const Record *record) {
    if (record->count == 0) {
        return 0;
    }
    Company *company = &self->companies[record->company];
    if (company->state == UNKNOWN && open_company(self, run, record->company) < 0) {
        return -1;
    }
    const long long before = run->append_time;
    if (record->append_time > before) {
        run->append_time = record->append_time;
    }
    if (company->state == IN_DOUBT || run->append_time >= run->hour_end || begin_record(run, record) < 0) {
        run->append_time = before;
        return PyErr_Occurred() ? -1 : 0;
    }
    for (uint32_t index = 0; index < record->count; index++) {
        const int taken = fold_event(self, run, &self->parsed.events[record->first + index], company);
        if (taken != 1) {
            if (index == 0) {
                run->append_time = before;
            }
            return taken < 0 ? -1 : (int64_t)index;
        }
    }
    if (run->watermark > run->closing_before) {
        run->closing_before = run->watermark;
    }
    return record->count;
}

static int close_sources(Plain *self, Run *run) {
    for (uint32_t index = 0; index < self->opened_count; index++) {
        if (close_source(run, &self->sources[self->opened[index]]) < 0) {
            return -1;
        }
    }
    self->opened_count = 0;
    return 0;
}

#endif
