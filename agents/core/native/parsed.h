/* Records read into columns: which events each holds, where that is beyond doubt.

   An event is numbers alone: its company, source, shape and user are numbered as they come, and what becomes of it can
   be decided without its text. A shape is a type with the values of its fields. */
#ifndef FOOTFALL_PARSED_H
#define FOOTFALL_PARSED_H

#include "typed.h"

enum {
    MOST_EVENTS = 10000,       /* schemas.limits.MAX_EVENTS; a test holds them equal */
    MOST_BYTES = 1000000 - 4096, /* schemas.limits.MAX_RECORD_BYTES, less what a key may take */
    MOST_KEY = 128,
    MOST_FIELD = 64,
    NOBODY = -1,
    NO_MEASURE = -1, /* schemas.catalogue.fields.ABSENT */
};

#define MOST_INT 1000000000000LL /* schemas.catalogue.fields.MOST_INT; a test holds them equal */

typedef struct {
    int64_t time, sequence; /* sequence -1: none */
    Slice id;               /* for those without a sequence */
    uint32_t source, shape, measure; /* where its measures begin */
    int32_t user;
} Event;

typedef struct {
    int64_t offset, append_time;
    uint32_t company, first, count; /* events from `first` on; a count of 0: in doubt */
} Record;

/* What the event at hand says of a field, if `turn` is the present one; what is none of this is odd. */
typedef struct {
    Slice text; /* at NULL where the field is null */
    int64_t number;
    uint64_t turn;
    enum { IS_ODD, IS_NULL, IS_TEXT, IS_NUMBER, IS_FLAG } kind;
} Field;

typedef struct {
    Record *records;
    Event *events;
    int64_t *measures;
    uint32_t record_count, event_count, event_room, measure_count, measure_room;
    Table companies, sources, shapes, users;
    const Types *types;
    Field *fields;       /* by number */
    uint64_t turn;       /* counts events, and the members `data` within them */
    char *name, **texts; /* room for a shape's name; those of shapes, one allocation each */
    uint32_t text_count, text_room;
} Parsed;

typedef struct {
    Slice id, source, type, company, time, user;
    int64_t sequence;
    int versioned;
} Text;

static const char *read_name(const char *at, const char *end, Slice *found) {
    at = read_string(at, end, found);
    return at != NULL && found->size >= 1 && found->size <= MOST_NAME ? at : NULL;
}

/* A source: what follows its first # is its incarnation, and something stands before that. */
static const char *read_source(const char *at, const char *end, Slice *found) {
    at = read_name(at, end, found);
    return at != NULL && *found->at != '#' ? at : NULL;
}

static const char *read_null(const char *at, const char *end, Slice *found) {
    found->at = NULL;
    found->size = 0;
    return read_word(at, end, "null", 4);
}

static const char *read_number(const char *at, const char *end, int64_t *found) {
    Slice text = {at, 0};
    while (at < end && is_digit(*at)) {
        at++;
    }
    text.size = at - text.at > 18 ? 0 : (uint32_t)(at - text.at);
    *found = read_sequence(text);
    return *found < 0 || (at < end && (*at == '.' || *at == 'e' || *at == 'E')) ? NULL : at;
}

/* Behind a value that a field may have, NULL where it is odd: of no matter, unless the field is one of the event's type. */
static const char *read_scalar(const char *at, const char *end, Field *field) {
    field->kind = IS_ODD;
    field->text = (Slice){NULL, 0};
    if (at >= end) {
        return NULL;
    }
    const char *behind;
    switch (*at) {
        case 'n':
            field->kind = IS_NULL;
            return read_null(at, end, &field->text);
        case '"':
            behind = read_string(at, end, &field->text);
            field->kind = behind && field->text.size <= MOST_FIELD ? IS_TEXT : IS_ODD;
            return behind;
        case 't':
        case 'f':
            field->number = *at == 't';
            behind = field->number ? read_word(at, end, "true", 4) : read_word(at, end, "false", 5);
            field->kind = behind ? IS_FLAG : IS_ODD;
            return behind;
        default:
            behind = read_number(at, end, &field->number);
            field->kind = behind && field->number <= MOST_INT ? IS_NUMBER : IS_ODD;
            return behind;
    }
}

static const char *read_field(Parsed *parsed, const char *at, const char *end, Slice key, Text *text, int level) {
    const int absent = at < end && *at == 'n';
    if (is_word(key, "user", 4)) {
        return absent ? read_null(at, end, &text->user) : read_name(at, end, &text->user);
    }
    const int64_t number = find_name(&parsed->types->fields, key);
    if (number < 0) {
        return skip_value(at, end, level);
    }
    Field *field = &parsed->fields[number];
    field->turn = parsed->turn;
    const char *behind = read_scalar(at, end, field);
    return behind == NULL ? skip_value(at, end, level) : behind;
}

static const char *read_attribute(Parsed *parsed, const char *at, const char *end, Slice key, Text *text, int level);

/* An object, each member by `read_attribute` or, within `data`, by `read_field`; at its brace. */
static const char *read_members(
    Parsed *parsed, const char *at, const char *end, Text *text, int level, int within_data
) {
    at = past_space(at + 1, end);
    if (at < end && *at == '}') {
        return at + 1;
    }
    for (;;) {
        Slice key;
        at = read_string(at, end, &key);
        if (at == NULL || (at = past_space(at, end)) >= end || *at != ':') {
            return NULL;
        }
        at = past_space(at + 1, end);
        at = within_data ? read_field(parsed, at, end, key, text, level + 1)
                         : read_attribute(parsed, at, end, key, text, level + 1);
        if (at == NULL || (at = past_space(at, end)) >= end) {
            return NULL;
        }
        if (*at == '}') {
            return at + 1;
        }
        if (*at != ',') {
            return NULL;
        }
        at = past_space(at + 1, end);
    }
}

static const char *read_attribute(Parsed *parsed, const char *at, const char *end, Slice key, Text *text, int level) {
    const int absent = at < end && *at == 'n';
    Slice found;
    if (is_word(key, "id", 2)) {
        return read_name(at, end, &text->id);
    } else if (is_word(key, "source", 6)) {
        return read_source(at, end, &text->source);
    } else if (is_word(key, "type", 4)) {
        return read_name(at, end, &text->type);
    } else if (is_word(key, "time", 4)) {
        return read_name(at, end, &text->time);
    } else if (is_word(key, "company", 7)) {
        return read_name(at, end, &text->company);
    } else if (is_word(key, "specversion", 11)) {
        at = read_string(at, end, &found);
        text->versioned = at != NULL && is_word(found, "1.0", 3);
        return text->versioned ? at : NULL;
    } else if (is_word(key, "installation", 12)) {
        return absent ? read_null(at, end, &found) : read_source(at, end, &found);
    } else if (is_word(key, "sequence", 8)) {
        text->sequence = -1;
        if (absent) {
            return read_null(at, end, &found);
        }
        if (at < end && *at == '"') {
            at = read_string(at, end, &found);
            return at != NULL && (text->sequence = read_sequence(found)) >= 0 ? at : NULL;
        }
        return read_number(at, end, &text->sequence);
    } else if (is_word(key, "data", 4)) {
        text->user.at = NULL;
        parsed->turn++;
        if (absent) {
            return read_null(at, end, &found);
        }
        return at < end && *at == '{' ? read_members(parsed, at, end, text, level, 1) : NULL;
    }
    return skip_value(at, end, level);
}

/* A shape's name: the number of its type, and for each field a byte (its size + 1, or 0 where it is absent) and its bytes.
   Returns its size, 0 in doubt. */
static uint32_t name_shape(Parsed *parsed, Slice type) {
    const Types *types = parsed->types;
    const int64_t number = find_name(&types->names, type);
    if (number < 0) {
        return 0;
    }
    const uint32_t kept = (uint32_t)number;
    memcpy(parsed->name, &kept, sizeof(kept));
    uint32_t size = sizeof(kept);
    for (uint32_t index = types->begins[number]; index < types->begins[number + 1]; index++) {
        const Field *field = &parsed->fields[types->owned[index]];
        const int is_there = field->turn == parsed->turn && field->kind != IS_NULL;
        if (is_there && field->kind != IS_TEXT) {
            return 0;
        }
        const Slice part = is_there ? field->text : (Slice){NULL, 0};
        parsed->name[size++] = part.at == NULL ? 0 : (char)(part.size + 1);
        if (part.size) {
            memcpy(parsed->name + size, part.at, part.size);
            size += part.size;
        }
    }
    return size;
}

/* The measures of the event at hand, behind those before; 1, 0 in doubt, -1 without memory. */
static int read_measures(Parsed *parsed, uint32_t type) {
    const Types *types = parsed->types;
    for (uint32_t index = types->measures_begin[type]; index < types->measures_begin[type + 1]; index++) {
        const Measure *measure = &types->measures[index];
        const Field *field = &parsed->fields[measure->field];
        const int is_there = field->turn == parsed->turn && field->kind != IS_NULL;
        if (is_there ? field->kind != (measure->is_flag ? IS_FLAG : IS_NUMBER) : measure->is_required) {
            return 0;
        }
        if (parsed->measure_count == parsed->measure_room) {
            const uint32_t room = parsed->measure_room ? parsed->measure_room * 2 : FIRST_ROOM;
            int64_t *measures = realloc(parsed->measures, room * sizeof(int64_t));
            if (measures == NULL) {
                return -1;
            }
            parsed->measures = measures;
            parsed->measure_room = room;
        }
        parsed->measures[parsed->measure_count++] = is_there ? field->number : NO_MEASURE;
    }
    return 1;
}

/* The type of a shape, from its name. */
static inline uint32_t type_of(const Parsed *parsed, uint32_t shape) {
    uint32_t type;
    memcpy(&type, parsed->shapes.names[shape].name.at, sizeof(type));
    return type;
}

/* As `number_of`, of the shape of the event at hand. */
static int64_t number_shape(Parsed *parsed, Slice type) {
    const uint32_t size = name_shape(parsed, type);
    if (size == 0) {
        return NOT_THERE;
    }
    const uint32_t before = parsed->shapes.count;
    const int64_t number = number_of(&parsed->shapes, 0, (Slice){parsed->name, size});
    if (number < 0 || parsed->shapes.count == before) {
        return number;
    }
    if (parsed->text_count == parsed->text_room) {
        const uint32_t room = parsed->text_room ? parsed->text_room * 2 : FIRST_ROOM;
        char **texts = realloc(parsed->texts, room * sizeof(char *));
        if (texts == NULL) {
            return -1;
        }
        parsed->texts = texts;
        parsed->text_room = room;
    }
    char *kept = malloc(size);
    if (kept == NULL) {
        return -1;
    }
    memcpy(kept, parsed->name, size);
    parsed->texts[parsed->text_count++] = kept;
    parsed->shapes.names[number].name.at = kept;
    return number;
}

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
    if (!text.versioned || !text.id.at || !text.source.at || !text.type.at || !text.time.at || !text.company.at || !same(text.company, key) || !read_time(text.time, &event.time)) {
        return 0;
    }
    int64_t source = number_of(&parsed->sources, company, text.source), shape = number_shape(parsed, text.type), user = NOBODY;
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

static void free_parsed(Parsed *parsed) {
    free(parsed->records);
    free(parsed->events);
    free(parsed->measures);
    free_table(&parsed->companies);
    free_table(&parsed->sources);
    free_table(&parsed->shapes);
    free_table(&parsed->users);
    for (uint32_t index = 0; index < parsed->text_count; index++) {
        free(parsed->texts[index]);
    }
    free(parsed->texts);
    free(parsed->fields);
    free(parsed->name);
}

#endif
