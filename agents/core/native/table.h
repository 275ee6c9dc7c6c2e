/* Names numbered in the order in which they come. A name is bytes within a group, such as a user within a company;
   its bytes are not copied and must outlive the table. */
#ifndef FOOTFALL_TABLE_H
#define FOOTFALL_TABLE_H

#include <stdlib.h>

#include "text.h"

typedef struct {
    uint64_t hash;
    Slice name;
    uint32_t group;
} Name;

typedef struct {
    Name *names;
    uint32_t *slots; /* number + 1 of a name, 0 where free */
    uint32_t count, room, mask;
} Table;

enum { MOST_PROBES = 64, FIRST_ROOM = 64 };

static uint64_t table_seed; /* set once, so that nobody can choose names that collide */

static inline uint64_t hash_name(uint32_t group, Slice name) {
    const uint64_t factor = 0x9E3779B97F4A7C15ULL;
    uint64_t found = (table_seed ^ ((uint64_t)group << 32 | name.size)) * factor;
    found ^= found >> 29; /* else a name's first bytes would cancel out with its group */
    const char *at = name.at, *end = at + name.size;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        found = (found ^ word) * factor;
        found ^= found >> 29;
    }
    if (at < end) {
        uint64_t word = 0;
        memcpy(&word, at, (size_t)(end - at));
        found = (found ^ word) * factor;
    }
    found ^= found >> 32;
    found *= factor;
    return found ^ found >> 32;
}

static int grow(Table *table) {
    const uint32_t room = table->room ? table->room * 2 : FIRST_ROOM;
    Name *names = realloc(table->names, room * sizeof(Name));
    if (names == NULL) {
        return -1;
    }
    table->names = names;
    uint32_t *slots = calloc((size_t)room * 2, sizeof(uint32_t));
    if (slots == NULL) {
        return -1;
    }
    free(table->slots);
    table->slots = slots;
    table->room = room;
    table->mask = room * 2 - 1;
    for (uint32_t number = 0; number < table->count; number++) {
        uint32_t slot = (uint32_t)names[number].hash & table->mask;
        while (slots[slot]) {
            slot = (slot + 1) & table->mask;
        }
        slots[slot] = number + 1;
    }
    return 0;
}

/* The number of a name, a new one where it has none; -1 without memory, -2 where too many names collide. */
static inline int64_t number_of(Table *table, uint32_t group, Slice name) {
    if (table->count == table->room && grow(table) < 0) {
        return -1;
    }
    const uint64_t hash = hash_name(group, name);
    uint32_t slot = (uint32_t)hash & table->mask;
    for (int probes = 0; table->slots[slot]; slot = (slot + 1) & table->mask, probes++) {
        const Name *known = &table->names[table->slots[slot] - 1];
        if (known->hash == hash && known->group == group && same(known->name, name)) {
            return table->slots[slot] - 1;
        }
        if (probes > MOST_PROBES) {
            return -2;
        }
    }
    table->names[table->count] = (Name){hash, name, group};
    table->slots[slot] = ++table->count;
    return table->count - 1;
}

static void free_table(Table *table) {
    free(table->names);
    free(table->slots);
}

#endif
