/* Records as columns: which events each holds, where that is beyond doubt. Filled by events.h.

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
