/* Names numbered in the order in which they come. A name is bytes within a group, such as a user within a company;
   its bytes are not copied and must outlive the table. Hashes are keyed (siphash.h), and a look-up probes a bounded number of
   places, so no choice of names makes it slow: what is past the bound is in doubt, and folded record by record. */
#ifndef FOOTFALL_TABLE_H
#define FOOTFALL_TABLE_H

#include <stdlib.h>

#include "siphash.h"
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

enum { FIRST_ROOM = 64 };

static inline uint64_t hash_name(uint32_t group, Slice name) {
    Sip sip = sip_begin();
    sip_word(&sip, group);
    return sip_end(sip, name.at, name.size, sizeof(uint64_t));
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
        if (probes >= MOST_PROBES) {
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
