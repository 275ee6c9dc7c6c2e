/* The hash table of the compiled part: entries numbered in the order in which they come, and slots by which they are found.

   Hashes are keyed (siphash.h), and a look-up probes a bounded number of slots, so no choice of keys makes it slow: what is
   past the bound is CROWDED, and its caller goes another way. Most tables are of names: bytes within a group, such as a user
   within a company, which are not copied and must outlive the table. */
#ifndef FOOTFALL_TABLE_H
#define FOOTFALL_TABLE_H

#include <limits.h>
#include <stdlib.h>

#include "siphash.h"
#include "slice.h"

#ifndef MOST_PROBES
#define MOST_PROBES 128 /* in a table that is at most half full, where next to no key needs as many */
#endif

enum { NO_ROOM = -1, CROWDED = -2, FIRST_ROOM = 64 };

typedef struct {
    uint64_t hash;
    Slice name;
    uint32_t group;
} Name;

typedef struct {
    union {
        void *entries;
        Name *names;
    };
    uint32_t *slots; /* number + 1 of an entry, 0 where free */
    uint32_t count, room, mask;
} Table;

/* What entries are; a constant where a table is used, so that its functions are compiled into the look-up. */
typedef struct {
    size_t size;
    uint32_t first_room; /* a power of two */
    uint64_t (*hash)(const void *entry);
    int (*is_same)(const void *entry, const void *other);
} Kind;

static inline const void *entry_at(const Table *table, const Kind *kind, uint32_t number) {
    return (const char *)table->entries + number * kind->size;
}

static inline __attribute__((always_inline)) int grow_table(Table *table, const Kind *kind) {
    const uint32_t room = table->room ? table->room * 2 : kind->first_room;
    void *entries = realloc(table->entries, room * kind->size);
    if (entries == NULL) {
        return NO_ROOM;
    }
    table->entries = entries;
    uint32_t *slots = calloc((size_t)room * 2, sizeof(uint32_t));
    if (slots == NULL) {
        return NO_ROOM;
    }
    free(table->slots);
    table->slots = slots;
    table->room = room;
    table->mask = room * 2 - 1;
    for (uint32_t number = 0; number < table->count; number++) {
        uint32_t slot = (uint32_t)kind->hash(entry_at(table, kind, number)) & table->mask;
        while (slots[slot]) {
            slot = (slot + 1) & table->mask;
        }
        slots[slot] = number + 1;
    }
    return 0;
}

/* The slot of an entry like this one or else the free one where it belongs; CROWDED past so many probes. */
static inline __attribute__((always_inline)) int64_t slot_of(
    const Table *table, const Kind *kind, uint64_t hash, const void *entry, int most
) {
    uint32_t slot = (uint32_t)hash & table->mask;
    for (int probes = 0; table->slots[slot]; slot = (slot + 1) & table->mask, probes++) {
        if (kind->is_same(entry_at(table, kind, table->slots[slot] - 1), entry)) {
            return slot;
        }
        if (probes >= most) {
            return CROWDED;
        }
    }
    return slot;
}

/* The number of an entry like this one; where there is none, of this one, put in as the last. NO_ROOM, or CROWDED. */
static inline __attribute__((always_inline)) int64_t put_entry(
    Table *table, const Kind *kind, uint64_t hash, const void *entry
) {
    if (table->count == table->room && grow_table(table, kind) < 0) {
        return NO_ROOM;
    }
    const int64_t slot = slot_of(table, kind, hash, entry, MOST_PROBES);
    if (slot < 0) {
        return CROWDED;
    }
    if (table->slots[slot] == 0) {
        memcpy((char *)table->entries + table->count * kind->size, entry, kind->size);
        table->slots[slot] = ++table->count;
    }
    return table->slots[slot] - 1;
}

static void free_table(Table *table) {
    free(table->entries);
    free(table->slots);
}

/* ---- tables of names */

static inline uint64_t hash_name(uint32_t group, Slice name) {
    Sip sip = sip_begin();
    sip_word(&sip, group);
    return sip_end(sip, name.at, name.size, sizeof(uint64_t));
}

static uint64_t hash_of_name(const void *entry) {
    return ((const Name *)entry)->hash;
}

static inline int are_same_names(const void *entry, const void *other) {
    const Name *one = entry, *two = other;
    return one->hash == two->hash && one->group == two->group && same(one->name, two->name);
}

static const Kind NAMES = {sizeof(Name), FIRST_ROOM, hash_of_name, are_same_names};

static inline int grow(Table *table) {
    return grow_table(table, &NAMES);
}

/* The number of a name, a new one where it has none; NO_ROOM, or CROWDED. */
static inline int64_t number_of(Table *table, uint32_t group, Slice name) {
    const uint64_t hash = hash_name(group, name);
    return put_entry(table, &NAMES, hash, &(Name){hash, name, group});
}

#endif
