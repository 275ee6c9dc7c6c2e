/* What the fields of an event come to: the number of its shape, and its measures. */
#ifndef FOOTFALL_SHAPES_H
#define FOOTFALL_SHAPES_H

#include "parsed.h"

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

#endif
