/* Values too short to be an event, of which it is known at once why they are refused. Unlike text.h this decides that a text
   is no JSON, by the letter of RFC 8259; where it would depend on bytes that are not ASCII or on escapes it says nothing. */
#ifndef FOOTFALL_SHORT_H
#define FOOTFALL_SHORT_H

#include "text.h"

enum {
    SHORTEST_EVENT = 64,    /* a value of fewer bytes is no event, and not nested too deep */
    LONGEST_REST = 1 << 16, /* with key and headers no longer than this such a record is not too large */
    MOST_REFUSED = 1024,    /* at once */
};

/* The last two are of a batch of one. */
enum { NO_JSON, NO_OBJECT, NO_SPECVERSION, ONE_NO_OBJECT, ONE_NO_SPECVERSION, PERHAPS };

/* What is seen on the way: whether a string holds an escape or what is not ASCII, how many items or members the outermost
   array or object has, and whether an object at `depth` has the member `specversion`. A text with such a string that is
   wrong elsewhere is wrong whatever the string holds. */
typedef struct {
    const char *end;
    int is_rare, has_specversion, depth, level, count;
} Seen;

/* Readers return the place behind what they read, NULL where that is not JSON. */
static const char *read_short(const char *at, Seen *seen);

static const char *read_short_string(const char *at, Seen *seen) {
    for (at++; at < seen->end; at++) {
        const unsigned char here = (unsigned char)*at;
        if (here == '"') {
            return at + 1;
        }
        if (here < 0x20) {
            return NULL;
        }
        if (here == '\\') {
            at++;
        }
        seen->is_rare |= here == '\\' || here >= 0x80;
    }
    return NULL;
}

static const char *read_short_member(const char *at, Seen *seen) {
    const char *begin = at;
    at = at < seen->end && *at == '"' ? read_short_string(at, seen) : NULL;
    if (at == NULL) {
        return NULL;
    }
    const Slice name = {begin + 1, (uint32_t)(at - begin - 2)};
    seen->has_specversion |= seen->level == seen->depth && is_word(name, "specversion", 11);
    at = past_space(at, seen->end);
    return at < seen->end && *at == ':' ? read_short(past_space(at + 1, seen->end), seen) : NULL;
}

/* An array or an object, at its opening bracket. */
static const char *read_short_items(const char *at, Seen *seen) {
    const char closing = *at == '[' ? ']' : '}';
    at = past_space(at + 1, seen->end);
    if (at < seen->end && *at == closing) {
        return at + 1;
    }
    seen->level++;
    for (;;) {
        seen->count += seen->level == 1;
        at = closing == ']' ? read_short(at, seen) : read_short_member(at, seen);
        at = at ? past_space(at, seen->end) : seen->end;
        if (at < seen->end && *at == closing) {
            seen->level--;
            return at + 1;
        }
        if (at >= seen->end || *at != ',') {
            return NULL;
        }
        at = past_space(at + 1, seen->end);
    }
}

static const char *read_short_word(const char *at, Seen *seen) {
    static const char *const words[] = {"true", "false", "null"};
    for (int index = 0; index < 3; index++) {
        const size_t size = strlen(words[index]);
        if ((size_t)(seen->end - at) >= size && memcmp(at, words[index], size) == 0) {
            return at + size;
        }
    }
    return skip_number(at, seen->end);
}

static const char *read_short(const char *at, Seen *seen) {
    if (at >= seen->end) {
        return NULL;
    }
    return *at == '[' || *at == '{' ? read_short_items(at, seen)
           : *at == '"'             ? read_short_string(at, seen)
                                    : read_short_word(at, seen);
}

static int verdict_of_short(const char *at, const char *end) {
    at = past_space(at, end);
    const int is_batch = at < end && *at == '[';
    Seen seen = {.end = end, .depth = is_batch ? 2 : 1};
    const char *behind = read_short(at, &seen);
    if (behind == NULL || past_space(behind, end) != end) {
        return NO_JSON;
    }
    if (seen.is_rare || seen.has_specversion || (is_batch && seen.count != 1)) {
        return PERHAPS;
    }
    if (is_batch) {
        return *past_space(at + 1, end) == '{' ? ONE_NO_SPECVERSION : ONE_NO_OBJECT;
    }
    return *at == '{' ? NO_SPECVERSION : NO_OBJECT;
}

#endif
