/* The text of one event, member by member: its attributes as they stand there, and the fields of `data` that the catalogue
   names. As in text.h every reader returns the place behind what it read, or NULL where it is in doubt. */
#ifndef FOOTFALL_MEMBERS_H
#define FOOTFALL_MEMBERS_H

#include "parsed.h"
#include "text.h"

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

#endif
