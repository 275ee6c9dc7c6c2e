/* JSON text read by the letter of RFC 8259, as far as it is surely right: anything rare (escapes of code points, more
   than 32 levels, numbers that are not whole) is left to the strict path, and nothing here decides that a text is wrong.
   Every reader takes the place where it begins and the end of the text, and returns the place behind what it read, or
   NULL where it is in doubt. */
#ifndef FOOTFALL_TEXT_H
#define FOOTFALL_TEXT_H

#include "slice.h"

enum { MOST_LEVELS = 32, MOST_NAME = 256 };

static inline int is_word(Slice slice, const char *word, uint32_t size) {
    return slice.size == size && memcmp(slice.at, word, size) == 0;
}

static inline const char *past_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

/* Whether a byte of the word is a quote, a backslash or a control character, after "Determine if a word has a byte less
   than n" and "equal to n" in Bit Twiddling Hacks (Sean Eron Anderson, public domain); never misses one, and where it
   is wrong the bytes are looked at one by one. */
static inline uint64_t may_end(uint64_t word) {
    const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t found = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    return found & tops;
}

/* A string without escapes; at its opening quote. */
static inline const char *read_string(const char *at, const char *end, Slice *found) {
    if (at >= end || *at != '"') {
        return NULL;
    }
    const char *begin = ++at;
    for (;;) {
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
            if (may_end(word)) {
                break;
            }
            at += 8;
        }
        for (int left = 8; left > 0; left--, at++) {
            if (at >= end || (unsigned char)*at < 0x20 || *at == '\\') {
                return NULL;
            }
            if (*at == '"') {
                found->at = begin;
                found->size = (uint32_t)(at - begin);
                return at + 1;
            }
        }
    }
}

/* A string that nobody asks for, short escapes among it. */
static const char *skip_string(const char *at, const char *end) {
    if (at >= end || *at != '"') {
        return NULL;
    }
    for (at++; at < end; at++) {
        unsigned char here = (unsigned char)*at;
        if (here == '"') {
            return at + 1;
        }
        if (here < 0x20) {
            return NULL;
        }
        if (here == '\\' && (++at >= end || memchr("\"\\/bfnrt", *at, 8) == NULL)) {
            return NULL;
        }
    }
    return NULL;
}

static inline int is_digit(char here) {
    return here >= '0' && here <= '9';
}

static inline const char *skip_digits(const char *at, const char *end) {
    const char *begin = at;
    while (at < end && is_digit(*at)) {
        at++;
    }
    return at > begin ? at : NULL;
}

static const char *skip_number(const char *at, const char *end) {
    if (at < end && *at == '-') {
        at++;
    }
    if (at < end && *at == '0') {
        at++;
    } else if ((at = skip_digits(at, end)) == NULL) {
        return NULL;
    }
    if (at < end && *at == '.' && (at = skip_digits(at + 1, end)) == NULL) {
        return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        return skip_digits(at, end);
    }
    return at;
}

static inline const char *read_word(const char *at, const char *end, const char *word, size_t size) {
    return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

/* Any value that nobody asks for. */
static const char *skip_value(const char *at, const char *end, int level) {
    if (at >= end || level > MOST_LEVELS) {
        return NULL;
    }
    switch (*at) {
        case '"':
            return skip_string(at, end);
        case 't':
            return read_word(at, end, "true", 4);
        case 'f':
            return read_word(at, end, "false", 5);
        case 'n':
            return read_word(at, end, "null", 4);
        case '{':
        case '[':
            break;
        default:
            return skip_number(at, end);
    }
    const char open = *at, close = open == '{' ? '}' : ']';
    at = past_space(at + 1, end);
    if (at < end && *at == close) {
        return at + 1;
    }
    for (;;) {
        if (open == '{') {
            at = skip_string(at, end);
            if (at == NULL || (at = past_space(at, end)) >= end || *at != ':') {
                return NULL;
            }
            at = past_space(at + 1, end);
        }
        at = skip_value(at, end, level + 1);
        if (at == NULL || (at = past_space(at, end)) >= end) {
            return NULL;
        }
        if (*at == close) {
            return at + 1;
        }
        if (*at != ',') {
            return NULL;
        }
        at = past_space(at + 1, end);
    }
}

/* Whether the bytes are UTF-8: no overlong form, no surrogate, nothing past U+10FFFF. */
static int is_utf8(const char *text, size_t size) {
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    while (at < end) {
        if (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
            if (!(word & 0x8080808080808080ULL)) {
                at += 8;
                continue;
            }
        }
        unsigned char lead = *at++, least = 0x80, most = 0xBF;
        int more;
        if (lead < 0x80) {
            continue;
        } else if (lead >= 0xC2 && lead <= 0xDF) {
            more = 1;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            more = 2;
            least = lead == 0xE0 ? 0xA0 : 0x80;
            most = lead == 0xED ? 0x9F : 0xBF;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            more = 3;
            least = lead == 0xF0 ? 0x90 : 0x80;
            most = lead == 0xF4 ? 0x8F : 0xBF;
        } else {
            return 0;
        }
        for (; more > 0; more--, at++, least = 0x80, most = 0xBF) {
            if (at >= end || *at < least || *at > most) {
                return 0;
            }
        }
    }
    return 1;
}

/* `size` digits as a number, -1 where one is none. */
static inline int digits(const char *at, int size) {
    int found = 0;
    for (; size > 0; size--, at++) {
        if (!is_digit(*at)) {
            return -1;
        }
        found = found * 10 + (*at - '0');
    }
    return found;
}

/* Days since 1970-01-01, after chrono-Compatible Low-Level Date Algorithms (Howard Hinnant, public domain). */
static inline int64_t days_from_civil(int year, int month, int day) {
    year -= month <= 2;
    const int era = year / 400, of_era = year - era * 400;
    const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Milliseconds since 1970 UTC of an RFC 3339 time of the years 2001 to 2998, further digits cut off; 0 if in doubt. */
static int read_time(Slice text, int64_t *found) {
    static const signed char lengths[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *at = text.at, *end = at + text.size;
    if (text.size < 20 || at[4] != '-' || at[7] != '-' || (at[10] | 0x20) != 't' || at[13] != ':' || at[16] != ':') {
        return 0;
    }
    const int year = digits(at, 4), month = digits(at + 5, 2), day = digits(at + 8, 2);
    const int hour = digits(at + 11, 2), minute = digits(at + 14, 2), second = digits(at + 17, 2);
    if (year < 2001 || year > 2998 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 59) {
        return 0;
    }
    const int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month] + (month == 2 && leap)) {
        return 0;
    }
    int64_t time = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
    at += 19;
    if (*at == '.') {
        const char *begin = ++at;
        int worth = 100;
        while (at < end && is_digit(*at)) {
            time += (*at++ - '0') * worth;
            worth /= 10;
        }
        if (at == begin || at >= end) {
            return 0;
        }
    }
    if ((*at | 0x20) == 'z') {
        *found = time;
        return at + 1 == end;
    }
    if ((*at != '+' && *at != '-') || end - at != 6 || at[3] != ':') {
        return 0;
    }
    const int hours = digits(at + 1, 2), minutes = digits(at + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return 0;
    }
    const int64_t offset = (hours * 60 + minutes) * 60000LL;
    *found = *at == '+' ? time - offset : time + offset;
    return 1;
}

/* The number of a sequence written as text of at most 18 digits, -1 where in doubt. */
static inline int64_t read_sequence(Slice text) {
    if (text.size == 0 || text.size > 18 || (text.at[0] == '0' && text.size > 1)) {
        return -1;
    }
    int64_t found = 0;
    for (uint32_t index = 0; index < text.size; index++) {
        if (!is_digit(text.at[index])) {
            return -1;
        }
        found = found * 10 + (text.at[index] - '0');
    }
    return found;
}

#endif
