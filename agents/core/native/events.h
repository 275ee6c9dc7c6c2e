/* Values of records read into events: one event or a batch of them, all of it or nothing. */
#ifndef FOOTFALL_EVENTS_H
#define FOOTFALL_EVENTS_H

#include "members.h"
#include "shapes.h"

/* 1 where the event was read, 0 in doubt, -1 without memory. */
static int read_event(Parsed *parsed, const char **at, const char *end, Slice key, uint32_t company, int level) {
    Text text;
    memset(&text, 0, sizeof(text));
    text.sequence = -1;
    parsed->turn++;
    if (*at >= end || **at != '{' || (*at = read_members(parsed, *at, end, &text, level, 0)) == NULL) {
        return 0;
    }
    Event event = {.sequence = text.sequence, .id = text.id, .user = NOBODY};
    if (!text.versioned || !text.id.at || !text.source.at || !text.type.at || !text.time.at || !text.company.at ||
        !same(text.company, key) || !read_time(text.time, &event.time)) {
        return 0;
    }
    int64_t source = number_of(&parsed->sources, company, text.source), shape = number_shape(parsed, text.type);
    int64_t user = NOBODY;
    if (text.user.at != NULL) {
        user = number_of(&parsed->users, company, text.user);
    }
    if (source == -1 || shape == -1 || (text.user.at != NULL && user == -1)) {
        return -1;
    }
    if (source < 0 || shape < 0 || user < NOBODY) {
        return 0;
    }
    event.source = (uint32_t)source;
    event.shape = (uint32_t)shape;
    event.user = (int32_t)user;
    event.measure = parsed->measure_count;
    const int measured = read_measures(parsed, type_of(parsed, event.shape));
    if (measured != 1) {
        return measured;
    }
    if (parsed->event_count == parsed->event_room) {
        const uint32_t room = parsed->event_room * 2;
        Event *events = realloc(parsed->events, room * sizeof(Event));
        if (events == NULL) {
            return -1;
        }
        parsed->events = events;
        parsed->event_room = room;
    }
    parsed->events[parsed->event_count++] = event;
    return 1;
}

/* One event or a batch of them; as `read_event`. */
static int read_events(Parsed *parsed, const char *at, const char *end, Slice key, uint32_t company) {
    at = past_space(at, end);
    if (at >= end || *at != '[') {
        const int found = read_event(parsed, &at, end, key, company, 1);
        return found == 1 ? past_space(at, end) == end : found;
    }
    for (int count = 1; count <= MOST_EVENTS; count++) {
        at = past_space(at + 1, end);
        const int found = read_event(parsed, &at, end, key, company, 2);
        if (found != 1) {
            return found;
        }
        if ((at = past_space(at, end)) >= end) {
            return 0;
        }
        if (*at == ']') {
            return past_space(at + 1, end) == end;
        }
        if (*at != ',') {
            return 0;
        }
    }
    return 0;
}

/* Read one record's value into the next record; 0, or -1 without memory. */
static int read_record(Parsed *parsed, Slice key, Slice value, Record *record) {
    const uint32_t measures = parsed->measure_count;
    record->first = parsed->event_count;
    record->count = 0;
    if (key.size == 0 || key.size > MOST_KEY || value.size == 0 || value.size > MOST_BYTES ||
        !is_utf8(value.at, value.size)) {
        return 0;
    }
    const int64_t company = number_of(&parsed->companies, 0, key);
    if (company < 0) {
        return company == -1 ? -1 : 0;
    }
    record->company = (uint32_t)company;
    const int found = read_events(parsed, value.at, value.at + value.size, key, record->company);
    if (found == 1) {
        record->count = parsed->event_count - record->first;
    } else {
        parsed->event_count = record->first;
        parsed->measure_count = measures;
    }
    return found < 0 ? -1 : 0;
}

#endif
