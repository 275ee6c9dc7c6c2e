/* Groups of events by what they have in common, and what the events of each come to. */
#ifndef FOOTFALL_GROUPS_H
#define FOOTFALL_GROUPS_H

#include "table.h"

/* Hour or day and shape or user, company and source: two numbers of 32 bits in each half. */
typedef struct {
    uint64_t high, low;
} Key;

typedef struct {
    Key key;
    int64_t first, last, size;
} Group;

/* What the events of a group add by one of their measures, and the last that adds anything. */
typedef struct {
    int64_t sum, last;
} Sum;

/* Groups in the order of their first event; of each `width` sums. */
typedef struct {
    Table table;
    uint32_t latest, width, sum_room;
    Sum *sums;
} Groups;

static inline Key key_of(int64_t when, int64_t what, int64_t company, int64_t source) {
    return (Key){(uint64_t)when << 32 | (uint64_t)what, (uint64_t)company << 32 | (uint64_t)source};
}

static inline int are_same(Key key, Key other) {
    return key.high == other.high && key.low == other.low;
}

static inline uint64_t hash_of(Key key) {
    Sip sip = sip_begin();
    sip_word(&sip, key.high);
    sip_word(&sip, key.low);
    return sip_end(sip, "", 0, sizeof(Key));
}

static uint64_t hash_of_group(const void *entry) {
    return hash_of(((const Group *)entry)->key);
}

static inline int are_same_groups(const void *entry, const void *other) {
    return are_same(((const Group *)entry)->key, ((const Group *)other)->key);
}

static const Kind GROUPS = {sizeof(Group), 256, hash_of_group, are_same_groups};

static inline Group *group_at(const Groups *all, uint32_t number) {
    return (Group *)all->table.entries + number;
}

/* Put the event at index `at` into the group of `key`; 0, NO_ROOM or CROWDED. */
static inline int put(Groups *all, Key key, int64_t at) {
    const uint32_t before = all->table.count;
    if (before == 0 || !are_same(group_at(all, all->latest)->key, key)) {
        const int64_t number = put_entry(&all->table, &GROUPS, hash_of(key), &(Group){key, at, at, 0});
        if (number < 0) {
            return (int)number;
        }
        all->latest = (uint32_t)number;
    }
    Group *group = group_at(all, all->latest);
    group->last = at;
    group->size++;
    return 0;
}

/* Add the measures of the event at index `at` to the sums of the latest group; 0, NO_ROOM, or CROWDED past 63 bits. */
static int add_measures(Groups *all, const int64_t *measures, uint32_t count, int64_t at) {
    if (all->latest >= all->sum_room) {
        const uint32_t room = all->table.room;
        Sum *sums = realloc(all->sums, (size_t)room * all->width * sizeof(Sum));
        if (sums == NULL) {
            return NO_ROOM;
        }
        for (size_t index = (size_t)all->sum_room * all->width; index < (size_t)room * all->width; index++) {
            sums[index] = (Sum){0, -1};
        }
        all->sums = sums;
        all->sum_room = room;
    }
    Sum *sums = &all->sums[(size_t)all->latest * all->width];
    for (uint32_t place = 0; place < count; place++) {
        if (measures[place] > 0) {
            if (__builtin_add_overflow(sums[place].sum, measures[place], &sums[place].sum)) {
                return CROWDED; /* the form in Python has no bound */
            }
            sums[place].last = at;
        }
    }
    return 0;
}

#endif
