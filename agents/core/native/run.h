/* A run: events folded one after the other for as long as the fast path takes them, as the record-wise fold would. Functions return
   -1 where a Python exception is set. */
#ifndef FOOTFALL_RUN_H
#define FOOTFALL_RUN_H

#include <limits.h>

#include "host.h"

/* ---- numbers of the host's and the log's, which may be any: a sum beyond 64 bits is the outermost number on its side, and
   compares with the time of an event as the sum itself would */

static inline long long sum(long long one, long long other) {
    long long found;
    return __builtin_add_overflow(one, other, &found) ? (other < 0 ? LLONG_MIN : LLONG_MAX) : found;
}

static inline long long less(long long one, long long other) {
    long long found;
    return __builtin_sub_overflow(one, other, &found) ? (other < 0 ? LLONG_MAX : LLONG_MIN) : found;
}

/* ---- one event */

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

static int enter(Run *run, Company *company) {
    PyObject *number, *counts, *found = call(run->host, ASK_ENTER, company->name, NULL, NULL);
    long long cost;
    if (found == NULL || !PyArg_ParseTuple(found, "OOL", &number, &counts, &cost)) {
        Py_XDECREF(found);
        return -1;
    }
    company->counts = Py_NewRef(counts);
    company->place = place_of(Py_NewRef(number));
    Py_DECREF(found);
    run->size = sum(run->size, cost);
    return company->place ? 0 : -1;
}

static int place_shape(FastPath *self, Run *run, uint32_t number) {
    PyObject *values = shape_values(self, number);
    self->shapes[number].place = values ? place_of(call(run->host, ASK_NUMBER_SHAPE, values, NULL, NULL)) : 0;
    Py_XDECREF(values);
    return self->shapes[number].place ? 0 : -1;
}

static int note_offset(FastPath *self, const Run *run, Company *company) {
    if (company->offset_count == 0) {
        self->entered[self->entered_count++] = (uint32_t)(company - self->companies);
    }
    if (company->offset_count == company->offset_room) {
        const uint32_t room = company->offset_room ? company->offset_room * 2 : 4;
        int64_t *offsets = PyMem_Realloc(company->offsets, room * sizeof(int64_t));
        if (offsets == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        company->offsets = offsets;
        company->offset_room = room;
    }
    company->offsets[company->offset_count++] = run->offset;
    return 0;
}

/* From here on nothing is in doubt; -1 on an exception. */
static int take(FastPath *self, Run *run, const Event *event, Company *company) {
    Source *source = &self->sources[event->source];
    Shape *shape = &self->shapes[event->shape];
    if (!source->taken) {
        source->taken = 1;
        run->size = sum(run->size, source->touch_cost);
        PyObject *done = call(run->host, ASK_TOUCH, source->source, NULL, NULL);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    if (event->time > source->last_time) {
        source->last_time = event->time;
    }
    if ((company->place == 0 && enter(run, company) < 0) ||
        (shape->place == 0 && place_shape(self, run, event->shape) < 0)) {
        return -1;
    }
    if (source->place == 0) {
        source->place = place_of(call(run->host, ASK_NUMBER_SOURCE, source->pseudonym, NULL, NULL));
    }
    const uint32_t user = event->user == NOBODY ? 0 : place_user(self, run, event->user, company->name);
    if (source->place == 0 || (event->user != NOBODY && user == 0) || note_hour(run, event, shape) < 0 ||
        note_offset(self, run, company) < 0) {
        return -1;
    }
    const int64_t row[COLUMNS] = {run->offset, event->time, run->closing_before, (int64_t)company->place - 1,
                                  (int64_t)shape->place - 1, (int64_t)user - 1, (int64_t)source->place - 1};
    for (int column = 0; column < COLUMNS; column++) {
        self->rows[(size_t)column * self->parsed.event_count + self->row_count] = row[column];
    }
    self->row_count++;
    const uint32_t type = type_of(&self->parsed, event->shape), *begins = self->parsed.types->measures_begin;
    for (uint32_t index = 0; index < begins[type + 1] - begins[type]; index++) {
        self->measures[self->measure_count++] = self->parsed.measures[event->measure + index];
    }
    return 0;
}

/* 1 where the event was taken, 0 where it is for the record-wise fold, -1 on an exception. */
static int fold_event(FastPath *self, Run *run, const Event *event, Company *company) {
    if (event->time > sum(run->append_time, run->ahead) || event->time < less(run->watermark, run->lateness)) {
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
    if (source->last_time > NO_TIME && source->last_time < less(moved, run->lateness)) {
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
    run->size = sum(run->size, grown);
    if (take(self, run, event, company) < 0) {
        return -1;
    }
    run->watermark = moved;
    return 1;
}

/* ---- a run */

/* How many events of the record were taken, -1 on an exception. */
static int64_t fold_record(FastPath *self, Run *run, const Record *record) {
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
    if (company->state == IN_DOUBT || run->append_time >= run->hour_end) {
        run->append_time = before;
        return 0;
    }
    run->offset = record->offset;
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

static int close_sources(FastPath *self, Run *run) {
    for (uint32_t index = 0; index < self->opened_count; index++) {
        if (close_source(run, &self->sources[self->opened[index]]) < 0) {
            return -1;
        }
    }
    self->opened_count = 0;
    return 0;
}

/* What the run took goes to the host's arrays. */
static int hand_over(FastPath *self, const Run *run) {
    for (int column = 0; self->row_count && column < COLUMNS; column++) {
        const int64_t *rows = &self->rows[(size_t)column * self->parsed.event_count];
        if (append_bytes(run->columns[column], rows, self->row_count) < 0) {
            return -1;
        }
    }
    if (self->measure_count && append_bytes(run->measures, self->measures, self->measure_count) < 0) {
        return -1;
    }
    for (uint32_t index = 0; index < self->entered_count; index++) {
        Company *company = &self->companies[self->entered[index]];
        if (append_bytes(company->counts, company->offsets, company->offset_count) < 0) {
            return -1;
        }
        company->offset_count = 0;
    }
    self->row_count = self->measure_count = self->entered_count = 0;
    return 0;
}

#endif
